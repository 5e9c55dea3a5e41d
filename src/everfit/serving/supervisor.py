"""The parent of the host: it holds the port and the lock, and starts the host again when that ends uncalled.

The port stays open meanwhile, so a client that connects in that moment waits and is answered.
"""

import ctypes
import errno
import fcntl
import importlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, NoReturn

from everfit.domain.errors import StateError
from everfit.serving import life
from everfit.serving.access import TOKENS, HostAccess
from everfit.serving.state_files import replace_file

USUAL_PORT = 8080
BACKLOG = 2048
LONGEST_PAUSE = 5.0
ADOPT_ORPHANS: Final = 36
"""``PR_SET_CHILD_SUBREAPER`` of Linux."""
SET_NAME: Final = 15
"""``PR_SET_NAME`` of Linux."""
FRONT_NAME: Final = b"everfit-front"
"""What tools that list processes call it; its command line is the supervisor's."""
HANDED_TOKENS: Final = "EVERFIT_HANDED_TOKENS"
"""Names the descriptor that this process reads its tokens from."""
FORWARDED: Final = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Start the host for a state folder; what happened is told in one line of JSON on stdout."""
    forget_variables()
    folder, limits = Path(sys.argv[1]), sys.argv[3]
    chosen = chosen_access(json.loads(sys.argv[2]))
    try:
        lock = own(folder)
        if lock is None:
            tell({"running": True})
            return
        access = remembered_access(folder, chosen)
        access.check()
        listener = listen(folder, access)
        write_host_file(folder, listener, access)
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


def forget_variables() -> None:
    """Begin anew without the tokens among the variables, which the system would show of this process and its forks."""
    tokens = os.environ.pop(TOKENS, "")
    if tokens:
        reading, writing = os.pipe()
        os.write(writing, tokens.encode())
        os.close(writing)
        os.set_inheritable(reading, True)
        os.environ[HANDED_TOKENS] = str(reading)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same program once more


def handed_tokens() -> tuple[str, ...]:
    """Return the tokens that this process was started with."""
    if HANDED_TOKENS not in os.environ:
        return ()
    with open(int(os.environ.pop(HANDED_TOKENS)), encoding="utf-8") as handed:
        return tuple(filter(None, handed.read().split(",")))


def chosen_access(options: dict[str, Any]) -> HostAccess:
    """Return what was chosen."""
    return HostAccess(address=options["address"], port=options["port"], tokens=handed_tokens())


def remembered_access(folder: Path, chosen: HostAccess) -> HostAccess:
    """Return what was chosen, or else what was chosen before."""
    try:
        before = json.loads((folder / "access.json").read_bytes())
    except FileNotFoundError:
        return chosen
    except (OSError, ValueError) as error:
        raise StateError(f"{folder / 'access.json'} cannot be read: {error}.") from error
    return chosen if chosen.is_chosen else replace(chosen, address=before["address"], tokens=tuple(before["tokens"]))


def listen(folder: Path, access: HostAccess) -> socket.socket:
    """Bind the wanted port, the remembered one, the usual one, or any; and remember it for ever."""
    remembered, port = folder / "port", access.wanted_port
    if port is None and remembered.is_file():
        port = int(remembered.read_text())
    listener = bound(access.host, USUAL_PORT if port is None else port)
    if listener is None and port is None:
        listener = bound(access.host, 0)
    if listener is None:
        raise StateError(
            f"Port {port} of the endpoint host is taken by another program: stop that program, or give another port. "
            "Callers know this one, so none was chosen instead."
        )
    listener.listen(BACKLOG)
    replace_file(remembered, listener.getsockname()[1])
    return listener


def bound(host: str, port: int) -> socket.socket | None:
    """Return a socket bound to the port; None when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise StateError(f"The endpoint host cannot listen on {host}, port {port}: {error.strerror}.") from error
    return listener


def write_host_file(folder: Path, listener: socket.socket, access: HostAccess) -> None:
    """Write how the host is reached, by which secret it is told what to do, and which tokens it lets in."""
    host, port = listener.getsockname()[:2]
    chosen = {"address": access.host, "tokens": access.tokens}
    record = {"pid": os.getpid(), "started": time.time(), "host": host, "port": port, "tokens": access.tokens}
    replace_file(folder / "access.json", chosen, mode=0o600)
    replace_file(folder / "host.json", {**record, "secret": secrets.token_urlsafe(32)}, mode=0o600)


def supervise(folder: Path, listener: socket.socket, lock: IO[str], limits: str) -> None:
    """Keep a front running until it ends by itself or this process is told to end.

    A front is forked from this process, which has imported all that it needs and has no threads: one that was killed
    is followed by another within milliseconds, however busy the machine is. What it inherits besides is meant: the
    socket, the end of the pipe that keeps workers alive, and the lock, so that while either of the two processes
    lives no other host starts.
    """
    front = importlib.import_module("everfit.serving.host")
    sys.argv[1:] = [str(folder), str(listener.fileno()), limits]
    os.environ.update(life.opened())
    inherit_orphans()
    child = 0

    def forward(number: int, _frame: FrameType | None) -> None:
        if child:
            os.kill(child, number)

    failures = 0
    while True:
        started = time.monotonic()
        # A signal that comes meanwhile is for the front, and kept until that can take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        child = os.fork()
        if not child:
            become_front(front.main)
        for number in FORWARDED:
            signal.signal(number, forward)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        code = end_of(child)
        child = 0
        if code in (0, *(-number for number in FORWARDED)):
            lock.close()
            return
        failures = failures + 1 if time.monotonic() - started < LONGEST_PAUSE else 0
        sys.stderr.write(f"The endpoint host ended with {code} and is started again.\n")
        sys.stderr.flush()
        time.sleep(min(LONGEST_PAUSE, 0.1 * failures))


def become_front(serve: Callable[[], None]) -> NoReturn:
    """Serve in a process that was just forked, and end it."""
    for number in FORWARDED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_NAME, FRONT_NAME, 0, 0, 0)
    serve()
    sys.exit()


def inherit_orphans() -> None:
    """Become the parent of the workers whose host ends, so that none is left as a zombie; only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)


def end_of(child: int) -> int:
    """Wait for the end of *child*, and take note of that of any other; return its exit code."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
