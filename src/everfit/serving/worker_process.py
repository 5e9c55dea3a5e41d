"""A worker as the front sees it: a process that is loaded, is asked a batch at a time, and ends."""

import asyncio
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from json import dumps
from pathlib import Path
from time import monotonic
from typing import Final, cast

from everfit.domain.endpoint import SampleRequest, ServedVersion
from everfit.serving import life
from everfit.serving.errors import UnusableModelError
from everfit.serving.frames import Hello, Readiness, Reply, Request
from everfit.serving.launch import command
from everfit.serving.waiting import Call
from everfit.serving.watched_process import WatchedProcess
from everfit.serving.worker_link import WorkerLink
from everfit.serving.worker_records import WorkerRecord, forget, new_listener, new_record, write_record

LAST_WORDS: Final = 2000
TOLD_OF_LOG: Final = 500
HARD_LIMIT: Final = 2.5
"""A process cannot allocate more than this many times what it may hold."""
END_PATIENCE: Final = 1.0
"""Seconds for a process to end after its connection has; then it is believed to."""
PEER: Final = struct.Struct("3i")
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_names = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a version's processes work and print.

    Args:
        folder: the version's own folder, below the one of all versions, below the host's.
    """

    folder: Path
    log: Path

    @property
    def host(self) -> Path:
        """The host's folder."""
        return self.folder.parent.parent


