"""Writes and reads ``model.tar.gz`` archives: the same content always gives the same bytes.

The gzip layer only wraps: its deflate blocks are stored, not compressed. What a compressor writes depends on its
version, so that the digest of the same model would differ between machines; trained weights hardly shrink anyway.
"""

import hashlib
import os
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Final

from everfit.adapters.files.disk import writing
from everfit.adapters.files.tree import TreeFile, read_error
from everfit.domain.errors import BackendError, RefusedError, StateError

_BLOCK: Final = 65535
_CHUNK: Final = 1 << 20
_MOST_MEMBERS: Final = 1_000_000
# Deflate, no flags, no time, no extra flags, made on Unix: RFC 1952.
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


Member = TreeFile | bytes | None
"""A file, the content of one, or a folder."""


class StoredGzip:
    """A gzip stream of stored blocks; ``digest`` and ``size`` are of the bytes that were written."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._waiting = bytearray()
        self._checksum = 0
        self._length = 0
        self._hasher = hashlib.sha256()
        self.size = 0
        self._put(_HEADER)

    @property
    def digest(self) -> str:
        """The digest of everything written so far."""
        return f"sha256:{self._hasher.hexdigest()}"

    def write(self, data: bytes) -> int:
        """Take the next bytes of the content."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._length += len(data)
        self._waiting += data
        whole = len(self._waiting) // _BLOCK * _BLOCK
        if whole:
            view = bytes(memoryview(self._waiting)[:whole])
            self._put(b"".join(_stored(view[at : at + _BLOCK]) for at in range(0, whole, _BLOCK)))
            del self._waiting[:whole]
        return len(data)

    def close(self) -> None:
        """Write the last block and the checksum."""
        self._put(_stored(bytes(self._waiting), is_last=True))
        self._put(struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF))

    def _put(self, data: bytes) -> None:
        self._hasher.update(data)
        self.size += self._target.write(data)


def _stored(data: bytes, *, is_last: bool = False) -> bytes:
    return struct.pack("<BHH", is_last, len(data), len(data) ^ 0xFFFF) + data


def write_archive(members: Mapping[str, Member], target: BinaryIO) -> tuple[str, int]:
    """Write the members, by name, into *target*; return digest and size of the archive."""
    stream = StoredGzip(target)
    for name in sorted(members):
        _add(stream, name, members[name])
    stream.write(bytes(2 * tarfile.BLOCKSIZE))
    stream.close()
    return stream.digest, stream.size


def _add(stream: StoredGzip, name: str, content: Member) -> None:
    member = tarfile.TarInfo(name)
    parts: Iterable[bytes] = ()
    match content:
        case None:
            member.type, member.mode = tarfile.DIRTYPE, 0o755
        case bytes():
            member.size, member.mode, parts = len(content), 0o644, (content,)
        case TreeFile(stat=found):
            member.size, member.mode = found.st_size, 0o755 if found.st_mode & stat.S_IXUSR else 0o644
            parts = _unchanged(content)
    stream.write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
    for part in parts:
        stream.write(part)
    stream.write(bytes(-member.size % tarfile.BLOCKSIZE))


def _unchanged(file: TreeFile) -> Iterator[bytes]:
    """Yield the content of a file that must not change while it is read."""
    before, size = file.stat, 0
    try:
        with open(file.place, "rb", buffering=0) as content:
            while part := content.read(_CHUNK):
                size += len(part)
                yield part
            after = os.fstat(content.fileno())
    except OSError as error:
        raise read_error(error, file.place) from error
    if size != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise BackendError(
            f"{file.place} changed while it was packed. Let the training script wait for its own processes.",
            retryable=True,
        )


def extract_archive(path: Path, target: Path, *, limit: int, name: str | None = None) -> None:
    """Write the files of the archive below *target*, at most *limit* bytes of them.

    Args:
        name: how a person knows the archive; None means by its path.

    Raises:
        RefusedError: a member is not a plain file or folder with a name of its own inside the target.
    """
    names: set[str] = set()
    known = name or str(path)
    try:
        with tarfile.open(path, "r|gz", bufsize=_CHUNK) as archive:
            left = limit
            for member in archive:
                _check(known, member, names, left)
                left -= member.size
                _extract(archive, member, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RefusedError(f"{known} is not a whole archive ({error}). Register a version that is.") from error


def _check(known: str, member: tarfile.TarInfo, names: set[str], left: int) -> None:
    name = os.path.normpath(member.name)
    reason = None
    if name.startswith(("/", "../")) or name == ".." or "\\" in name or "\0" in name:
        reason = "its name leads out of the folder"
    elif not (member.isreg() or member.isdir()):
        reason = "it is a link or a device"
    elif name in names and not member.isdir():
        reason = "it is there twice"
    elif not 0 <= member.size <= left or len(names) >= _MOST_MEMBERS:
        reason = "what is in the archive is too large"
    if reason is not None:
        raise RefusedError(f"{known} is refused because of {member.name!r}: {reason}. Pack the model again.")
    names.add(name)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    place = target / os.path.normpath(member.name)
    with writing(target, member.size):
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(member)
        if content is None:
            raise StateError(f"{member.name} cannot be read out of its archive. Pack the model again.")
        mode = 0o555 if member.mode & stat.S_IXUSR else 0o444
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with content, open(descriptor, "wb", buffering=0) as file:
            for part in _parts(content):
                file.write(part)


def _parts(content: IO[bytes]) -> Iterator[bytes]:
    while part := content.read(_CHUNK):
        yield part
