"""Which versions take an endpoint's requests and copies, as one object that is replaced in one assignment."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from everfit.serving.calls import Inquiry
from everfit.serving.counters import Counter
from everfit.serving.frames import Reply
from everfit.serving.routing import Sampler
from everfit.serving.shadow import Comparer, Shadow
from everfit.serving.version_pool import VersionPool


class Capture(Protocol):
    """Keeps requests with their answers, and holds nobody up."""

    def offer(
        self, endpoint: str, version: int, inquiry: Inquiry, reply: Reply, seconds: float, inference_id: str
    ) -> None:
        """Keep a request with its answer, or drop it.

        Args:
            seconds: from request to answer.
        """
        ...

    def report(self, endpoint: str) -> dict[str, Any]:
        """Return how many requests of the endpoint were captured, and how many dropped for which reason."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all endpoints of a host share.

    Args:
        epoch: of the counting; also how the ids of requests without one begin.
        patience: seconds that a request waits for the first version to be loaded.
    """

    epoch: str
    patience: float
    capture: Capture | None
    comparer: Comparer


@dataclass(slots=True, kw_only=True)
class Lane:
    """A version that takes requests."""

    number: int
    pool: VersionPool
    counter: Counter
    sampler: Sampler | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which versions take an endpoint's requests, and in which shares.

    Args:
        is_partial: whether versions that shall have a share are missing, as they are still being loaded.
    """

    weights: Mapping[int, float]
    lanes: Mapping[int, Lane]
    turns: Iterator[int]
    shadows: tuple[Shadow, ...]
    is_partial: bool

    def serves(self, weights: Mapping[int, float], pools: Collection[VersionPool]) -> bool:
        """Tell whether exactly these take traffic and copies."""
        own = [*(lane.pool for lane in self.lanes.values()), *(shadow.pool for shadow in self.shadows)]
        return dict(self.weights) == dict(weights) and set(own) == set(pools)
