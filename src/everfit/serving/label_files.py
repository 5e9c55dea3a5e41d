"""Files of labels: JSON Lines, appended to by one process at a time, never changed afterwards.

Each line has a number that is higher than that of any line before it, whatever the clock says, so that the newest
label for a request is known. A line that a kill cut off is no JSON; it was not acknowledged, and readers leave it out.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from everfit.serving.label_body import Labelled

SUFFIX: Final = ".jsonl"
_LINES: Final = 1 << 40


class LabelFile:
    """The file of one endpoint that labels are appended to.

    Args:
        folder: of the endpoint's labels.
        now: seconds since 1970.
    """

    def __init__(self, folder: Path, now: float) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.began = now
        self.size = 0
        number = 1 + max((number_of(path) for path in folder.glob(f"*{SUFFIX}")), default=0)
        path = folder / f"{number:08d}-{datetime.fromtimestamp(now, UTC):%Y-%m-%d}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._next = number * _LINES
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)

    @property
    def is_there(self) -> bool:
        """Whether nobody has removed the file."""
        return os.fstat(self._file).st_nlink > 0

    def append(self, entries: Iterable[Labelled], now: float) -> None:
        """Write entries and return when they are on the disk; on ``OSError`` the file is as before."""
        lines: list[str] = []
        for number, entry in enumerate(entries, start=self._next):
            line = {"n": number, "at": now, "id": entry.inference_id, "labels": entry.labels}
            lines.append(json.dumps(line))
        data = "".join(f"{line}\n" for line in lines).encode()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(data)
        self._next += len(lines)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def number_of(path: Path) -> int:
    """Return the number that a file's name begins with."""
    first = path.name.partition("-")[0]
    return int(first) if first.isdecimal() else 0


def label_files(folder: Path) -> list[Path]:
    """Return the files of an endpoint's labels, the oldest first.

    Args:
        folder: of the endpoint's labels.
    """
    return sorted(folder.glob(f"*{SUFFIX}"))
