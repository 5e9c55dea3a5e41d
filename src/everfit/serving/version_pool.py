"""One version on one endpoint: its worker processes, replaced when they end, drained when it goes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from everfit.domain.endpoint import ServedVersion
from everfit.serving.errors import UnusableModelError
from everfit.serving.folder_digest import verify_folder
from everfit.serving.frames import Reply, Request, Trouble, excuse
from everfit.serving.limits import Limits
from everfit.serving.worker_process import WorkerLostError, WorkerProcess, WorkerStuckError, start_worker

CRASH_LOOP = 3
LONGEST_PAUSE = 30.0


class PoolState(Enum):
    """How a version stands on the host."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    RETIRED = "retired"


class _UnavailableError(Exception):
    """No process of the version can take the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a version's processes work and print."""

    folder: Path
    log: Path


class VersionPool:
    """The processes of one version.

    A request that was routed here is answered here: a version that retires ends its processes only when it has
    answered everything that it was given.
    """

    def __init__(
        self,
        version: ServedVersion,
        place: Place,
        limits: Limits,
        on_crash_loop: Callable[[], None] = lambda: None,
    ) -> None:
        self.version = version
        self.state = PoolState.LOADING
        self.message: str | None = None
        self.settled = asyncio.Event()
        self.place = place
        self._limits = limits
        self._workers: set[WorkerProcess] = set()
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self._watches: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._pending = 0
        self._nothing_pending = asyncio.Event()
        self._nothing_pending.set()
        self._crashes = 0
        self._restarts = 0
        self._on_crash_loop = on_crash_loop

    @property
    def queue(self) -> int:
        """How many requests wait for a process."""
        return max(0, self._pending - len(self._workers))

    @property
    def numbers(self) -> dict[str, Any]:
        """What its processes are at, as plain JSON."""
        return {
            "processes": self.processes,
            "workers": len(self._workers),
            "queue": self.queue,
            "under_way": self._pending - self.queue,
            "batches": {},
            "restarts": self._restarts,
            "recycled": 0,
        }

    @property
    def processes(self) -> list[int]:
        """The ids of the living processes."""
        return sorted(worker.process.pid for worker in self._workers if worker.is_alive)

    @property
    def is_healthy(self) -> bool:
        """Whether the version is loaded and does not crash again and again."""
        return self.state is PoolState.READY and (self._crashes < CRASH_LOOP or not self._idle.empty())

    async def load(self) -> None:
        """Verify the folder, start the processes, have each answer the sample."""
        try:
            await asyncio.to_thread(verify_folder, Path(self.version.model), self.version.artifact)
            await self._start_all()
        except (UnusableModelError, OSError) as error:
            self.message = str(error)
            await self._end_as(PoolState.FAILED)
        else:
            self.state = PoolState.READY if self.state is PoolState.LOADING else self.state
        finally:
            self.settled.set()

    async def _start_all(self) -> None:
        starts = [asyncio.create_task(self._start_one()) for _ in range(max(1, self.version.workers))]
        results = await asyncio.gather(*starts, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _start_one(self) -> None:
        worker = await start_worker(self.version, self.place.folder, self.place.log)
        self._workers.add(worker)
        if self.state is PoolState.RETIRED:
            # It was taken away while the process was being started, which nobody else knows of.
            worker.kill()
        try:
            await worker.loaded(self._limits.load)
            await self._answer_sample(worker)
        except UnusableModelError:
            self._workers.discard(worker)
            await worker.end()
            raise
        self._idle.put_nowait(worker)
        watch = asyncio.create_task(self._watch(worker))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _answer_sample(self, worker: WorkerProcess) -> None:
        sample = self.version.sample
        if sample is None:
            return
        request = Request(body=sample.content, content_type=sample.content_type, accept=sample.accept)
        try:
            reply = await worker.ask(request, self._limits.load)
        except WorkerStuckError:
            raise UnusableModelError("The model did not answer the sample request in time.") from None
        except WorkerLostError as error:
            raise UnusableModelError(f"The model's process ended at the sample request: {error}") from None
        if not reply.is_answer:
            raise UnusableModelError(f"The model failed at the sample request: {reply.body.decode(errors='replace')}")
        if not reply.body:
            raise UnusableModelError("The model answered the sample request with nothing.")

    async def _watch(self, worker: WorkerProcess) -> None:
        """Put a new process in the place of one that ends."""
        await worker.process.wait()
        self._workers.discard(worker)
        self.message = f"A process of version {self.version.version} ended: {await worker.loss()}"
        await worker.end()
        while self.state in (PoolState.LOADING, PoolState.READY):
            self._crashes += 1
            self._restarts += 1
            if self._crashes == CRASH_LOOP:
                self._on_crash_loop()
            # The first one is replaced at once; one that goes on crashing must not eat the machine.
            await asyncio.sleep(min(LONGEST_PAUSE, 0.25 * 2 ** (self._crashes - 2)) if self._crashes > 1 else 0)
            try:
                await self._start_one()
            except (UnusableModelError, OSError) as error:
                self.message = str(error)
            else:
                return

    def submit(self, request: Request, done: Callable[[Reply], None]) -> None:
        """Take a request; *done* is called with its answer, or with the reason why there is none, exactly once."""
        self._pending += 1
        self._nothing_pending.clear()
        task = asyncio.create_task(self._answer(request, done))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _answer(self, request: Request, done: Callable[[Reply], None]) -> None:
        try:
            done(await self._answer_or_retry(request))
        except _UnavailableError as error:
            message = f"Version {self.version.version} cannot answer now. {error}"
            done(excuse(Trouble.UNAVAILABLE, 503, message))
        finally:
            self._pending -= 1
            if not self._pending:
                self._nothing_pending.set()

    async def _answer_or_retry(self, request: Request) -> Reply:
        lost = ""
        for _ in range(2):
            worker = await self._free_worker()
            try:
                reply = await worker.ask(request, self._limits.request)
            except WorkerStuckError:
                seconds = self._limits.request.total_seconds()
                message = f"The model did not answer within {seconds:g} s; its process was replaced."
                return excuse(Trouble.TIMEOUT, 504, message)
            except WorkerLostError as error:
                lost = error.how
            else:
                self._crashes = 0
                self._idle.put_nowait(worker)
                return reply
        message = f"The model's process ended at this request, twice: {lost}"
        return excuse(Trouble.MODEL, 500, message)

    async def _free_worker(self) -> WorkerProcess:
        try:
            async with asyncio.timeout(self._limits.request.total_seconds()):
                while True:
                    if self._idle.empty() and self._crashes >= CRASH_LOOP:
                        raise _UnavailableError("It crashes again and again; its log says why.")
                    worker = await self._idle.get()
                    if worker.is_alive:
                        return worker
        except TimeoutError:
            raise _UnavailableError("None of its processes became free in time.") from None

    async def retire(self) -> None:
        """Answer what was routed here, then end."""
        await self._nothing_pending.wait()
        await self.end()

    async def end(self) -> None:
        """End every process, whatever it is doing."""
        await self._end_as(PoolState.RETIRED)

    async def _end_as(self, state: PoolState) -> None:
        self.state = state
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*(worker.end() for worker in self._workers))
        self._workers.clear()
