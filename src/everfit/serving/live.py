"""What the host really serves, and how it gets from there to what is desired.

A version takes traffic only when it is loaded from the verified bytes and has its release; until then, whatever
served goes on serving. The routing of an endpoint is one object that is replaced in one assignment.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from everfit.domain.errors import StateError
from everfit.serving.calls import Answered, Done, Inquiry
from everfit.serving.desired import DesiredEndpoint, DesiredState, objection
from everfit.serving.desired_file import NAME, read_desired
from everfit.serving.frames import Request, Trouble, excuse
from everfit.serving.limits import Limits
from everfit.serving.routing import Interleave
from everfit.serving.version_pool import Place, PoolState, VersionPool

LONGEST_PAUSE = 30.0
POLL = 1.0
LARGEST_LOG = 64 * 1024 * 1024
KEPT_OF_LOG = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which versions take an endpoint's requests, and in which shares."""

    interleave: Interleave
    pools: Mapping[int, VersionPool]

    def take(self) -> VersionPool:
        """Return the version for the next request."""
        return self.pools[self.interleave.next()]


@dataclass(slots=True, kw_only=True)
class LiveEndpoint:
    """One endpoint as it is."""

    desired: DesiredEndpoint
    pools: dict[int, VersionPool] = field(default_factory=dict[int, VersionPool])
    route: Route | None = None
    refusal: str | None = None
    early: list[tuple[Inquiry, Done]] = field(default_factory=list[tuple[Inquiry, Done]])

    @property
    def is_healthy(self) -> bool:
        """Whether everything that takes traffic can answer."""
        return self.route is not None and all(pool.is_healthy for pool in self.route.pools.values())

    @property
    def excuse(self) -> str:
        """Why nothing takes its traffic."""
        if self.refusal is not None:
            return self.refusal
        messages = [self.pools[number].message for number in self.desired.weights if number in self.pools]
        return " ".join(message for message in messages if message) or "No version has been given its traffic yet."

    @property
    def is_on_its_way(self) -> bool:
        """Whether what shall take the traffic is being loaded."""
        pools = [self.pools[number] for number in self.desired.weights if number in self.pools]
        return any(pool.state is PoolState.LOADING for pool in pools)

    def dispatch(self, inquiry: Inquiry, done: Done) -> None:
        """Have the version whose turn it is answer; *done* is called exactly once."""
        name = inquiry.inference_id or uuid4().hex
        if self.route is None and self.is_on_its_way:
            self.early.append((inquiry, done))
            return
        if self.route is None:
            words = f"Endpoint {self.desired.name} cannot answer. {self.excuse}"
            done(Answered(reply=excuse(Trouble.UNAVAILABLE, 503, words), version=None, inference_id=name))
            return
        pool = self.route.take()
        request = Request(body=inquiry.body, content_type=inquiry.content_type, accept=inquiry.accept)
        number = pool.version.version
        pool.submit(request, lambda reply: done(Answered(reply=reply, version=number, inference_id=name)))

    def let_in(self) -> None:
        """Have those answered that came before their version was loaded, or tell them that it does not load."""
        early, self.early = self.early, []
        for inquiry, done in early:
            self.dispatch(inquiry, done)

    def report(self) -> dict[str, Any]:
        """Return what is really served."""
        weights = {} if self.route is None else self.route.interleave.weights
        return {
            "name": self.desired.name,
            "fence": self.desired.fence,
            "weights": {str(version): weight for version, weight in weights.items()},
            "refusal": self.refusal,
            "versions": {
                str(number): {
                    "state": pool.state.value,
                    "artifact": pool.version.artifact,
                    "message": pool.message,
                    "processes": pool.processes,
                }
                for number, pool in self.pools.items()
            },
        }


