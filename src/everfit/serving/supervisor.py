"""The parent of the host: it holds the port and the lock, and starts the host again when that ends uncalled.

The port stays open meanwhile, so a client that connects in that moment waits and is answered.
"""

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from everfit.domain.errors import StateError
from everfit.serving.state_files import replace_file

USUAL_PORT = 8080
BACKLOG = 2048
LONGEST_PAUSE = 5.0


def main() -> None:
    """Start the host for a state folder; what happened is told in one line of JSON on stdout."""
    folder, port, limits = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
    try:
        lock = own(folder)
        if lock is None:
            tell({"running": True})
            return
        listener = listen(folder, port)
        write_host_file(folder, listener.getsockname()[1])
    except StateError as error:
        tell({"error": str(error)})
        return
    tell({"started": True})
    supervise(folder, listener, lock, limits)


def tell(message: dict[str, Any]) -> None:
    """Tell the command that waits, and let it go."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def own(folder: Path) -> IO[str] | None:
    """Take the lock that says that a host lives here; None when another one does."""
    path = folder / "host.lock"
    try:
        lock = path.open("a")
    except OSError as error:
        raise StateError(f"{path} cannot be opened: {error}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def listen(folder: Path, port: int | None) -> socket.socket:
    """Bind the wanted port, the remembered one, the usual one, or any; and remember it for ever."""
    remembered = folder / "port"
    if port is None and remembered.is_file():
        port = int(remembered.read_text())
    listener = bound(USUAL_PORT if port is None else port)
    if listener is None and port is None:
        listener = bound(0)
    if listener is None:
        raise StateError(
            f"Port {port} of the endpoint host is taken by another program: stop that program, or give another port. "
            "Callers know this one, so none was chosen instead."
        )
    listener.listen(BACKLOG)
    replace_file(remembered, listener.getsockname()[1])
    return listener


def bound(port: int) -> socket.socket | None:
    """Return a socket bound to the port; None when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        return None
    return listener


def write_host_file(folder: Path, port: int) -> None:
    """Write how the host is reached and by which secret it is told what to do."""
    record = {"pid": os.getpid(), "started": time.time(), "port": port, "secret": secrets.token_urlsafe(32)}
    replace_file(folder / "host.json", record, mode=0o600)


def supervise(folder: Path, listener: socket.socket, lock: IO[str], limits: str) -> None:
    """Keep a host running until it ends by itself or this process is told to end."""
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is not None:
            child.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    # The host inherits the lock as well: while either of the two lives, no other host starts.
    handed = (listener.fileno(), lock.fileno())
    command = [sys.executable, "-P", "-m", "everfit.serving.host", str(folder), str(listener.fileno()), limits]
    failures = 0
    while True:
        started = time.monotonic()
        child = subprocess.Popen(command, pass_fds=handed, stdin=subprocess.DEVNULL)
        code = child.wait()
        if code in (0, -signal.SIGTERM, -signal.SIGINT):
            return
        failures = failures + 1 if time.monotonic() - started < LONGEST_PAUSE else 0
        sys.stderr.write(f"The endpoint host ended with {code} and is started again.\n")
        sys.stderr.flush()
        time.sleep(min(LONGEST_PAUSE, 0.1 * failures))


if __name__ == "__main__":
    main()
