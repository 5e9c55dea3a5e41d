"""Counts of live traffic can be added, subtracted and asked for quantiles."""

from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.live import Tally, bucket_of, upper_bound

COUNTS = some.integers(0, 10**9)
TALLIES = some.builds(
    Tally,
    requests=COUNTS,
    refused=COUNTS,
    errors=COUNTS,
    latency=some.dictionaries(some.integers(0, 200), some.integers(1, 10**6), max_size=8),
    compared=COUNTS,
    disagreed=COUNTS,
)
LATENCIES = some.lists(some.floats(2e-5, 100.0), min_size=1, max_size=60)


def of(latencies: list[float]) -> Tally:
    counts: dict[int, int] = {}
    for each in latencies:
        counts[bucket_of(each)] = counts.get(bucket_of(each), 0) + 1
    return Tally(requests=len(latencies), latency=counts)


@given(TALLIES, TALLIES)
def test_what_came_after_and_what_was_before_are_the_whole(earlier: Tally, later: Tally) -> None:
    assert earlier.plus(later).since(earlier) == later
    assert earlier.plus(later) == later.plus(earlier)
    assert earlier.since(earlier) == Tally()


@given(LATENCIES, some.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_at_most_a_bucket_above_the_exact_one(latencies: list[float], share: float) -> None:
    found = of(latencies).quantile(share)
    exact = sorted(latencies)[-(-int(share * 1000) * len(latencies) // 1000) - 1]
    assert found is not None
    assert exact * (1 - 1e-9) <= found <= exact * 2 ** (1 / 8) * (1 + 1e-9)


@given(LATENCIES, some.floats(2e-5, 100.0))
def test_slower_answers_are_those_beyond_the_bucket(latencies: list[float], limit: float) -> None:
    slower = of(latencies).slower_than(limit)
    assert slower == sum(bucket_of(each) > bucket_of(limit) for each in latencies)
    assert sum(each > upper_bound(bucket_of(limit)) * (1 + 1e-9) for each in latencies) <= slower
    assert slower <= sum(each > limit for each in latencies)


def test_without_an_answer_there_is_no_quantile() -> None:
    assert Tally().quantile(0.5) is None
    assert Tally().slower_than(0.0) == 0


def test_the_shortest_latency_has_a_bucket_of_its_own() -> None:
    assert bucket_of(0.0) == bucket_of(1e-5) == 0
    assert bucket_of(1.1e-5) == 2
