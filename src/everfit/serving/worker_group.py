"""The processes of one version: adopted or started, replaced when they end or grow, more of them under load."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

from everfit.domain.endpoint import ServedVersion
from everfit.serving.crash_loop import Crashes
from everfit.serving.dispatcher import Dispatcher
from everfit.serving.errors import UnusableModelError
from everfit.serving.folder_digest import verify_folder
from everfit.serving.limits import Limits
from everfit.serving.load_watch import LoadWatch
from everfit.serving.watched_process import held_memory
from everfit.serving.worker_process import Place, Worker
from everfit.serving.worker_records import records
from everfit.serving.worker_start import adopt_worker, start_worker

LOOK: Final = 1.0
"""Seconds between two looks at memory and load."""
FAR_TOO_MUCH: Final = 2
"""A process that holds this many times what it may is not waited for."""
BUSY_PATIENCE: Final = 1.0
"""Seconds for a process of the front before to finish what that one asked, until another is started beside it."""
RECYCLE_PAUSE: Final = 30.0
"""Seconds after a process could not be replaced."""
LOOP_MESSAGE: Final = "It crashes again and again; its log says why."
_SERVING: Final[WeakSet[Worker]] = WeakSet()
"""The processes of all versions that can answer."""


class WorkerGroup:
    """Keeps as many processes as the version needs.

    Args:
        on_crash_loop: is called once each time that the version begins to crash again and again.
    """

    def __init__(
        self,
        version: ServedVersion,
        place: Place,
        limits: Limits,
        dispatcher: Dispatcher,
        on_crash_loop: Callable[[], None],
    ) -> None:
        self.message: str | None = None
        self.restarts = 0
        self.recycled = 0
        self._version = version
        self._place = place
        self._limits = limits
        self._dispatcher = dispatcher
        self._on_crash_loop = on_crash_loop
        self._crashes = Crashes()
        self._all: set[Worker] = set()
        self._ready: set[Worker] = set()
        self._coming = 0
        self._load = LoadWatch(dispatcher, max(1, version.workers), version.service.most_workers)
        self._is_serving = False
        self._is_over = False
        self._recycling: Worker | None = None
        self._recycled_from = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        dispatcher.freed = self._freed
        dispatcher.answered = self._crashes.answered

    @property
    def processes(self) -> list[int]:
        """The ids of the living processes."""
        return sorted(worker.pid for worker in self._all if worker.pid and not worker.is_over)

    @property
    def ready(self) -> int:
        """How many processes can answer."""
        return len(self._ready)

    @property
    def is_loop(self) -> bool:
        """Whether the version crashes again and again."""
        return self._crashes.is_loop

    async def load(self) -> None:
        """Return when a process can answer that an earlier front has left, or as many new ones as are always kept.

        Raises:
            UnusableModelError: the version does not load.
        """
        left = await self._adopt()
        if not self._ready:
            await self._start_all(left)
        self._is_serving = True
        self._do(self._watch())
        self._keep()

    async def _adopt(self) -> set[asyncio.Task[None]]:
        """Take over what an earlier front has left, until one can answer; return what is still undecided."""
        taken = await self._connect_to_left()
        # One that is stuck in what the front before has asked must not keep the version from answering, while one
        # that loads will be there before another that begins now.
        patience = BUSY_PATIENCE if all(worker.was_ready for worker in taken) else None
        left = {self._begin(self._take_over(worker)) for worker in taken}
        deadline = None if patience is None else monotonic() + patience
        while left and not self._ready:
            rest = None if deadline is None else deadline - monotonic()
            done, left = await asyncio.wait(left, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
        return left

    async def _connect_to_left(self) -> list[Worker]:
        taken: list[Worker] = []
        for path, record in records(self._place.folder):
            worker = await adopt_worker(record, path, self._place)
            if worker is None:
                continue
            if record.fits(self._version) and not self._is_over:
                taken.append(worker)
                self._all.add(worker)
            else:
                self._do(worker.end())
        return taken

    async def _take_over(self, worker: Worker) -> None:
        try:
            await self._make_ready(worker)
        except UnusableModelError as error:
            self.message = str(error)

    async def _start_all(self, left: set[asyncio.Task[None]]) -> None:
        """Start as many as are always kept; one of *left* that can answer meanwhile is as good."""
        await self._verify()
        errors: list[Exception] = []
        missing = {self._begin(self._attempt(errors)) for _ in range(self._load.wanted)}
        undecided = missing | left
        while missing and not (left and self._ready):
            _, undecided = await asyncio.wait(undecided, return_when=asyncio.FIRST_COMPLETED)
            missing &= undecided
        if errors and not (left and self._ready):
            raise errors[0]

    async def _attempt(self, errors: list[Exception]) -> None:
        try:
            await self._bring()
        except (UnusableModelError, OSError) as error:
            errors.append(error)

    async def _verify(self) -> None:
        """What lies on the disk is what would serve: it is judged anew before each start."""
        await asyncio.to_thread(verify_folder, Path(self._version.model), self._version.artifact)

    async def _bring(self) -> None:
        """Start a process and have it answer the sample."""
        # Those of other versions are spared as well; when none is left that could answer, nobody gains by waiting.
        gently = bool(_SERVING) and bool(self._ready or not self._is_serving)
        worker = await start_worker(self._version, self._place, gently=gently)
        self._all.add(worker)
        await self._make_ready(worker)

    async def _make_ready(self, worker: Worker) -> None:
        try:
            if not self._is_over:
                await worker.ready(self._version.sample, self._limits.load.total_seconds(), self._dispatcher.timeout)
            self._check(worker)
        except BaseException:
            # Cancelled or not, a process that nobody will ask must not stay.
            self._all.discard(worker)
            await worker.end()
            raise
        worker.ended = self._ended
        if worker.process is not None:
            worker.process.be_equal()
        self._ready.add(worker)
        _SERVING.add(worker)
        self._dispatcher.refuse(None)
        self._dispatcher.add(worker)
        self._trim()

    def _check(self, worker: Worker) -> None:
        if self._is_over:
            raise UnusableModelError("The version was taken away while it was being loaded.")
        most = self._version.service.memory
        held = held_memory([worker.pid]).get(worker.pid, 0)
        if most is not None and held > most:
            raise UnusableModelError(
                f"The model's process holds {megabytes(held)} after it was loaded, more than the {megabytes(most)} "
                "that serve.memory allows: raise that limit."
            )

    def _keep(self) -> None:
        """Start what is missing, at once or after a pause."""
        if self._is_serving and not self._is_over and self._missing > 0 and self._later is None:
            self._later = self._loop.call_later(self._crashes.pause, self._start_missing)

    @property
    def _missing(self) -> int:
        return self._load.wanted - self._coming - sum(not worker.is_leaving for worker in self._ready)

    def _start_missing(self) -> None:
        self._later = None
        for _ in range(self._missing):
            self._begin(self._replace())

    async def _replace(self) -> None:
        try:
            await self._verify()
            await self._bring()
        except (UnusableModelError, OSError) as error:
            self.message = str(error)
            self._crashed([])

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do what ends with one process more, or with none."""
        self._coming += 1
        task = self._do(work)
        task.add_done_callback(self._came)
        return task

    def _came(self, _task: asyncio.Task[None]) -> None:
        self._coming -= 1
        self._keep()

    def _ended(self, worker: Worker) -> None:
        self._all.discard(worker)
        self._ready.discard(worker)
        _SERVING.discard(worker)
        if worker is self._recycling:
            self._recycling = None
        if not worker.is_leaving:
            self.restarts += 1
            self.message = f"A process of version {self._version.version} ended: {worker.loss()}"
            self._crashed([call.request.body for call in worker.calls.values()])
        self._dispatcher.lost(worker)
        self._keep()

    def _crashed(self, asked: Sequence[bytes]) -> None:
        was_loop = self._crashes.is_loop
        self._crashes.happened(monotonic(), asked)
        if not self._crashes.is_loop or self._is_over:
            return
        if not self._ready:
            self._dispatcher.refuse(LOOP_MESSAGE)
        if not was_loop:
            self._loop.call_soon(self._on_crash_loop)

    def _freed(self, worker: Worker) -> None:
        """End a process that has answered what it had."""
        self._ready.discard(worker)
        self._do(worker.end())

    def _trim(self) -> None:
        """Let go of more processes than there should be."""
        staying = [worker for worker in self._ready if not worker.is_leaving and worker is not self._recycling]
        for worker in sorted(staying, key=lambda each: bool(each.calls))[: max(0, len(staying) - self._load.wanted)]:
            self._dispatcher.withdraw(worker)

    async def _watch(self) -> None:
        while not self._is_over:
            await asyncio.sleep(LOOK)
            if self._version.service.memory is not None:
                await self._look_at_memory(self._version.service.memory)
            self._load.look([worker.pid for worker in self._ready], self._coming)
            self._keep()
            self._trim()

    async def _look_at_memory(self, most: int) -> None:
        pids = {worker.pid: worker for worker in self._ready}
        held = held_memory(list(pids)) if sys.platform == "linux" else await asyncio.to_thread(held_memory, list(pids))
        for pid, size in held.items():
            worker = pids[pid]
            if worker.is_leaving:
                continue
            if size > FAR_TOO_MUCH * most:
                self._note_growth(size, most)
                worker.is_leaving = True
                worker.kill()
                self.recycled += 1
            elif size > most and self._can_recycle:
                self._note_growth(size, most)
                self._recycling = worker
                self._begin(self._recycle(worker))

    @property
    def _can_recycle(self) -> bool:
        return self._recycling is None and monotonic() >= self._recycled_from

    def _note_growth(self, size: int, most: int) -> None:
        self.message = (
            f"A process of version {self._version.version} grew to {megabytes(size)}, more than the {megabytes(most)} "
            "that serve.memory allows, and is replaced."
        )

    async def _recycle(self, worker: Worker) -> None:
        """Put a new process beside one that holds too much, and then let that one go."""
        try:
            await self._verify()
            await self._bring()
        except (UnusableModelError, OSError) as error:
            self.message = str(error)
            self._recycled_from = monotonic() + RECYCLE_PAUSE
        else:
            self.recycled += 1
            if worker in self._ready:
                self._dispatcher.withdraw(worker)
        finally:
            if self._recycling is worker:
                self._recycling = None

    def _do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self) -> None:
        """End every process, whatever it is doing."""
        self._is_over = True
        if self._later is not None:
            self._later.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in self._all:
            worker.is_leaving = True
        await asyncio.gather(*(worker.end() for worker in list(self._all)))
        self._all.clear()
        self._ready.clear()
        self._dispatcher.detach()


def megabytes(size: int) -> str:
    """Return a size in words."""
    return f"{size / 1e6:.0f} MB"
