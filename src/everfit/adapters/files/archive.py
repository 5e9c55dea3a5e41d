"""Writes and reads ``model.tar.gz`` archives: the same content always gives the same bytes.

The gzip layer only wraps: its deflate blocks are stored, not compressed. What a compressor writes depends on its
version, so that the digest of the same model would differ between machines; trained weights hardly shrink anyway.
"""

import gzip
import hashlib
import os
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Final, Self

from everfit.adapters.files.disk import writing
from everfit.adapters.files.tree import TreeFile, read_error
from everfit.domain.errors import BackendError, RefusedError, StateError

_BLOCK: Final = 65535
_CHUNK: Final = 1 << 20
_MOST_MEMBERS: Final = 1_000_000
_LONGEST_NAME: Final = 1024
_LONGEST_PART: Final = 255
_DEEPEST: Final = 100
_SHOWN: Final = 80
_EXTENSIONS: Final = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
"""Kinds of headers whose content ``tarfile`` reads into memory."""
_LONGEST_EXTENSION: Final = 64 * 1024
_MOST_SHARED: Final = 100
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


class _Header(tarfile.TarInfo):
    """A header that may not announce a long name so large that reading it would take the memory away."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENSIONS and not 0 <= header.size <= _LONGEST_EXTENSION:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def extract_archive(
    path: Path, target: Path, *, limit: int, name: str | None = None, most: int = _MOST_MEMBERS
) -> None:
    """Write the files of the archive below *target*, at most *limit* bytes of them.

    Args:
        name: how a person knows the archive; None means by its path.
        most: files and folders in it.

    Raises:
        RefusedError: a member is not a plain file or folder with a name of its own inside the target.
    """
    guard = _Guard(name or str(path), limit, most)
    try:
        # ``gzip`` inflates as much as is asked for; ``tarfile`` alone inflates whatever it has read at once.
        with (
            gzip.open(path) as content,
            tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK, tarinfo=_Header) as archive,
        ):
            while (member := archive.next()) is not None:
                guard.check(member, len(archive.pax_headers))
                _extract(archive, member, target)
                _forget(archive)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, RecursionError) as error:
        raise RefusedError(f"{guard.known} is not a whole archive ({error}). Register a version that is.") from error


def _forget(archive: tarfile.TarFile) -> None:
    """Drop what is kept of the members so far: nobody asks for it again, and a million of them fill the memory."""
    vars(archive)["members"].clear()


class _Guard:
    """Looks at each member before it is written.

    Args:
        known: how a person knows the archive.
    """

    def __init__(self, known: str, limit: int, most: int) -> None:
        self.known = known
        self._left = limit
        self._most = most
        self._is_folder: dict[str, bool] = {}

    def check(self, member: tarfile.TarInfo, shared: int) -> None:
        """Raise ``RefusedError`` for a member that could do harm; *shared* headers hold for all of them."""
        name = os.path.normpath(member.name)
        reason = self._reason(member, name)
        if reason is None and (shared > _MOST_SHARED or len(self._is_folder) >= self._most):
            reason = "there is too much in the archive"
        if reason is not None:
            shown = member.name if len(member.name) <= _SHOWN else f"{member.name[:_SHOWN]}…"
            raise RefusedError(f"{self.known} is refused because of {shown!r}: {reason}. Pack the model again.")
        self._left -= member.size
        self._is_folder |= dict.fromkeys(_folders_of(name), True) | {name: member.isdir()}

    def _reason(self, member: tarfile.TarInfo, name: str) -> str | None:
        is_known = name in self._is_folder
        if _leads_out(name, member):
            reason = "its name leads out of the folder"
        elif not (member.isreg() or member.isdir()):
            reason = "it is a link or a device"
        elif _is_too_long(name):
            reason = "its name is too long"
        elif not 0 <= member.size <= self._left:
            reason = "what is in the archive is too large"
        elif is_known and not (self._is_folder[name] and member.isdir()):
            reason = "it is there twice"
        elif not all(self._is_folder.get(folder, True) for folder in _folders_of(name)):
            reason = "a file stands where its folder should be"
        else:
            reason = None
        return reason


def _leads_out(name: str, member: tarfile.TarInfo) -> bool:
    is_elsewhere = name.startswith(("/", "../")) or name == ".." or (name == "." and not member.isdir())
    return is_elsewhere or "\\" in name or "\0" in name


def _is_too_long(name: str) -> bool:
    parts = name.split("/")
    return (
        len(name) > _LONGEST_NAME
        or len(parts) > _DEEPEST
        or any(len(os.fsencode(part)) > _LONGEST_PART for part in parts)
    )


def _folders_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


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
    while part := _read(content):
        yield part


def _read(content: IO[bytes]) -> bytes:
    try:
        return content.read(_CHUNK)
    except gzip.BadGzipFile as error:
        # It is an ``OSError`` as well, and would be taken for one of the disk.
        raise tarfile.ReadError(str(error)) from error
