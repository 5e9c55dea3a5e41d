"""Says that a service keeps a state folder: a lock that dies with its process, and a note about who holds it."""

import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from everfit.adapters.files.disk import writing
from everfit.domain.errors import BusyError

FILE: Final = "service.lock"
PATIENCE: Final = 1.0
PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who keeps the state folder.

    Args:
        process: as a person finds it.
        since: ISO 8601.
        url: where it answers; None before it does.
    """

    process: str
    since: str
    url: str | None = None


class ServiceLock:
    """The lock of one state folder.

    Args:
        shared: whether several services may keep the folder, because the database orders what they do.
    """

    def __init__(self, home: Path, *, shared: bool = False) -> None:
        self._path = home / FILE
        self._mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX

    @contextmanager
    def held(self, holder: Holder) -> Generator[None]:
        """Hold the lock for the block, or raise ``BusyError`` that names who has it."""
        with writing(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take(descriptor)
            self.note(holder)
            yield
        finally:
            os.close(descriptor)

    def note(self, holder: Holder) -> None:
        """Write who holds the lock, for whoever asks."""
        with writing(self._path.parent):
            # In place: another file of that name would be another lock.
            self._path.write_text(json.dumps(asdict(holder)), encoding="utf-8")

    def holder(self) -> Holder | None:
        """Return who holds the lock; None when nobody does."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if _taken(descriptor, fcntl.LOCK_EX) else self._noted()
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        # Whoever only looks holds the lock for a moment.
        end = time.monotonic() + PATIENCE
        while not _taken(descriptor, self._mode):
            if time.monotonic() > end:
                raise BusyError(self._busy())
            time.sleep(PAUSE)

    def _busy(self) -> str:
        holder = self._noted()
        place = f" and answers at {holder.url}" if holder.url else ""
        return (
            f"Another service keeps {self._path.parent}: {holder.process} has done so since {holder.since}{place}. "
            "Use that one, or stop it first."
        )

    def _noted(self) -> Holder:
        try:
            return Holder(**json.loads(self._path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return Holder(process="a process that has not said who it is", since="a moment ago")


def _taken(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
