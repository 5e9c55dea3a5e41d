"""One process that holds one model and answers one batch of requests at a time; it ends when the host does.

Runs in the model's own interpreter, with the standard library alone.
"""

import faulthandler
import fcntl
import gc
import io
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

from everfit.serving.batching import Batcher
from everfit.serving.frames import (
    Batch,
    BrokenFrameError,
    Hello,
    Readiness,
    Request,
    RequestReader,
    encoded_answers,
    encoded_hello,
)
from everfit.serving.handlers import UnusableModelError, load
from everfit.serving.probing import PATIENCE

BACKLOG: Final = 16
QUICK: Final = 0.05
"""Seconds of a client's request after which the model may be asked again to learn about it; a sample is for that."""
PAUSE: Final = 0.1
QUICK_PATIENCE: Final = 1.0
SET_SIGNAL: Final = 10
"""``F_SETSIG`` of Linux, which Python does not name."""


def main() -> None:
    """Serve on the socket that was handed over, until the host is gone."""
    listener, life = int(sys.argv[1]), int(sys.argv[2])
    model, script = json.loads(sys.argv[3])
    end_with_host(life)
    settle_in()
    handed = socket.socket(fileno=listener)
    handed.set_inheritable(False)
    Worker(Door(handed)).serve(model, script)


def end_with_host(life: int) -> None:
    """End this process and what it has started, whatever they are doing, when the other end of *life* is gone."""
    os.set_inheritable(life, False)
    if sys.platform == "linux":
        with suppress(OSError):
            signal_end(life)
    threading.Thread(target=wait_for_end, args=(life,), daemon=True).start()


def signal_end(life: int) -> None:
    """Have the kernel end this process: the thread cannot run while native code holds the interpreter's lock."""
    # Opened anew, because the owner of a signal belongs to an opening, and all workers may have inherited this one.
    own = os.open(f"/proc/self/fd/{life}", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(own, fcntl.F_SETOWN, -os.getpgrp() if os.getpgrp() == os.getpid() else os.getpid())
    fcntl.fcntl(own, SET_SIGNAL, signal.SIGKILL)
    fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)


def wait_for_end(life: int) -> None:
    """Block until nobody holds the other end of *life*, then end."""
    os.read(life, 1)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def settle_in() -> None:
    """Give the user's code nothing to read, and let what it prints reach the log even if it crashes the process."""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    faulthandler.enable()


def settle_memory() -> None:
    """Take what has been loaded out of the searches for garbage, which would halt requests for a tenth of a second."""
    gc.collect()
    gc.freeze()


class Door:
    """Lets one front in after the other, and says at once to each how things stand.

    A thread of its own greets, so that a front that was started again learns at once that this process lives, while
    the model is still being loaded or answers what the front before has asked.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._waiting: SimpleQueue[socket.socket] = SimpleQueue()
        self._open: set[socket.socket] = set()
        os.register_at_fork(after_in_child=self._leave)
        # Who listens is whom the other side's kernel names as its peer.
        listener.listen(BACKLOG)
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                # The user's code may have opened every file that it can; it may close some again.
                time.sleep(PAUSE)
                continue
            self._open.add(connection)
            with suppress(OSError):
                connection.sendall(encoded_hello(Hello(kind=Readiness.LOADING, pid=os.getpid())))
            self._waiting.put(connection)

    def next(self) -> socket.socket:
        """Wait for the next front."""
        return self._waiting.get()

    def close(self, connection: socket.socket) -> None:
        """Let a front go."""
        self._open.discard(connection)
        connection.close()

    def _leave(self) -> None:
        """Close everything in a child that the user's code has forked, which would else keep it open."""
        for connection in (self._listener, *self._open):
            connection.close()


class Worker:
    """Loads the model and answers."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._pid = os.getpid()

    def serve(self, model: str, script: str | None) -> None:
        """Answer one front after the other; return only when the model is unusable, and a front knows it."""
        try:
            batcher = Batcher(load(model, script))
        except UnusableModelError as error:
            traceback.print_exc()
            with suppress(OSError):
                self._door.next().sendall(self._hello(Readiness.UNUSABLE, str(error)))
            return
        settle_memory()
        while True:
            connection = self._door.next()
            with suppress(OSError, EOFError, BrokenFrameError):
                self._serve_one(connection, batcher)
            self._door.close(connection)

    def _serve_one(self, connection: socket.socket, batcher: Batcher) -> None:
        connection.sendall(self._hello(Readiness.READY, batcher.message, batches=batcher.joins))
        reader = RequestReader(connection)
        while True:
            self._answer(connection, batcher, reader.next())

    def _answer(self, connection: socket.socket, batcher: Batcher, batch: Batch) -> None:
        start = time.perf_counter()
        succeeded = False
        for replies in batcher.answers(batch.requests):
            self._end_if_forked()
            succeeded = all(reply.is_answer for _, reply in replies)
            if batch.is_sample and succeeded and not batcher.has_learnt:
                self._learn(connection, batcher, batch.requests[0][1], PATIENCE)
                settle_memory()
            connection.sendall(encoded_answers(replies))
        if succeeded and not batcher.has_learnt and time.perf_counter() - start < QUICK:
            self._learn(connection, batcher, batch.requests[0][1], QUICK_PATIENCE)

    def _learn(self, connection: socket.socket, batcher: Batcher, request: Request, patience: float) -> None:
        """Find out whether requests can be joined, and tell the front."""
        batcher.learn(request, patience)
        self._end_if_forked()
        connection.sendall(self._hello(Readiness.READY, batcher.message, batches=batcher.joins))

    def _hello(self, kind: Readiness, message: str | None, *, batches: bool = False) -> bytes:
        return encoded_hello(Hello(kind=kind, pid=self._pid, message=message, batches=batches))

    def _end_if_forked(self) -> None:
        """End a child that the user's code has forked and let return: it is not the one that was asked."""
        if os.getpid() != self._pid:
            os._exit(0)


if __name__ == "__main__":
    main()
