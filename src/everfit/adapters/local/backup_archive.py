"""The archive of a backup: what it is comes first, then the rows and files, and last the digest of every member."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Final

from everfit.domain.errors import NotFoundError, RefusedError

FORMAT: Final = 1
HEAD: Final = "everfit-backup.json"
DIGESTS: Final = "digests.json"
ROWS: Final = "rows/"
FILES: Final = "files/"
LINKS: Final = ("files/environments/", "files/runs/")
"""Only virtual environments and what jobs made may hold links."""
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a backup says of itself.

    Args:
        schema: of the database.
        home: the state folder whose backup it is.
        counters: the last number that each table gave out.
    """

    format: int
    everfit: str
    schema: int
    home: str
    database: str
    created: str
    counters: Mapping[str, int]


class BackupWriter:
    """Writes one archive into an open file."""

    def __init__(self, file: IO[bytes], head: Head) -> None:
        self._digests: dict[str, str] = {}
        # Level 1: what is large here, models and data, hardly shrinks.
        self._compressed = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1)
        self._archive = tarfile.TarFile(fileobj=self._compressed, mode="w")
        self.add_bytes(HEAD, json.dumps(asdict(head), indent=1).encode())

    def add_bytes(self, name: str, content: bytes) -> None:
        """Write a member that is in memory."""
        self.add_content(name, io.BytesIO(content), len(content))

    def add_content(self, name: str, content: IO[bytes], size: int, mode: int = 0o644) -> None:
        """Write the first *size* bytes as a member."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, mode
        reader = _Digesting(content, size)
        self._archive.addfile(member, reader)
        self._digests[name] = reader.digest

    def add_link(self, name: str, target: str) -> None:
        """Write a symbolic link."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        self._archive.addfile(member)
        self._digests[name] = f"link:{target}"

    def finish(self) -> None:
        """Write the digests and end the archive."""
        content = json.dumps(self._digests).encode()
        member = tarfile.TarInfo(DIGESTS)
        member.size = len(content)
        self._archive.addfile(member, io.BytesIO(content))
        self._archive.close()

    def close(self) -> None:
        """Let go of the file; without its end the archive is found to be damaged."""
        self._compressed.close()


class _Digesting(io.RawIOBase):
    """Reads on, and knows the digest of what was read."""

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content, self._left = content, size
        self._hasher = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()

    def read(self, size: int = -1) -> bytes:
        part = self._content.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(part)
        self._hasher.update(part)
        return part


def read_head(path: Path) -> Head:
    """Return what the backup says of itself, or raise an error that says what is wrong with it."""
    with whole(path), tarfile.open(path, "r|gz") as archive:
        first = archive.next()
        content = None if first is None or first.name != HEAD else archive.extractfile(first)
        if content is None:
            raise RefusedError(f"{path} is no backup of Everfit's. Name a file that `everfit backup` wrote.")
        return _head(path, json.loads(content.read()))


def _head(path: Path, document: Any) -> Head:
    if document["format"] != FORMAT:
        raise RefusedError(
            f"{path} is a backup of format {document['format']}, and this Everfit knows {FORMAT}. Upgrade Everfit."
        )
    return Head(**{field.name: document[field.name] for field in fields(Head)})


@contextmanager
def whole(path: Path) -> Generator[None]:
    """Turn what is wrong with the archive into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {error.filename or path}.") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def _damaged(path: Path, reason: str) -> RefusedError:
    return RefusedError(f"{path} is damaged, or no backup of Everfit's ({reason}). Use another one.")


def unpack(path: Path, target: Path) -> None:
    """Write every member below *target*, and check that each is what it was when the backup was made."""
    with whole(path), tarfile.open(path, "r|gz") as archive:
        expected: Mapping[str, str] | None = None
        found: dict[str, str] = {}
        for member in archive:
            if member.name == DIGESTS:
                content = archive.extractfile(member)
                expected = json.loads(content.read()) if content else {}
            else:
                found[member.name] = _placed(archive, member, target)
    if expected is None:
        raise _damaged(path, "its end is missing")
    different = next((name for name in (*found, *expected) if found.get(name) != expected.get(name)), None)
    if different is not None:
        raise _damaged(path, f"{different} is not what was written")


def _placed(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    place = target / member.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if ".." in member.name.split("/") or not place.parent.resolve().is_relative_to(target.resolve()):
        raise ValueError(f"{member.name} leads out of the folder")
    if member.issym() and member.name.startswith(LINKS):
        os.symlink(member.linkname, place)
        return f"link:{member.linkname}"
    content = archive.extractfile(member)
    if content is None:
        raise ValueError(f"{member.name} is no file")
    hasher = hashlib.sha256()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, member.mode & 0o777 | 0o200)
    with content, open(descriptor, "wb") as file:
        while part := content.read(_CHUNK):
            hasher.update(part)
            file.write(part)
    place.chmod(member.mode & 0o777)
    return hasher.hexdigest()
