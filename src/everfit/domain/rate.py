"""How often a caller may call: a bucket of tokens that fills up steadily."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests a second on average, and so many at once after a rest."""

    each_second: float
    at_once: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What a caller has left; ``at`` counts seconds that only grow."""

    left: float
    at: float


def taken(bucket: Bucket | None, rate: Rate, at: float) -> tuple[Bucket, float]:
    """Return the bucket after one more request, and how many seconds too early that request is; 0 lets it through.

    Args:
        bucket: None is the first request of a caller.
    """
    if bucket is None:
        bucket = Bucket(left=rate.at_once, at=at)
    passed = max(0.0, at - bucket.at)
    left = min(rate.at_once, bucket.left + passed * rate.each_second)
    if left >= 1:
        return Bucket(left=left - 1, at=max(at, bucket.at)), 0.0
    return Bucket(left=left, at=max(at, bucket.at)), (1 - left) / rate.each_second
