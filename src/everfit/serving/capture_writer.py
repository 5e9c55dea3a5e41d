"""The process that writes captured rows: it appends what the front hands it, and has them made Parquet beside.

``capture_writer FOLDER SOCKET``. It acknowledges each frame with nothing when it is written, or with the reason why it
is not; it ends when the front is gone. Standard library only, so that it starts at once and stays small.
"""

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from everfit.serving.capture_retention import trusted_now
from everfit.serving.capture_settings import Settings, read_settings
from everfit.serving.capture_spool import Spool, spools
from everfit.serving.companion_messages import Messages, message

LARGEST = 32 * 1024 * 1024
OLDEST = 15 * 60.0
"""Seconds after which even a small spool becomes Parquet."""
CHORES = 1.0
KEEPING = 15 * 60.0
PIECE = 64 * 1024
FULL = "disk full"
FAILED = "disk failed"
MANY = 16
"""So many spools that wait are no longer left to the time that nobody else wants."""


class Writer:
    """Appends rows to one spool for each endpoint."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._captured = folder / "capture"
        self._spools: dict[str, Spool] = {}
        self._settings = Settings({})
        self._short: set[str] = set()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._kept_at: float | None = None
        self._has_closed = True
        self._began = time.time(), boot_time()

    def write(self, endpoint: str, packed: bytes) -> str:
        """Append a frame; return why it was not, or nothing."""
        if endpoint in self._short:
            return FULL
        try:
            spool = self._spools.get(endpoint)
            if spool is None:
                self._look_at_disk(endpoint)
                if endpoint in self._short:
                    return FULL
                spool = self._spools[endpoint] = Spool(self._captured / endpoint, time.time())
            spool.append(packed)
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            sys.stderr.write(f"Requests of endpoint {endpoint} are not captured: {error}\n")
            self._short.add(endpoint)
            return FULL if is_full else FAILED
        if spool.size >= LARGEST:
            self._close(endpoint)
        return ""

    def look(self) -> None:
        """Look at settings and disk, and close old spools."""
        self._settings = read_settings(self._folder)
        for endpoint in {*self._spools, *self._short}:
            self._look_at_disk(endpoint)
        now = time.time()
        for endpoint, spool in list(self._spools.items()):
            # After the clock was set back a spool must not stay open for ever.
            if not 0 <= now - spool.began < OLDEST or not spool.is_there:
                self._close(endpoint)

    def _look_at_disk(self, endpoint: str) -> None:
        self._captured.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = os.statvfs(self._captured)
        reserve = self._settings.of(endpoint).reserve_of(disk.f_blocks * disk.f_frsize)
        if disk.f_bavail * disk.f_frsize < reserve:
            self._short.add(endpoint)
        else:
            self._short.discard(endpoint)

    def _close(self, endpoint: str) -> None:
        self._spools.pop(endpoint).close()
        self._has_closed = True

    def keep(self) -> None:
        """Start the keeper, one at a time, when there is something to convert or it is time to look what is too old."""
        if self._keeper is not None and self._keeper.poll() is None:
            return
        elapsed = time.monotonic()
        if not self._has_closed and self._kept_at is not None and elapsed - self._kept_at < KEEPING:
            return
        self._has_closed, self._kept_at = False, elapsed
        haste = "soon" if len(spools(self._captured)) > MANY else "idle"
        began, begun = self._began
        now = trusted_now(time.time(), began, boot_time() - begun)
        command = [sys.executable, "-P", "-m", "everfit.serving.capture_keeper", str(self._folder), haste, str(now)]
        try:
            self._keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        except OSError as error:
            self._has_closed = True
            sys.stderr.write(f"Captured requests are not made Parquet now: {error}\n")

    def end(self) -> None:
        """Let everything go; a keeper can be ended at any moment, and the next one goes on."""
        for endpoint in list(self._spools):
            self._close(endpoint)
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()


def boot_time() -> float:
    """Return seconds that no setting of the clock changes and that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def serve(writer: Writer, link: socket.socket) -> None:
    """Write what comes until the other side is gone."""
    messages, poll = Messages(), select.poll()
    poll.register(link, select.POLLIN)
    due = 0.0
    while True:
        if time.monotonic() >= due:
            writer.look()
            writer.keep()
            due = time.monotonic() + CHORES
        if not poll.poll(CHORES * 1000):
            continue
        piece = link.recv(PIECE)
        if not piece:
            return
        answers = [message(writer.write(endpoint, packed)) for endpoint, packed in messages.feed(piece)]
        if answers:
            link.sendall(b"".join(answers))


def main() -> None:
    """Write for the front at the other end of the socket."""
    folder, link = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    # Who ends the host tells the front, and that ends this process when it has said everything.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    writer = Writer(folder)
    with link, suppress(ConnectionError):
        serve(writer, link)
    writer.end()


if __name__ == "__main__":
    main()
