"""Captured rows as they are first written: append-only files, one frame of rows after another.

A frame has its length and checksum before it, so that one that a kill cut off is seen and left out. A writer holds a
lock on the file that it appends to; a file without a lock is complete. ``marshal`` packs rows several times faster
than anything that could be read elsewhere, and no more than the seconds until they become Parquet is asked of it.
"""

import fcntl
import marshal
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

MARSHAL: Final = 4
"""The version of the format, which every Python since 3.4 reads."""

Body = bytes | tuple[int, str]
"""A body, or the size and digest of one that was too large."""
Row = tuple[float, int, str, str, Body, str, int, str, Body, float]
"""Time of the answer, version, inference id, content type, request, accept, status, type of the answer, answer,
seconds."""

_FRAME = struct.Struct("!II")
_MAGIC = b"everfit capture 1\n"
_LONGEST_FRAME = 256 * 1024 * 1024


class Spool:
    """The file of one endpoint that rows are appended to.

    Args:
        folder: of the endpoint's captured requests.
        now: seconds since 1970.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self.began = now
        self.path = _free(folder, now)
        self.size = 0
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # It gets its name when it is locked: whoever sees the name sees the lock.
        beside = self.path.with_suffix(".new")
        self._file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(_MAGIC)
            beside.rename(self.path)
        except OSError:
            os.close(self._file)
            with suppress(OSError):
                beside.unlink()
            raise

    def append(self, packed: bytes) -> None:
        """Append a frame; on ``OSError`` the file is as before."""
        self._write(_FRAME.pack(len(packed), crc32(packed)) + packed)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    @property
    def is_there(self) -> bool:
        """Whether nobody has removed the file."""
        return os.fstat(self._file).st_nlink > 0

    def close(self) -> None:
        """Let the file go, to be converted."""
        os.close(self._file)


def _free(folder: Path, now: float) -> Path:
    """Return a name that nothing has, even when the clock was set back."""
    moment = datetime.fromtimestamp(now, UTC)
    for number in range(1_000_000):
        path = folder / "spool" / f"{moment:%Y-%m-%dT%H%M%S}-{number:04d}.spool"
        if not (path.exists() or path.with_suffix(".new").exists() or segment_of(path).exists()):
            return path
    raise FileExistsError(f"{folder} has no free name for {moment}.")


def segment_of(spool: Path) -> Path:
    """Return the Parquet file that the rows of *spool* become."""
    day, _, rest = spool.stem.partition("T")
    return spool.parents[1] / day / f"{rest}.parquet"


def spools(folder: Path) -> list[Path]:
    """Return the spool files of all endpoints whose rows are in no Parquet file yet, the oldest first.

    Args:
        folder: with a folder for each endpoint.
    """
    return sorted((path for path in folder.glob("*/spool/*.spool") if not segment_of(path).exists()), key=_name)


def _name(path: Path) -> str:
    return path.name


def frames(path: Path) -> Iterator[list[Row]]:
    """Yield the rows of each whole frame; what was cut off at the end is left out.

    Raises:
        OSError: the file cannot be read, or is gone as it has been converted.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(head)
            packed = file.read(length) if length <= _LONGEST_FRAME else b""
            if len(packed) < length or crc32(packed) != checksum:
                return
            yield marshal.loads(packed)  # noqa: S302 - the host's own writer wrote it, whole, as the checksum says
