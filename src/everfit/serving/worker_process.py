"""A worker as the front sees it: a process that is loaded, is asked a batch at a time, and ends."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Final, cast

from everfit.domain.endpoint import SampleRequest
from everfit.serving.errors import UnusableModelError
from everfit.serving.frames import Hello, Readiness, Reply, Request
from everfit.serving.waiting import Call
from everfit.serving.watched_process import WatchedProcess
from everfit.serving.worker_link import WorkerLink
from everfit.serving.worker_records import WorkerRecord, forget, write_record

LAST_WORDS: Final = 2000
TOLD_OF_LOG: Final = 500
END_PATIENCE: Final = 1.0
"""Seconds for a process to end after its connection has; then it is believed to."""
BLINK: Final = 0.05
"""Seconds; a model that takes longer for a call is not asked more often than it must be before it serves."""
MEASURED: Final = 16
REPEATED: Final = 5
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
    def fixed_cost(self) -> float | None:
        """Seconds that a call takes whatever it holds, as measured before it served; None when it was not."""
        return self._record.fixed_cost

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
            check_sample((await self._answers([request_of(sample)], loading, is_sample=True))[0])
            if self.can_join:
                await self._measure(request_of(sample), loading)
        if self.is_over:
            raise UnusableModelError(f"The model's process ended after it was loaded: {self.loss()}")
        self._record = replace(self._record, is_ready=True, pid=self.pid)
        write_record(self._place.folder, self._record)

    async def _answers(self, requests: Sequence[Request], patience: float, *, is_sample: bool = False) -> list[Reply]:
        """Return the answers to requests that no client has sent, or raise ``UnusableModelError``."""
        answers: list[Reply] = []
        came = asyncio.Event()

        def answered(reply: Reply) -> None:
            answers.append(reply)
            if len(answers) == len(requests):
                came.set()

        calls = [Call(request=request, done=answered, since=0.0, until=0.0) for request in requests]
        self._send(calls, is_sample=is_sample)
        waits = [asyncio.create_task(event.wait()) for event in (came, self._over_event)]
        await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if came.is_set():
            return answers
        if self.is_over:
            raise UnusableModelError(f"The model's process ended at the sample request: {self.loss()}")
        raise UnusableModelError("The model did not answer the sample request in time.")

    async def _measure(self, request: Request, patience: float) -> None:
        """Warm a quick model up, and find out how long a call takes whatever it holds."""
        single = await self._shortest([request], patience)
        if single > BLINK:
            return
        several = await self._shortest([request] * MEASURED, patience)
        each = max(0.0, (several - single) / (MEASURED - 1))
        self._record = replace(self._record, fixed_cost=max(0.0, single - each))

    async def _shortest(self, requests: Sequence[Request], patience: float) -> float:
        times: list[float] = []
        while len(times) < REPEATED and sum(times) < BLINK:
            start = monotonic()
            await self._answers(requests, patience)
            times.append(monotonic() - start)
        return min(times)

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


def request_of(sample: SampleRequest) -> Request:
    """Return what a client would send."""
    return Request(body=sample.content, content_type=sample.content_type, accept=sample.accept)


def check_sample(reply: Reply) -> None:
    """Raise ``UnusableModelError`` unless it is an answer that a version may serve with."""
    if not reply.is_answer:
        raise UnusableModelError(f"The model failed at the sample request: {reply.body.decode(errors='replace')}")
    if not reply.body:
        raise UnusableModelError("The model answered the sample request with nothing.")