class LiveHost:
    """All endpoints as they are."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.endpoints: dict[str, LiveEndpoint] = {}
        self.problem: str | None = None
        self._folder = folder
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()

    def converge(self) -> None:
        """Read what is desired and set out for it; a file that cannot be read changes nothing."""
        try:
            self._apply(read_desired(self._folder))
        except (StateError, OSError) as error:
            self._report_problem(str(error))
        else:
            self.problem = None

    def _report_problem(self, problem: str) -> None:
        if problem != self.problem:
            sys.stderr.write(f"{problem} What served goes on serving.\n")
        self.problem = problem

    def _apply(self, desired: DesiredState) -> None:
        for name, endpoint in desired.endpoints.items():
            live = self.endpoints.setdefault(name, LiveEndpoint(desired=endpoint))
            live.desired = endpoint
            self._stage(live)
            self._route(live)
            self._let_go(live)

    def _stage(self, live: LiveEndpoint) -> None:
        for number, version in live.desired.versions.items():
            pool = live.pools.get(number)
            is_routed = live.route is not None and live.route.pools.get(number) is pool
            if pool is None or (not is_routed and pool.version != version):
                if pool is not None:
                    self._do(pool.retire())
                live.pools[number] = self._new_pool(live, number)

    def _new_pool(self, live: LiveEndpoint, number: int) -> VersionPool:
        name = f"{live.desired.name}.v{number}"
        place = Place(folder=self._folder / "work" / name, log=self._folder / "logs" / f"{name}.log")
        place.folder.mkdir(parents=True, exist_ok=True)
        place.log.parent.mkdir(exist_ok=True)
        pool = VersionPool(live.desired.versions[number], place, self._limits)
        self._do(self._load(live, number, pool))
        return pool

    async def _load(self, live: LiveEndpoint, number: int, pool: VersionPool) -> None:
        """Load it; what has the right to serve is tried for ever, as perhaps only the machine was too full."""
        pause = 1.0
        while True:
            await pool.load()
            self._route(live)
            if pool.state is not PoolState.FAILED or live.pools.get(number) is not pool:
                return
            # Whoever waits for it is told now; the next one that asks may wait for the next try.
            live.let_in()
            sys.stderr.write(f"Version {number} of endpoint {live.desired.name} does not load: {pool.message}\n")
            if number not in live.desired.weights:
                return
            await asyncio.sleep(pause)
            if live.pools.get(number) is not pool or number not in live.desired.versions:
                return
            pause = min(LONGEST_PAUSE, pause * 2)
            pool = VersionPool(live.desired.versions[number], pool.place, self._limits)
            live.pools[number] = pool

    def load_again(self, endpoint: str, versions: list[int]) -> None:
        """Try versions again that did not load before."""
        live = self.endpoints.get(endpoint)
        if live is None:
            return
        for number in versions:
            pool = live.pools.get(number)
            if pool is not None and pool.state is PoolState.FAILED:
                live.pools[number] = self._new_pool(live, number)

    def _route(self, live: LiveEndpoint) -> None:
        desired = live.desired
        if not desired.weights:
            return
        live.refusal = objection(desired)
        pools = {number: live.pools.get(number) for number in desired.weights}
        ready = {number: pool for number, pool in pools.items() if pool and pool.state is PoolState.READY}
        if live.refusal is not None or len(ready) < len(pools):
            return
        if live.route is None or live.route.interleave.weights != dict(desired.weights) or live.route.pools != ready:
            live.route = Route(interleave=Interleave(desired.weights), pools=ready)
            live.let_in()
            self._let_go(live)

    def _let_go(self, live: LiveEndpoint) -> None:
        routed = () if live.route is None else live.route.pools
        for number in [n for n in live.pools if n not in live.desired.versions and n not in routed]:
            self._do(live.pools.pop(number).retire())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            sys.stderr.write(f"The endpoint host met an error that it did not expect: {error!r}\n")

    async def follow(self, stop: Callable[[], None]) -> None:
        """Converge whenever the file has changed, for a change that nobody could tell of; stop when the folder goes."""
        seen = None
        while self._folder.is_dir():
            stamp = self._stamp()
            if stamp != seen:
                self.converge()
                seen = stamp
            for log in self._folder.glob("logs/*.log"):
                trim_log(log)
            await asyncio.sleep(POLL)
        stop()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = (self._folder / NAME).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    async def end(self) -> None:
        """End every process."""
        for task in self._tasks:
            task.cancel()
        pools = [pool for live in self.endpoints.values() for pool in live.pools.values()]
        await asyncio.gather(*(pool.end() for pool in pools))


def trim_log(log: Path) -> None:
    """Keep the end of a log that a model has made too large; its process goes on appending."""
    with suppress(OSError):
        if log.stat().st_size <= LARGEST_LOG:
            return
        with log.open("rb") as file:
            file.seek(-KEPT_OF_LOG, os.SEEK_END)
            end = file.read()
        os.truncate(log, 0)
        with log.open("ab") as file:
            file.write(end)
