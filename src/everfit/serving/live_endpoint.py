"""One endpoint as it is: which version takes a request, and what becomes of it.

The routing is one object that is replaced in one assignment. Taking a request and handing it to its version happen in
the same breath, so a version that goes away has been given all that it ever will be.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from everfit.serving.calls import Answered, Done, Inquiry
from everfit.serving.counters import Counter, live_numbers
from everfit.serving.desired import DesiredEndpoint, moved_document
from everfit.serving.detour import Detour, really_moved
from everfit.serving.early import Early
from everfit.serving.frames import Reply, Trouble, excuse
from everfit.serving.route import Lane, Route, Surroundings
from everfit.serving.routing import Sampler, turns, version_for
from everfit.serving.shadow import Shadow
from everfit.serving.version_pool import PoolState, VersionPool


class LiveEndpoint:
    """One endpoint as it is.

    Args:
        around: what it shares with others.
        guard: takes the traffic from versions that crash again and again, where another one can have it.
    """

    def __init__(self, desired: DesiredEndpoint, around: Surroundings, guard: "Callable[[LiveEndpoint], None]") -> None:
        self.desired = desired
        self.pools: dict[int, VersionPool] = {}
        self.route: Route | None = None
        self.refusal: str | None = None
        self.detour: Detour | None = None
        self._around = around
        self._guard = guard
        self._counters: dict[int, Counter] = {}
        self._copies: dict[int, Shadow] = {}
        self._early = Early(around.patience, self._give_up)
        self._named = count()
        self._share: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether everything that takes traffic can answer."""
        return self.route is not None and all(lane.pool.is_healthy for lane in self.route.lanes.values())

    @property
    def is_on_its_way(self) -> bool:
        """Whether what shall take the traffic is being loaded."""
        pools = [self.pools[number] for number in self.weights if number in self.pools]
        return any(pool.state is PoolState.LOADING for pool in pools)

    @property
    def ready(self) -> Mapping[int, VersionPool]:
        """The versions that have loaded the very bytes that are desired, and that their releases are about."""
        held = self.desired.versions
        return {
            number: pool
            for number, pool in self.pools.items()
            if pool.state is PoolState.READY and number in held and pool.version.artifact == held[number].artifact
        }

    @property
    def weights(self) -> Mapping[int, float]:
        """The shares that shall be given, a detour taken into account."""
        return self.desired.weights if self.detour is None else self.detour.weights

    @property
    def used(self) -> frozenset[int]:
        """The versions that take traffic or copies."""
        if self.route is None:
            return frozenset()
        return frozenset({*self.route.lanes, *(shadow.pool.version.version for shadow in self.route.shadows)})

    def dispatch(self, inquiry: Inquiry, done: Done) -> None:
        """Have the version whose turn it is answer; *done* is called exactly once."""
        route = self.route
        if route is None:
            self._wait(inquiry, done)
        elif inquiry.target is not None:
            self._ask_named(inquiry.target, route, inquiry, done)
        elif inquiry.session is not None:
            self._ask(route.lanes[version_for(inquiry.session, route.weights)], route.shadows, inquiry, done)
        else:
            self._ask(route.lanes[next(route.turns)], route.shadows, inquiry, done)

    def _ask(
        self, lane: Lane, shadows: Sequence[Shadow], inquiry: Inquiry, done: Done, *, is_second: bool = False
    ) -> None:
        name = inquiry.inference_id or f"{self._around.epoch}-{next(self._named):x}"
        began = time.monotonic()

        def answered(reply: Reply) -> None:
            seconds = time.monotonic() - began
            lane.counter.count(reply.trouble, seconds)
            # An answer is no trouble, which is seen before a member is looked up.
            if reply.trouble is not None and reply.trouble is Trouble.UNAVAILABLE and not is_second:
                other = self._instead_of(lane, inquiry)
                if other is not None:
                    self._ask(other, (), replace(inquiry, inference_id=name), done, is_second=True)
                    return
            done(Answered(reply=reply, version=lane.number, inference_id=name))
            if lane.sampler is not None and self._around.capture is not None and lane.sampler.picks():
                self._around.capture.offer(self.desired.name, lane.number, inquiry, reply, seconds, name)
            for shadow in shadows:
                shadow.copy(inquiry, reply)

        lane.pool.submit(inquiry, answered)

    def _instead_of(self, lane: Lane, inquiry: Inquiry) -> Lane | None:
        """Return who answers what waited for a version that is left from now on; None when it is not left."""
        if inquiry.target is not None or lane.pool.is_healthy:
            return None
        self._guard(self)
        route = self.route
        if route is None or any(lane.pool is other.pool for other in route.lanes.values()):
            return None
        return route.lanes[next(route.turns)]

    def _ask_named(self, target: str, route: Route, inquiry: Inquiry, done: Done) -> None:
        named = {f"v{number}": lane for number, lane in route.lanes.items()}
        for number in self.desired.ways_back:
            pool = self.ready.get(number)
            if pool is not None:
                named.setdefault(f"v{number}", self._lane(number, pool))
        if target in named:
            self._ask(named[target], route.shadows, inquiry, done)
            return
        words = f"Variant {target} is not on endpoint {self.desired.name}; there are: {', '.join(sorted(named))}."
        self._excuse(inquiry, done, excuse(Trouble.REFUSED, 400, words))

    def _excuse(self, inquiry: Inquiry, done: Done, reply: Reply) -> None:
        name = inquiry.inference_id or f"{self._around.epoch}-{next(self._named):x}"
        done(Answered(reply=reply, version=None, inference_id=name))

    def _wait(self, inquiry: Inquiry, done: Done) -> None:
        """Keep a request until the first version is loaded, when one is on its way."""
        if not self.is_on_its_way:
            words = f"Endpoint {self.desired.name} cannot answer. {self._reason()}"
            self._excuse(inquiry, done, excuse(Trouble.UNAVAILABLE, 503, words))
        elif not self._early.add(inquiry, done):
            words = f"Endpoint {self.desired.name} is being loaded, and too many requests wait for it already."
            self._excuse(inquiry, done, excuse(Trouble.OVERLOADED, 503, words))

    def _give_up(self, inquiry: Inquiry, done: Done) -> None:
        words = f"Endpoint {self.desired.name} is still being loaded; ask again later."
        self._excuse(inquiry, done, excuse(Trouble.UNAVAILABLE, 503, words))

    def let_in(self) -> None:
        """Have those answered that came before their version was loaded, or tell them that it does not load."""
        if self.route is None and self.is_on_its_way:
            return
        for inquiry, done in self._early.take_all():
            self.dispatch(inquiry, done)

    def end(self) -> None:
        """Tell those that wait for the first version that it does not come any more."""
        for inquiry, done in self._early.take_all():
            self._give_up(inquiry, done)

    def _reason(self) -> str:
        """Say why nothing takes the traffic."""
        if self.refusal is not None:
            return self.refusal
        messages = [self.pools[number].message for number in self.weights if number in self.pools]
        return " ".join(message for message in messages if message) or "No version has been given its traffic yet."

    def set_route(self, weights: Mapping[int, float], shadows: Sequence[int], *, is_partial: bool) -> bool:
        """Give the versions, which are loaded, their shares; False when they have them already."""
        pools = [self.pools[number] for number in [*weights, *shadows]]
        route = self.route
        if route is not None and route.is_partial == is_partial and route.serves(weights, pools):
            return False
        self._count_anew(weights, shadows)
        self.route = Route(
            weights=dict(weights),
            lanes={number: self._lane(number, self.pools[number]) for number in weights},
            turns=turns(weights),
            shadows=tuple(self._shadow(number) for number in shadows),
            is_partial=is_partial,
        )
        return True

    def _count_anew(self, weights: Mapping[int, float], shadows: Sequence[int]) -> None:
        """Let go of what versions did before that are given traffic or copies again.

        Whatever was the matter then, nobody shall be judged by it who comes back.
        """
        route = self.route
        copied = set[int]() if route is None else {shadow.pool.version.version for shadow in route.shadows}
        for number in weights:
            if route is None or number not in route.lanes:
                self._counters.pop(number, None)
        for number in set(shadows) - copied:
            self._copies.pop(number, None)

    def _lane(self, number: int, pool: VersionPool) -> Lane:
        known = None if self.route is None else self.route.lanes.get(number)
        if known is not None and known.pool is pool:
            return known
        counter = self._counters.setdefault(number, Counter(time.monotonic()))
        return Lane(number=number, pool=pool, counter=counter, sampler=self._sampler(pool))

    def _shadow(self, number: int) -> Shadow:
        known = self._copies.get(number)
        if known is not None and known.pool is self.pools[number]:
            return known
        counter = Counter(time.monotonic()) if known is None else known.counter
        self._copies[number] = Shadow(self.pools[number], counter, self._around.comparer)
        return self._copies[number]

    def keep_share(self, share: float | None) -> None:
        """Keep that share of the requests from now on, whichever version answers; None is what each came with."""
        if share != self._share:
            self._share = share
            for lane in () if self.route is None else self.route.lanes.values():
                lane.sampler = self._sampler(lane.pool)

    def _sampler(self, pool: VersionPool) -> Sampler | None:
        share = pool.version.service.capture if self._share is None else self._share
        return Sampler(share) if share > 0 else None

    def look(self) -> None:
        """Let the counters know the time."""
        now = time.monotonic()
        for counter in [*self._counters.values(), *(shadow.counter for shadow in self._copies.values())]:
            counter.look(now)

    def forget(self, number: int) -> None:
        """Let go of the counts of a version that has gone."""
        self._counters.pop(number, None)
        self._copies.pop(number, None)

    def report(self) -> dict[str, Any]:
        """Return what is really served, and what became of the requests."""
        route, moved, capture = self.route, really_moved(self.desired, self.detour), self._around.capture
        shadows = () if route is None else route.shadows
        return {
            "name": self.desired.name,
            "fence": self.desired.fence,
            "turn": self.desired.turn,
            "epoch": self._around.epoch,
            "weights": {} if route is None else {str(version): weight for version, weight in route.weights.items()},
            "shadows": [shadow.pool.version.version for shadow in shadows],
            "champion": self.desired.champion,
            "fallback": self.desired.fallback,
            "moved": None if moved is None else moved_document(moved),
            "refusal": self.refusal,
            "waiting": len(self._early),
            "capture": {} if capture is None else capture.report(self.desired.name),
            "versions": {str(number): self._version(number, pool) for number, pool in self.pools.items()},
        }

    def _version(self, number: int, pool: VersionPool) -> dict[str, Any]:
        counter, copies = self._counters.get(number), self._copies.get(number)
        return {
            "state": pool.state.value,
            "is_healthy": pool.is_healthy,
            "artifact": pool.version.artifact,
            "message": pool.message,
            "processes": pool.processes,
            "workers": pool.workers,
            "queue": pool.queue,
            "under_way": pool.under_way,
            "batches": {str(size): calls for size, calls in pool.batches.items()},
            "restarts": pool.restarts,
            "recycled": pool.recycled,
            "live": None if counter is None else live_numbers(counter),
            "shadow": None
            if copies is None
            else {
                **live_numbers(copies.counter),
                "dropped": copies.dropped,
                "left_out": copies.left_out,
            },
        }
