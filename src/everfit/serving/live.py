"""All endpoints as they are, and how they get from there to what is desired.

A version takes traffic only when it is loaded from the verified bytes and has its release; until then, whatever
served goes on serving.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from everfit.domain.errors import StateError
from everfit.serving.capture_settings import NAME as SETTINGS
from everfit.serving.capture_settings import Settings, read_settings
from everfit.serving.desired import DesiredState, objection, objection_to
from everfit.serving.desired_file import NAME, read_desired
from everfit.serving.detour import Illness, detour_around, read_detours, write_detours
from everfit.serving.limits import Limits
from everfit.serving.live_endpoint import LiveEndpoint
from everfit.serving.route import Capture, Surroundings
from everfit.serving.shadow import Comparer
from everfit.serving.version_pool import Place, PoolState, VersionPool

__all__ = ["LiveEndpoint", "LiveHost", "trim_log"]

LONGEST_PAUSE: Final = 30.0
POLL: Final = 1.0
LOADS: Final = 3
"""A version that has not loaded after so many tries, while nothing serves, makes room for the way back."""
LARGEST_LOG: Final = 64 * 1024 * 1024
KEPT_OF_LOG: Final = 1024 * 1024

Taken = Callable[[int, dict[str, Any]], None]
"""Is called exactly once with an HTTP status and what the answer says."""


class Feedback(Protocol):
    """Takes late labels."""

    def take(self, endpoint: str, body: bytes, content_type: str, done: Taken) -> None:
        """Keep labels; *done* hears when they are kept, or what is wrong."""
        ...


class LiveHost:
    """All endpoints as they are.

    Args:
        capture: keeps requests with their answers; None keeps none.
        labels: takes late labels; None takes none.
    """

    def __init__(
        self, folder: Path, limits: Limits, capture: Capture | None = None, labels: Feedback | None = None
    ) -> None:
        self.endpoints: dict[str, LiveEndpoint] = {}
        self.problem: str | None = None
        self._folder = folder
        self._limits = limits
        self._labels = labels
        self._around = Surroundings(
            epoch=uuid4().hex, patience=limits.request.total_seconds(), capture=capture, comparer=Comparer(folder)
        )
        self._detours = read_detours(folder)
        self._tasks: set[asyncio.Task[None]] = set()

    def converge(self) -> None:
        """Read what is desired and set out for it; a file that cannot be read changes nothing."""
        try:
            self._apply(read_desired(self._folder), read_settings(self._folder))
        except (StateError, OSError) as error:
            self._report_problem(str(error))
        else:
            self.problem = None

    def feedback(self, endpoint: str, body: bytes, content_type: str, done: Taken) -> None:
        """Take late labels for an endpoint; *done* is called exactly once."""
        if endpoint not in self.endpoints:
            done(400, {"Code": "ValidationError", "Message": f"Endpoint {endpoint} not found."})
        elif self._labels is None:
            done(503, {"Code": "ServiceUnavailable", "Message": "This host takes no labels."})
        else:
            self._labels.take(endpoint, body, content_type, done)

    def _report_problem(self, problem: str) -> None:
        if problem != self.problem:
            sys.stderr.write(f"{problem} What served goes on serving.\n")
        self.problem = problem

    def _apply(self, desired: DesiredState, capture: Settings) -> None:
        for name, endpoint in desired.endpoints.items():
            live = self.endpoints.get(name)
            if live is None:
                live = self.endpoints[name] = LiveEndpoint(endpoint, self._around, self._guard)
            live.desired = endpoint
            live.keep_share(capture.of(name).share)
            live.detour = next((d for d in [self._detours.get(name)] if d is not None and d.holds(endpoint)), None)
            self._stage(live)
            self._route(live)
            self._let_go(live)
            self._guard(live)
        self._drop_old_detours()

    def _stage(self, live: LiveEndpoint) -> None:
        for number, version in live.desired.versions.items():
            pool = live.pools.get(number)
            if pool is None or (number not in live.used and pool.version != version):
                if pool is not None:
                    self._do(pool.retire())
                live.pools[number] = self._new_pool(live, number)

    def _new_pool(self, live: LiveEndpoint, number: int) -> VersionPool:
        name = f"{live.desired.name}.v{number}"
        place = Place(folder=self._folder / "work" / name, log=self._folder / "logs" / f"{name}.log")
        place.folder.mkdir(parents=True, exist_ok=True)
        place.log.parent.mkdir(exist_ok=True)
        pool = self._pool(live, number, place)
        self._do(self._load(live, number, pool))
        return pool

    def _pool(self, live: LiveEndpoint, number: int, place: Place) -> VersionPool:
        return VersionPool(live.desired.versions[number], place, self._limits, lambda: self._guard_later(live, number))

    async def _load(self, live: LiveEndpoint, number: int, pool: VersionPool) -> None:
        """Load it; what has the right to serve is tried for ever, as perhaps only the machine was too full."""
        pause, tries = 1.0, 0
        while True:
            await pool.load()
            self._route(live)
            if pool.state is not PoolState.FAILED or live.pools.get(number) is not pool:
                return
            tries += 1
            sys.stderr.write(f"Version {number} of endpoint {live.desired.name} does not load: {pool.message}\n")
            is_all_there_is = live.route is None and number in live.weights
            if is_all_there_is and tries >= LOADS:
                self._leave(live, number, f"Version {number} does not load: {pool.message}")
            # What alone can answer is tried again at once: perhaps its process was only killed, as those before it.
            if not is_all_there_is or tries >= LOADS:
                # Whoever waits for it is told now; the next one that asks may wait for the next try.
                live.let_in()
                desired = live.desired
                if number not in {*desired.weights, *desired.shadows, *desired.ways_back}:
                    return
                await asyncio.sleep(pause)
                if live.pools.get(number) is not pool or number not in live.desired.versions:
                    return
                pause = min(LONGEST_PAUSE, pause * 2)
            pool = self._pool(live, number, pool.place)
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
        wanted = replace(desired, weights=live.weights, shadows=() if live.detour else desired.shadows)
        live.refusal = objection(wanted)
        if live.refusal is not None:
            return
        ready = live.ready
        shares = {number: share for number, share in wanted.weights.items() if share > 0 and number in ready}
        is_partial = any(share > 0 and number not in ready for number, share in wanted.weights.items())
        # Nothing that serves is left for less than all of what is desired; where nothing serves, less is a beginning.
        if not shares or (is_partial and live.route is not None and not live.route.is_partial):
            return
        whole = sum(shares.values())
        weights = {number: share / whole for number, share in shares.items()} if is_partial else shares
        shadows = [number for number in wanted.shadows if number in ready and number not in shares]
        if live.set_route(weights, shadows, is_partial=is_partial):
            live.let_in()
            self._let_go(live)

    def _let_go(self, live: LiveEndpoint) -> None:
        for number in [n for n in live.pools if n not in live.desired.versions and n not in live.used]:
            live.forget(number)
            self._do(live.pools.pop(number).retire())

    def _guard_later(self, live: LiveEndpoint, number: int) -> None:
        # The pool is in the middle of something when it tells that it crashes.
        asyncio.get_running_loop().call_soon(self._guard, live, number)

    def _guard(self, live: LiveEndpoint, crashing: int | None = None) -> None:
        """Take the traffic from a version that crashes again and again, where another one can have it."""
        for number, lane in list(live.route.lanes.items()) if live.route is not None else []:
            if live.pools.get(number) is lane.pool and (number == crashing or not lane.pool.is_healthy):
                self._leave(live, number, f"Version {number} crashes again and again: {lane.pool.message}")

    def _leave(self, live: LiveEndpoint, number: int, reason: str) -> None:
        name, ill = live.desired.name, Illness(version=number, reason=reason, at=datetime.now(UTC))
        able = [n for n, pool in live.ready.items() if pool.is_healthy and objection_to(live.desired, n) is None]
        found = detour_around(ill, live.desired, live.detour, able)
        if found is None:
            return
        live.detour = self._detours[name] = found
        sys.stderr.write(f"Endpoint {name}: {reason} Its traffic goes to version {found.moved.after} now.\n")
        self._route(live)
        self._write_detours()

    def _drop_old_detours(self) -> None:
        held = {name: detour for name, detour in self._detours.items() if self._holds(name)}
        if held.keys() != self._detours.keys():
            self._detours = held
            self._write_detours()

    def _holds(self, name: str) -> bool:
        return name in self.endpoints and self._detours[name].holds(self.endpoints[name].desired)

    def _write_detours(self) -> None:
        try:
            write_detours(self._folder, self._detours)
        except StateError as error:
            # It serves all the same; after a restart it would find out again, by the same crashes.
            sys.stderr.write(f"{error}\n")

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
            stamps = self._stamps()
            if stamps != seen:
                self.converge()
                seen = stamps
            for live in self.endpoints.values():
                live.look()
                self._guard(live)
            for log in self._folder.glob("logs/*.log"):
                trim_log(log)
            await asyncio.sleep(POLL)
        stop()

    def _stamps(self) -> list[tuple[int, int] | None]:
        return [stamp(self._folder / name) for name in (NAME, SETTINGS)]

    async def end(self) -> None:
        """End every process."""
        for task in self._tasks:
            task.cancel()
        for live in self.endpoints.values():
            live.end()
        pools = [pool for live in self.endpoints.values() for pool in live.pools.values()]
        await asyncio.gather(self._around.comparer.end(), *(pool.end() for pool in pools))


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes with a file; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


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
