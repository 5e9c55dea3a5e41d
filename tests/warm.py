"""The command line in processes that are forked from one which has loaded it already.

They are processes like any other, only begun without the quarter of a second in which Python loads a command. What the
entry point itself does is tested where a command is started and killed.
"""

import importlib
import io
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn, cast

LARGEST: Final = 100_000
"""Bytes of arguments and variables; more than that is for a process of its own."""
AT_START: Final = ("PYTHON", "LANG", "LC_", "TZ")
"""What begins so is read once, when Python starts."""
LEFT_OUT: Final = frozenset({"demo", "stack", "up"})
"""Modules of commands that take much to load, or threads."""


def can_run(arguments: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Tell whether a forked process would do the same as one of its own."""
    changed = {*variables.items()} ^ {*os.environ.items()}
    size = sum(map(len, arguments)) + sum(len(name) + len(value) for name, value in variables.items())
    return size < LARGEST and not any(name.startswith(AT_START) for name, _ in changed)


class WarmCommands:
    """The process that commands are forked from; it ends with this one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._socket, self._guard = ours, threading.Lock()

    def run(
        self, command: Sequence[str], variables: Mapping[str, str], given: str | None, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Do what ``subprocess.run`` does with a process of its own."""
        pipes = [os.pipe() for _ in range(4)]
        (child_in, stdin), (stdout, child_out), (stderr, child_err), (told, tells) = pipes
        told_what = {"argv": list(command), "environ": dict(variables), "cwd": os.getcwd()}
        theirs = [child_in, child_out, child_err, tells]
        with self._guard:
            socket.send_fds(self._socket, [json.dumps(told_what).encode()], theirs)
        for each in theirs:
            os.close(each)
        feeding = threading.Thread(target=feed, args=(stdin, (given or "").encode()))
        feeding.start()
        found = read_all([stdout, stderr, told], timeout, command)
        feeding.join(timeout)
        out, err, code = (text.decode() for text in found)
        return subprocess.CompletedProcess(command, int(code), out, err)


def feed(pipe: int, given: bytes) -> None:
    """Write it all; a command that does not want it may end before."""
    with suppress(BrokenPipeError), os.fdopen(pipe, "wb") as file:
        file.write(given)


def read_all(pipes: Sequence[int], timeout: float, command: Sequence[str]) -> list[bytes]:
    """Return what comes from each until its end."""
    found = {pipe: bytearray() for pipe in pipes}
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                raise subprocess.TimeoutExpired(list(command), timeout)
            for key, _ in ready:
                piece = os.read(key.fd, 65_536)
                found[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return [bytes(each) for each in found.values()]


@cache
def warm_commands() -> WarmCommands:
    """Return those of this process of tests."""
    return WarmCommands()


def serve(requests: socket.socket) -> None:
    """Fork a process for each request, and say with which code it ended."""
    running: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is requests:
                    message, files, _, _ = socket.recv_fds(requests, 2 * LARGEST, 4)
                    if not message:
                        return
                    pid = os.fork()
                    if not pid:
                        become(json.loads(message), files, [requests.detach(), *running])
                    for file in files[:3]:
                        os.close(file)
                    handle = os.pidfd_open(pid)
                    running[handle] = (pid, files[3])
                    selector.register(handle, selectors.EVENT_READ)
                else:
                    selector.unregister(key.fd)
                    pid, tells = running.pop(key.fd)
                    _, status = os.waitpid(pid, 0)
                    os.write(tells, str(os.waitstatus_to_exitcode(status)).encode())
                    os.close(tells)
                    os.close(key.fd)


def become(told: Mapping[str, object], files: Sequence[int], foreign: Sequence[int]) -> NoReturn:
    """Be the command."""
    for target, file in enumerate(files[:3]):
        os.dup2(file, target)
    for file in (*files, *foreign):
        os.close(file)
    for target, name in enumerate(("stdin", "stdout", "stderr")):
        setattr(sys, name, standard_stream(target, name))
    os.chdir(str(told["cwd"]))
    os.environ.clear()
    os.environ.update(told["environ"])  # type: ignore[call-overload]  # as it was sent
    sys.argv = list(told["argv"])  # type: ignore[call-overload]  # likewise
    sys.exit(importlib.import_module("everfit.interfaces.cli.main").main())


def standard_stream(file: int, name: str) -> io.TextIOWrapper:
    """Return what Python makes of the file when it starts; the stream that is there knows of another one."""
    raw = io.FileIO(file, "r" if name == "stdin" else "w", closefd=False)
    cast("Any", raw).name = f"<{name}>"
    if name == "stdin":
        return io.TextIOWrapper(io.BufferedReader(raw))
    is_error = name == "stderr"
    errors = "backslashreplace" if is_error else "strict"
    return io.TextIOWrapper(io.BufferedWriter(raw), errors=errors, line_buffering=is_error)


def main() -> None:
    """Load the commands, and fork them for whoever holds the other end of the socket."""
    cli = importlib.import_module("everfit.interfaces.cli.main")
    for module in {module for module, _ in cli.COMMANDS.values()} - LEFT_OUT:
        importlib.import_module(f"everfit.interfaces.cli.{module}")
    importlib.import_module("everfit.bootstrap")
    if threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("A command has started a thread when it was loaded; forks of it would lack that.")
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
