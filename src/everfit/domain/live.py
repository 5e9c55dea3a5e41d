"""What an endpoint's versions did with live traffic: counts that can be added, subtracted and asked for quantiles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, log2
from types import MappingProxyType
from typing import Final

RECENT: Final = timedelta(minutes=5)
"""How far back ``Observation.recent`` reaches."""
_SHORTEST: Final = 1e-5
_PER_DOUBLING: Final = 8


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that a latency falls into; each is 9 % wider than the one before."""
    return 0 if seconds <= _SHORTEST else ceil(_PER_DOUBLING * log2(seconds / _SHORTEST))


def upper_bound(bucket: int) -> float:
    """Return the longest latency of the bucket, in seconds."""
    return float(_SHORTEST * 2.0 ** (bucket / _PER_DOUBLING))


def _no_counts() -> Mapping[int, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one version did over some time.

    Args:
        requests: that were answered in whichever way.
        refused: of these, what the version's handlers turned away as the caller's mistake (4xx).
        errors: of these, what the version failed at: raised, crashed, took too long, could not be reached.
        latency: bucket -> answers, errors among them.
        compared: copies of requests that it was given as a shadow and answered.
        disagreed: of these, how many it answered otherwise than the version that the caller was answered by.
    """

    requests: int = 0
    refused: int = 0
    errors: int = 0
    latency: Mapping[int, int] = field(default_factory=_no_counts)
    compared: int = 0
    disagreed: int = 0

    def since(self, earlier: "Tally") -> "Tally":
        """Return what came after *earlier*, which this one goes on from."""
        return self._with(earlier, -1)

    def plus(self, other: "Tally") -> "Tally":
        """Return both together."""
        return self._with(other, 1)

    def _with(self, other: "Tally", sign: int) -> "Tally":
        buckets = {
            bucket: self.latency.get(bucket, 0) + sign * other.latency.get(bucket, 0)
            for bucket in self.latency.keys() | other.latency.keys()
        }
        return Tally(
            requests=self.requests + sign * other.requests,
            refused=self.refused + sign * other.refused,
            errors=self.errors + sign * other.errors,
            latency=MappingProxyType({bucket: count for bucket, count in sorted(buckets.items()) if count}),
            compared=self.compared + sign * other.compared,
            disagreed=self.disagreed + sign * other.disagreed,
        )

    def quantile(self, share: float) -> float | None:
        """Return the latency, in seconds, that *share* of the answers stayed within; None without any answer.

        It is the upper bound of a bucket, so at most 9 % above the exact value.
        """
        wanted, seen = share * sum(self.latency.values()), 0
        for bucket, count in sorted(self.latency.items()):
            seen += count
            if seen >= wanted:
                return upper_bound(bucket)
        return None

    def slower_than(self, seconds: float) -> int:
        """Return how many answers took longer than the bucket that *seconds* falls into."""
        limit = bucket_of(seconds)
        return sum(count for bucket, count in self.latency.items() if bucket > limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Traffic that was moved without the control plane: offline by a person, or by the host away from a crash loop.

    Args:
        before: the version that was left.
        after: the version that takes its traffic.
        actor: a person's name, or ``endpoint host``.
    """

    before: int
    after: int
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an endpoint's host has counted.

    Args:
        epoch: another one whenever counting began anew, as after a restart of the host.
        weights: version -> share of the traffic that it really takes.
        shadows: versions that are given copies.
        totals: version -> what it did since the epoch began.
        recent: version -> what it did in the last ``RECENT``.
        rates: version -> answers in a second now, which is in the last ten; one that is left out is not known.
    """

    epoch: str
    weights: Mapping[int, float]
    shadows: tuple[int, ...] = ()
    totals: Mapping[int, Tally] = field(default_factory=lambda: MappingProxyType({}))
    recent: Mapping[int, Tally] = field(default_factory=lambda: MappingProxyType({}))
    rates: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """How wrong a version was, row by row: absolute errors, or 0 and 1 for right and wrong labels.

    Args:
        variance: of the losses, with ``rows - 1`` in the denominator; 0 for fewer than two rows.
    """

    rows: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good a version's live answers were, on the rows whose labels have come.

    Args:
        metrics: name -> value; None where the rows do not define one.
        losses: None before any label came.
    """

    rows: int
    metrics: Mapping[str, float | None]
    losses: Losses | None = None
