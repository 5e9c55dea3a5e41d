"""Which version answers the next request: exact shares by a deterministic interleave, not by chance; pure."""

from collections.abc import Mapping


class Interleave:
    """Chooses versions so that after any number of requests each share is off by less than one request."""

    def __init__(self, weights: Mapping[int, float]) -> None:
        self.weights = dict(weights)
        self._owed = dict.fromkeys(self.weights, 0.0)

    def next(self) -> int:
        """Return the version that is owed the most."""
        for version, weight in self.weights.items():
            self._owed[version] += weight
        chosen = max(self._owed, key=self._owed.__getitem__)
        self._owed[chosen] -= 1
        return chosen
