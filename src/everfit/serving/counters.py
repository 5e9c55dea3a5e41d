"""What versions did with live traffic, counted as it happens: a few additions for each answer, and no object."""

from collections import deque
from collections.abc import Mapping
from math import ceil, log2
from typing import Any, Final

from everfit.domain.live import RECENT, Tally, bucket_of
from everfit.serving.frames import Trouble

SLOT: Final = 10.0
"""Seconds between two looks that what is recent is counted from."""
PACE_LOOKS: Final = 11
LAST_BUCKET: Final = bucket_of(24 * 3600.0)
"""Whatever takes longer than a day is counted here."""


class Counter:
    """Counts what one version did.

    Args:
        now: in seconds of a clock that never jumps; so are all other times here.
    """

    __slots__ = ("_latency", "_looks", "_pace", "compared", "disagreed", "errors", "refused", "requests", "seconds")

    def __init__(self, now: float) -> None:
        self.requests = 0
        self.refused = 0
        self.errors = 0
        self.compared = 0
        self.disagreed = 0
        self.seconds = 0.0
        self._latency = [0] * (LAST_BUCKET + 1)
        self._looks: deque[tuple[float, Tally]] = deque([(now, Tally())])
        self._pace: deque[tuple[float, int]] = deque([(now, 0)], maxlen=PACE_LOOKS)

    def count(self, trouble: Trouble | None, seconds: float) -> None:
        """Count one answer, or what stands in its place."""
        self.requests += 1
        self.seconds += seconds
        if trouble is not None:
            if trouble is Trouble.REFUSED:
                self.refused += 1
            else:
                self.errors += 1
        # As bucket_of, without the cost of a call.
        bucket = ceil(8 * log2(seconds * 1e5)) if seconds > 1e-5 else 0
        self._latency[bucket if bucket < LAST_BUCKET else LAST_BUCKET] += 1

    def count_comparison(self, *, agrees: bool) -> None:
        """Count one comparison with what the caller was answered."""
        self.compared += 1
        self.disagreed += not agrees

    def total(self) -> Tally:
        """Return what was counted since the beginning."""
        return Tally(
            requests=self.requests,
            refused=self.refused,
            errors=self.errors,
            latency={bucket: count for bucket, count in enumerate(self._latency) if count},
            compared=self.compared,
            disagreed=self.disagreed,
        )

    def look(self, now: float) -> None:
        """Remember how things stand, for what will be recent later; is to be called every second."""
        self._pace.append((now, self.requests))
        if now - self._looks[-1][0] >= SLOT:
            self._looks.append((now, self.total()))
        while len(self._looks) > 1 and self._looks[0][0] < now - RECENT.total_seconds():
            self._looks.popleft()

    def recent(self) -> Tally:
        """Return what was counted in the last ``RECENT``."""
        return self.total().since(self._looks[0][1])

    @property
    def rate(self) -> float:
        """Answers in a second, in the last ten seconds."""
        (since, before), (now, requests) = self._pace[0], self._pace[-1]
        return (requests - before) / (now - since) if now > since else 0.0


def tally_document(tally: Tally) -> dict[str, Any]:
    """Return a tally as plain JSON."""
    return {
        "requests": tally.requests,
        "refused": tally.refused,
        "errors": tally.errors,
        "latency": {str(bucket): count for bucket, count in tally.latency.items()},
        "compared": tally.compared,
        "disagreed": tally.disagreed,
    }


def tally_from(document: Mapping[str, Any]) -> Tally:
    """Return the tally that the JSON says."""
    known = dict[str, Any](document)
    return Tally(latency={int(bucket): int(count) for bucket, count in known.pop("latency").items()}, **known)


def live_numbers(counter: Counter) -> dict[str, Any]:
    """Return how a version does, as plain JSON.

    ``totals`` since the counting began and ``recent`` are tallies; ``seconds`` is the time of all answers together,
    ``rate`` the answers in a second, ``p50`` and ``p99`` the latency of the recent ones in seconds, None without any.
    """
    recent = counter.recent()
    return {
        "totals": tally_document(counter.total()),
        "seconds": counter.seconds,
        "recent": tally_document(recent),
        "rate": counter.rate,
        "p50": recent.quantile(0.5),
        "p99": recent.quantile(0.99),
    }
