"""Digests of files and folders."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from blake3 import blake3

from everfit.adapters.files.disk import writing

_CHUNK: Final = 1 << 20


def digest_of(file: BinaryIO, begin: bytes = b"") -> str:
    """Return ``blake3:…`` of what was read already and what is left to read of *file*."""
    hasher, buffer = blake3(begin), memoryview(bytearray(_CHUNK))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]  # every binary file has it
        hasher.update(buffer[:count])
    return f"blake3:{hasher.hexdigest()}"


def folder_digest(folder: Path) -> str:
    """Return the digest of every file's path, executable bit and content; what else lies there counts as well."""
    hasher = blake3()
    with writing(folder):
        for path in sorted(_all_below(folder)):
            place = folder / path
            if place.is_symlink() or not place.is_file():
                hasher.update(f"other {path}\0".encode())
                continue
            with place.open("rb") as file:
                mode = "x" if place.stat().st_mode & 0o100 else "-"
                hasher.update(f"{mode} {path}\0{digest_of(file)}\0".encode())
    return f"blake3:{hasher.hexdigest()}"


def _all_below(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        for name in files:
            yield os.path.relpath(os.path.join(place, name), folder)
        for name in folders:
            if os.path.islink(os.path.join(place, name)):
                yield os.path.relpath(os.path.join(place, name), folder)
