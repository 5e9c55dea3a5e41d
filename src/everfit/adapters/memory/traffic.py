"""Live traffic of endpoints in this process: what its versions did is told to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from everfit.adapters.memory.endpoints import MemoryEndpoints
from everfit.domain.endpoint import Service
from everfit.domain.errors import RefusedError, RunFailedError
from everfit.domain.live import Losses, Observation, Quality, Tally
from everfit.domain.version import Release


class MemoryTraffic:
    """Implements ``Traffic`` beside *endpoints*, for tests and dry runs."""

    def __init__(self, endpoints: MemoryEndpoints) -> None:
        self._endpoints = endpoints
        self._epoch = 1
        self._totals: dict[str, dict[int, Tally]] = {}
        self._labelled: dict[tuple[str, int], Quality] = {}
        self.is_silent = False
        self.kept = dict[str, Service]()

    def observe(self, name: str) -> Observation | None:
        """Return what was told."""
        endpoint = self._endpoints.desired(name)
        if endpoint is None or self.is_silent:
            return None
        totals = dict(self._totals.get(name, {}))
        return Observation(
            epoch=f"epoch-{self._epoch}",
            weights=dict(endpoint.weights),
            shadows=endpoint.shadows,
            totals=totals,
            recent=totals,
        )

    def split(
        self,
        name: str,
        weights: Mapping[int, float],
        releases: Sequence[Release],
        *,
        shadows: Sequence[int] = (),
        fence: int,
    ) -> None:
        """Give the versions these shares."""
        endpoint = self._endpoints.desired(name)
        held = frozenset[int]() if endpoint is None else endpoint.versions.keys()
        used = [*(number for number, weight in weights.items() if weight), *shadows]
        missing = [number for number in used if number not in held]
        try:
            self._endpoints.split(name, weights, releases, shadows, fence=fence)
        except RefusedError as error:
            if missing:
                raise RunFailedError(f"Version {missing[0]} is not loaded on {name}. Nothing was changed.") from error
            raise

    def quality(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        """Return what was told of labelled rows, whenever they came."""
        del since
        found = {number: self._labelled.get((name, number)) for number in versions}
        return {
            number: Quality(
                rows=quality.rows,
                metrics={metric: quality.metrics.get(metric) for metric in metrics},
                losses=quality.losses,
            )
            for number, quality in found.items()
            if quality is not None
        }

    def keep_requests(self, name: str, service: Service) -> None:
        """Take note of it: there are no requests here."""
        if self._endpoints.desired(name) is not None:
            self.kept[name] = service

    def did(self, name: str, version: int, tally: Tally) -> None:
        """Tell what a version did, besides all that it did before."""
        totals = self._totals.setdefault(name, {})
        totals[version] = totals.get(version, Tally()).plus(tally)

    def answered_well(self, name: str, version: int, rows: int, mae: float) -> None:
        """Tell how far off a version was on rows whose labels have come."""
        losses = Losses(rows=rows, mean=mae, variance=mae * mae / 10)
        self._labelled[name, version] = Quality(rows=rows, metrics={"mae": mae}, losses=losses)

    def restart(self) -> None:
        """Count anew, as a host does that was killed."""
        self._epoch += 1
        self._totals = {}
