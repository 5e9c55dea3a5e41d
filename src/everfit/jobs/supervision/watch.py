"""Follows one command after the other to its end, and ends them when that is wished or their time is over."""

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

from everfit.jobs.supervision import children
from everfit.jobs.supervision.output import Output

READ = 1 << 18
DRAIN = 2.0


class WishedToEndError(Exception):
    """The job was stopped, or its time is over, while no process of its own was running."""


class Watch:
    """Over the commands of one job.

    Args:
        output: takes what they print.
        timeout: seconds for all of them together, from now.
        grace: seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, output: Output, timeout: float, grace: float) -> None:
        self._output = output
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._grace = grace
        self._stop = False
        self._kill_at: float | None = None
        self._is_working_alone = False
        self._wake_read, self._wake_write = os.pipe()
        self._pipe_read = -1
        self.wish: str | None = None
        self.peak_memory = 0

    def listen(self) -> None:
        """Take a wish to stop as one, and wake up when a child ends."""
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, self._on_child)

    def _on_stop(self, *_: object) -> None:
        self._stop = True
        self._interrupt()

    def _interrupt(self, *_: object) -> None:
        if self._is_working_alone:
            self._is_working_alone = False
            raise WishedToEndError

    def _on_child(self, *_: object) -> None:
        """Let the signal wake the poll up; it has to have a handler for that."""

    def note_wish(self) -> None:
        """Write down why the job ended while it ran nothing."""
        self.wish = self.wish or ("stopped" if self._stop else "timed out")

    @contextmanager
    def alone(self) -> Generator[None]:
        """Raise ``WishedToEndError`` at once when the wish comes while this process itself works."""
        signal.signal(signal.SIGALRM, self._interrupt)
        self._is_working_alone = True
        try:
            # Copying gigabytes can take longer than the job may, and no poll is there to see it.
            signal.setitimer(signal.ITIMER_REAL, self._timeout)
            yield
        finally:
            self._is_working_alone = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def take(self, lock: int) -> None:
        """Wait for the lock."""
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if self._stop or time.monotonic() > self._deadline:
                raise WishedToEndError
            time.sleep(0.05)

    def run(self, command: Sequence[str], folder: str, environment: Mapping[str, str]) -> int | None:
        """Run a command to its end and return its exit code; nothing that it started is left."""
        if self._stop or time.monotonic() > self._deadline:
            raise WishedToEndError
        self._pipe_read, pipe_write = os.pipe()
        group = children.spawn(command, folder, environment, pipe_write)
        os.close(pipe_write)
        try:
            return self._follow(group)
        finally:
            os.close(self._pipe_read)

    def _follow(self, group: int) -> int | None:
        os.set_blocking(self._pipe_read, False)
        poll = select.poll()
        poll.register(self._pipe_read, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        is_open, ended = True, False
        code: int | None = None
        give_up = 0.0
        while not ended or (is_open and time.monotonic() < give_up):
            if not ended and (status := self._reap(group)) is not None:
                ended, code, give_up = True, os.waitstatus_to_exitcode(status), time.monotonic() + DRAIN
                children.end_descendants(group)
            if ended and not is_open:
                break
            self._press(group, ended=ended)
            poll.poll(self._patience(ended=ended) * 1000)
            self._drain_wake()
            if is_open and not self._read():
                is_open = False
                poll.unregister(self._pipe_read)
        return code

    def _reap(self, script: int) -> int | None:
        """Reap every child that has ended; return the script's status when it is among them."""
        found: int | None = None
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == script:
                    found = status
                    self.peak_memory = max(
                        self.peak_memory, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                    )
        return found

    def _press(self, group: int, *, ended: bool) -> None:
        """End the script when that is wished: with SIGTERM, and after its grace with SIGKILL."""
        now = time.monotonic()
        if ended:
            return
        if self.wish is None and (self._stop or now >= self._deadline):
            self.wish = "stopped" if self._stop else "timed out"
            self._kill_at = now + self._grace
            children.signal_group(group, signal.SIGTERM)
        elif self._kill_at is not None and now >= self._kill_at:
            children.signal_group(group, signal.SIGKILL)

    def _patience(self, *, ended: bool) -> float:
        if ended:
            return 0.05
        until = self._deadline if self._kill_at is None else self._kill_at
        # A kill that has not worked yet is tried again, but not in a busy loop.
        return min(max(until - time.monotonic(), 0.01 if self._kill_at is not None else 0.0), 3600.0)

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass

    def _read(self) -> bool:
        """Take one piece of output; False at its end."""
        try:
            data = os.read(self._pipe_read, READ)
        except BlockingIOError:
            return True
        self._output.feed(data)
        return bool(data)
