"""One version on one endpoint: its requests and the processes that answer them, until it has answered the last."""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum

from everfit.domain.endpoint import ServedVersion
from everfit.serving.dispatcher import Dispatcher
from everfit.serving.errors import UnusableModelError
from everfit.serving.frames import Reply, Request
from everfit.serving.limits import Limits
from everfit.serving.worker_group import WorkerGroup
from everfit.serving.worker_process import Place

__all__ = ["Place", "PoolState", "VersionPool"]


class PoolState(Enum):
    """How a version stands on the host."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    RETIRED = "retired"


def _nothing() -> None:
    """Nobody wants to know of crashes."""


class VersionPool:
    """The processes of one version, and the requests that were routed to it.

    A request that was routed here is answered here: a version that retires ends its processes only when it has
    answered everything that it was given.

    Args:
        on_crash_loop: is called once each time that the version begins to crash again and again without an answer
            between; the pool goes on trying to come back.
    """

    def __init__(
        self,
        version: ServedVersion,
        place: Place,
        limits: Limits,
        on_crash_loop: Callable[[], None] = _nothing,
    ) -> None:
        self.version = version
        self.state = PoolState.LOADING
        self.settled = asyncio.Event()
        self.place = place
        timeout = min(version.service.timeout, limits.request.total_seconds())
        self._dispatcher = Dispatcher(str(version.version), version.service, timeout)
        self._group = WorkerGroup(version, place, limits, self._dispatcher, on_crash_loop)
        self._failure: str | None = None

    @property
    def message(self) -> str | None:
        """What went wrong last."""
        return self._failure or self._group.message

    @property
    def processes(self) -> list[int]:
        """The ids of the living processes."""
        return self._group.processes

    @property
    def is_healthy(self) -> bool:
        """Whether the version is loaded and does not crash again and again."""
        return self.state is PoolState.READY and (self._group.ready > 0 or not self._group.is_loop)

    @property
    def workers(self) -> int:
        """How many processes can answer."""
        return self._group.ready

    @property
    def queue(self) -> int:
        """How many requests wait for a process."""
        return self._dispatcher.queue

    @property
    def under_way(self) -> int:
        """How many requests are with a process."""
        return self._dispatcher.under_way

    @property
    def batches(self) -> Mapping[int, int]:
        """Requests in a call, rounded up to a power of two -> calls of that size."""
        return {1 << power: calls for power, calls in sorted(self._dispatcher.batches.items())}

    @property
    def restarts(self) -> int:
        """How many processes have ended that should not have."""
        return self._group.restarts

    @property
    def recycled(self) -> int:
        """How many processes were replaced because they held too much memory."""
        return self._group.recycled

    async def load(self) -> None:
        """Take over the processes that an earlier front has left, or verify the folder and start new ones."""
        try:
            await self._group.load()
        except (UnusableModelError, OSError) as error:
            self._failure = str(error)
            await self._end_as(PoolState.FAILED)
        else:
            self.state = PoolState.READY if self.state is PoolState.LOADING else self.state
        finally:
            self.settled.set()

    def submit(self, request: Request, done: Callable[[Reply], None]) -> None:
        """Take a request; *done* is called with its answer, or with the reason why there is none, exactly once."""
        self._dispatcher.submit(request, done)

    async def retire(self) -> None:
        """Answer what was routed here, then end."""
        await self._dispatcher.all_answered.wait()
        await self.end()

    async def end(self) -> None:
        """End every process, whatever it is doing; what was not answered yet is told so."""
        await self._end_as(PoolState.RETIRED)

    async def _end_as(self, state: PoolState) -> None:
        self.state = state
        self._dispatcher.refuse("It was taken away.")
        await self._group.end()
        self.settled.set()
