"""A process of a worker: its end is noticed at once, whether it was started by this front or by the one before."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

GENTLE: Final = 5
"""Niceness of a process that does not serve yet: a third of what one that serves is given of the same core."""
OFTEN: Final = 100
LOOKED_AT_EVERY: Final = 0.1
"""Seconds between two looks where the system cannot tell of an end."""


class WatchedProcess:
    """One process, which leads a group of its own.

    Args:
        started: when it is a child of this process.
        ended: is called once when it has ended.
    """

    def __init__(self, pid: int, started: subprocess.Popen[bytes] | None, ended: Callable[[], None]) -> None:
        self.pid = pid
        self.is_over = False
        self._started = started
        self._ended = ended
        self._handle: int | None = None
        self._loop = asyncio.get_running_loop()
        if sys.platform == "linux":
            # A process that is no child and is over already has no handle any more, and an old system has none at all.
            with suppress(OSError):
                self._handle = os.pidfd_open(pid)
                self._loop.add_reader(self._handle, self._over)
                return
        self._look()

    def _look(self) -> None:
        if self.is_over:
            return
        if self._is_gone():
            self._over()
        else:
            self._loop.call_later(LOOKED_AT_EVERY, self._look)

    def _is_gone(self) -> bool:
        if self._started is not None:
            return self._started.poll() is not None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def _over(self) -> None:
        self._let_go()
        # What the model's code has started goes with it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._started is not None:
            self._started.wait()
        self.is_over = True
        # Who was told is let go, and so is forgotten without a search for cycles.
        ended, self._ended = self._ended, _nothing
        ended()

    def _let_go(self) -> None:
        if self._handle is not None:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = None

    @property
    def how(self) -> str:
        """How it ended, in words for a client."""
        if self._started is None or self._started.returncode is None:
            return "it is gone"
        code = self._started.returncode
        if code >= 0:
            return f"exit code {code}"
        with suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"

    def kill(self) -> None:
        """End it and whatever it has started."""
        if not self.is_over:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def limit_memory(self, size: int) -> None:
        """Have allocations fail in it that would make it hold more than *size* bytes, where the system can do that."""
        if sys.platform == "linux":
            with suppress(ProcessLookupError, PermissionError, ValueError):
                resource.prlimit(self.pid, resource.RLIMIT_DATA, (size, size))

    def yield_to_others(self) -> None:
        """Have it take the processor only as far as those that serve leave it, where the system can do that."""
        self._set_share(GENTLE)

    def be_equal(self) -> None:
        """Give it its whole share of the processor."""
        self._set_share(0, OFTEN)

    def _set_share(self, niceness: int, tries: int = 1) -> None:
        # The niceness of a single process could not be taken back without rights; that of its session can.
        try:
            Path(f"/proc/{self.pid}/autogroup").write_text(str(niceness))
        except BlockingIOError:
            # The system lets that be changed a few times a second only.
            if tries > 1 and not self.is_over:
                self._loop.call_later(LOOKED_AT_EVERY, self._set_share, niceness, tries - 1)
        except OSError:
            # There is no such file everywhere.
            return


def _nothing() -> None:
    """Nobody is to be told."""


def held_memory(processes: list[int]) -> dict[int, int]:
    """Return how many bytes of memory each process holds; those that are gone are left out."""
    if sys.platform == "linux":
        return {pid: held for pid in processes if (held := _resident(pid)) is not None}
    command = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, processes))]
    lines = subprocess.run(command, capture_output=True, check=False, text=True).stdout.splitlines()
    return {int(pid): int(kilobytes) * 1024 for pid, kilobytes in (line.split() for line in lines)}


def _resident(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def computed(processes: list[int]) -> float | None:
    """Return how many seconds the processes have had a processor core; None where the system does not tell."""
    return sum(map(_computed, processes)) if sys.platform == "linux" else None


def _computed(pid: int) -> float:
    try:
        # The name of the program, which may hold anything, ends with the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
