"""Contents kept once by their blake3 digest.

An object is written under a temporary name and renamed when it is whole; its digest is of the very bytes that were
written. It then gets a fixed time of change, so that anything that writes into it later shows in its ``stat`` alone.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final

from blake3 import blake3

from everfit.adapters.files.digests import digest_of
from everfit.adapters.files.disk import writing
from everfit.domain.snapshot import object_path

_KEPT_AT: Final = 10**18
_CHUNK: Final = 1 << 20
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

LARGE: Final = 1 << 20
"""Contents above this size are read in parts."""


class ObjectStore:
    """Contents by digest.

    Args:
        needed: bytes that are about to be kept, for the message when they do not fit; None when not known.
    """

    def __init__(self, folder: Path, needed: int | None = None) -> None:
        self.folder = folder
        self._needed = needed

    def holds(self, digest: str, size: int | None) -> bool:
        """Tell whether the content is there, and nobody has written into it since it was kept."""
        try:
            found = os.stat(f"{self.folder}/{object_path(digest)}")
        except OSError:
            return False
        return found.st_size == size and found.st_mtime_ns == _KEPT_AT

    def keep(self, file: BinaryIO, size: int | None, temporary: str, guess: str = "") -> tuple[str, int]:
        """Keep the content of *file*; return its digest and size.

        Args:
            size: that it should have, in bytes; None when that is not known.
            temporary: a free name on the same disk, to write it under first.
            guess: the digest that it may well have; then it is not written again, if it has.
        """
        # One byte more than there should be: a shorter answer is the whole file, without a second read.
        wanted = LARGE + 1 if size is None else min(size, LARGE) + 1
        begin = file.read(wanted)
        if len(begin) < wanted:
            digest = f"blake3:{blake3(begin).hexdigest()}"
            if not self.holds(digest, len(begin)):
                self._write(begin, temporary)
                self._place(temporary, digest)
            return digest, len(begin)
        if guess and file.seekable():
            if digest_of(file, begin) == guess and self.holds(guess, file.tell()):
                return guess, file.tell()
            file.seek(0)
            begin = b""
        digest, count = self._stream(begin, file, temporary)
        self._place(temporary, digest)
        return digest, count

    def remove_all_but(self, digests: Collection[str]) -> int:
        """Remove every other object; return how many bytes that freed."""
        kept, freed = {object_path(digest) for digest in digests}, 0
        with writing(self.folder):
            for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
                if f"{path.parent.name}/{path.name}" not in kept:
                    freed += path.stat().st_size
                    path.unlink()
        return freed

    def _write(self, data: bytes, temporary: str) -> None:
        with writing(self.folder, self._needed):
            descriptor = os.open(temporary, _NEW, 0o444)
            try:
                _write_all(descriptor, memoryview(data))
                os.utime(descriptor, ns=(_KEPT_AT, _KEPT_AT))
            finally:
                os.close(descriptor)

    def _stream(self, begin: bytes, file: BinaryIO, temporary: str) -> tuple[str, int]:
        hasher, size, buffer = blake3(begin), len(begin), memoryview(bytearray(_CHUNK))
        with writing(self.folder, self._needed):
            descriptor = os.open(temporary, _NEW, 0o444)
        try:
            self._append(descriptor, memoryview(begin))
            while count := file.readinto(buffer):  # type: ignore[attr-defined]  # every binary file has it
                hasher.update(buffer[:count])
                size += self._append(descriptor, buffer[:count])
            with writing(self.folder):
                os.utime(descriptor, ns=(_KEPT_AT, _KEPT_AT))
        finally:
            os.close(descriptor)
        return f"blake3:{hasher.hexdigest()}", size

    def _append(self, descriptor: int, data: memoryview) -> int:
        with writing(self.folder, self._needed):
            _write_all(descriptor, data)
        return len(data)

    def _place(self, temporary: str, digest: str) -> None:
        target = f"{self.folder}/{object_path(digest)}"
        with writing(self.folder, self._needed):
            try:
                os.rename(temporary, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(temporary, target)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