class Worker:
    """One worker process; ``answered`` and ``ended`` belong to whoever it serves.

    ``asked`` is how many calls it was given last, ``since`` when that was, ``heard`` when it last did anything about
    that, both in seconds of the monotonic clock, which is finer than the event loop's.
    """

    def __init__(self, record: WorkerRecord, record_path: Path, place: Place) -> None:
        self.calls: dict[int, Call] = {}
        self.asked = 0
        self.since = 0.0
        self.heard = 0.0
        self.hello: Hello | None = None
        self.is_leaving = False
        self.is_stuck = False
        self.answered: Callable[[Worker, list[tuple[Call, Reply]]], None] = _tell
        self.ended: Callable[[Worker], None] = _forget
        self.process: WatchedProcess | None = None
        self._record = record
        self._record_path = record_path
        self._place = place
        self._link: WorkerLink | None = None
        self._settled = asyncio.Event()
        self._over_event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def pid(self) -> int:
        """The process; 0 while it is not known."""
        return 0 if self.process is None else self.process.pid

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is believed to."""
        return self._over_event.is_set()

    @property
    def was_ready(self) -> bool:
        """Whether it has ever answered its sample."""
        return self._record.is_ready

    @property
    def can_join(self) -> bool:
        """Whether requests can share a call of its model."""
        return self.hello is not None and self.hello.batches

    async def connect(self) -> socket.socket:
        """Open the connection and return its socket; raise ``OSError`` when nobody listens."""
        transport, self._link = await self._loop.create_unix_connection(
            lambda: WorkerLink(self._heard, self._take, self._broken), self._record.socket
        )
        return cast("socket.socket", transport.get_extra_info("socket"))

    def belongs_to(self, pid: int, started: subprocess.Popen[bytes] | None = None) -> None:
        """Watch the process."""
        if self.process is None and not self.is_over:
            self.process = WatchedProcess(pid, started, self._over)

    def _heard(self, hello: Hello) -> None:
        self.hello = hello
        self.belongs_to(hello.pid)
        if hello.kind is not Readiness.LOADING:
            self._settled.set()

    def send(self, calls: Sequence[Call]) -> None:
        """Have it answer calls."""
        self.asked = len(calls)
        self.since = self.heard = monotonic()
        self._send(calls, is_sample=False)

    def _send(self, calls: Sequence[Call], *, is_sample: bool) -> None:
        batch: list[tuple[int, Request]] = []
        for call in calls:
            name = next(_names)
            self.calls[name] = call
            batch.append((name, call.request))
        if self._link is not None:
            self._link.send(batch, is_sample=is_sample)

    def _take(self, answers: list[tuple[int, Reply]]) -> None:
        taken: list[tuple[Call, Reply]] = []
        for name, reply in answers:
            call = self.calls.pop(name, None)
            if call is None:
                # Only the user's code can have written that; nothing that follows can be trusted.
                self.kill()
                break
            taken.append((call, reply))
        self.answered(self, taken)

    def _broken(self) -> None:
        self._link = None
        self.kill()

    def _over(self) -> None:
        if self.is_over:
            return
        self._over_event.set()
        self._settled.set()
        if self._link is not None:
            self._link.close()
        forget(self._record_path, Path(self._record.socket))
        self.ended(self)

    def kill(self) -> None:
        """End the process and whatever it has started; ``ended`` follows soon, even if the system does not manage."""
        if self.process is not None:
            self.process.kill()
        if not self.is_over:
            self._loop.call_later(END_PATIENCE, self._over)

    async def _loaded(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._settled.wait()
        except TimeoutError:
            raise UnusableModelError(f"The model was not loaded after {patience:g} s.") from None
        if self.hello is not None and self.hello.kind is Readiness.UNUSABLE:
            raise UnusableModelError(self.hello.message or "The model cannot be used.")
        if self.is_over:
            raise UnusableModelError(f"The model's process ended while loading: {self.loss()}")

    async def ready(self, sample: SampleRequest | None, loading: float, answering: float) -> None:
        """Wait until it can answer, or raise ``UnusableModelError`` with what was wrong.

        Args:
            sample: what it must answer first, unless it has done so before.
            loading: seconds for a model to be loaded, and to answer the sample.
            answering: seconds for a request that the front before has asked.
        """
        await self._loaded(answering if self.was_ready else loading)
        if sample is not None and not self.was_ready:
            await self._answer_sample(sample, loading)
        if self.is_over:
            raise UnusableModelError(f"The model's process ended after it was loaded: {self.loss()}")
        self._record = replace(self._record, is_ready=True)
        write_record(self._place.folder, self._record)

    async def _answer_sample(self, sample: SampleRequest, patience: float) -> None:
        answer: asyncio.Future[Reply] = self._loop.create_future()

        def answered(reply: Reply) -> None:
            if not answer.done():
                answer.set_result(reply)

        request = Request(body=sample.content, content_type=sample.content_type, accept=sample.accept)
        self._send([Call(request=request, done=answered, since=0.0, until=0.0)], is_sample=True)
        over = asyncio.create_task(self._over_event.wait())
        await asyncio.wait((answer, over), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if answer.done():
            check_sample(answer.result())
        elif self.is_over:
            raise UnusableModelError(f"The model's process ended at the sample request: {self.loss()}")
        else:
            raise UnusableModelError("The model did not answer the sample request in time.")

    @property
    def how(self) -> str:
        """How it ended, which a client may see."""
        return "it is gone" if self.process is None else self.process.how

    def loss(self) -> str:
        """How it ended and what it printed last, which is for its owner."""
        words = ""
        with suppress(OSError), self._place.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(self._record.log_start, size), size - LAST_WORDS))
            lines = file.read().decode(errors="replace").split("\n")
            words = "; ".join(line.strip() for line in lines if line.strip())[-TOLD_OF_LOG:]
        return f"{self.how}; it printed: {words}" if words else self.how

    async def end(self) -> None:
        """End the process and let go of what belonged to it."""
        self.is_leaving = True
        self.kill()
        if self._link is not None:
            self._link.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_PATIENCE):
                await self._over_event.wait()
        self._over()


def _tell(_worker: Worker, answers: list[tuple[Call, Reply]]) -> None:
    for call, reply in answers:
        call.done(reply)


def _forget(_worker: Worker) -> None:
    """Nobody waits for the end yet."""


def check_sample(reply: Reply) -> None:
    """Raise ``UnusableModelError`` unless it is an answer that a version may serve with."""
    if not reply.is_answer:
        raise UnusableModelError(f"The model failed at the sample request: {reply.body.decode(errors='replace')}")
    if not reply.body:
        raise UnusableModelError("The model answered the sample request with nothing.")


async def start_worker(version: ServedVersion, place: Place) -> Worker:
    """Start a process for *version* and connect to it; it is not loaded then."""
    try:
        listener, path = new_listener(place.host)
    except OSError as error:
        raise UnusableModelError(f"No socket can be made for the model's process: {error}.") from error
    with listener:
        log_start = place.log.stat().st_size if place.log.exists() else 0
        record = new_record(version, path, log_start)
        # Before the process, so that none is ever there that nobody knows of.
        record_path = write_record(place.folder, record)
        worker = Worker(record, record_path, place)
        try:
            process = started(version, place, listener)
        except OSError as error:
            forget(record_path, path)
            raise UnusableModelError(f"The interpreter {version.python} cannot be started: {error}.") from error
        worker.belongs_to(process.pid, process)
        if version.service.memory is not None and worker.process is not None:
            worker.process.limit_memory(int(version.service.memory * HARD_LIMIT))
        try:
            await worker.connect()
        except BaseException as error:
            await worker.end()
            if isinstance(error, OSError):
                raise UnusableModelError(f"The model's process cannot be spoken to: {error}.") from error
            raise
    return worker


def started(version: ServedVersion, place: Place, listener: socket.socket) -> subprocess.Popen[bytes]:
    """Start the process, in a session of its own so that it outlives this one."""
    life_end = life.reading_end()
    what = dumps([version.model, version.script])
    with place.log.open("ab") as output:
        return subprocess.Popen(
            command(version.python, "everfit.serving.worker", str(listener.fileno()), str(life_end), what),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(), life_end),
            cwd=place.folder,
            env=surroundings(),
            start_new_session=True,
        )


def surroundings() -> dict[str, str]:
    """Return the environment of a version's processes.

    Libraries for numbers have one thread in each, unless the user has said otherwise: requests are spread over
    processes, and threads that wait for each other by spinning make a call of a few rows ten times slower as soon as
    the cores have anything else to do.
    """
    given = {name: value for name, value in os.environ.items() if name != life.VARIABLE}
    return {**dict.fromkeys(THREADS, "1"), **given}


async def adopt_worker(record: WorkerRecord, record_path: Path, place: Place) -> Worker | None:
    """Connect to a worker that an earlier front has started; None when it does not live."""
    worker = Worker(record, record_path, place)
    try:
        connection = await worker.connect()
    except OSError:
        forget(record_path, Path(record.socket))
        return None
    pid = peer(connection)
    # Until the worker itself listens, its socket is still that of the front which made it.
    if pid is not None and pid != record.front_pid:
        worker.belongs_to(pid)
    write_record(place.folder, record)
    return worker


def peer(connection: socket.socket) -> int | None:
    """Return the process at the other end; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    return int(PEER.unpack(credentials)[0])
