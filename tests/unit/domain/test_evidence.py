"""Comparisons of a challenger with its champion, which may be looked at all the time."""

from collections.abc import Callable, Iterator
from math import inf, isclose, isfinite, log, nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.evidence import (
    FALSE_ALARMS,
    KINDS,
    Comparison,
    Result,
    Sides,
    compared,
    disagreed,
    quality_compared,
)
from everfit.domain.evidence_sequential import (
    farthest_deviation,
    highest_share,
    is_above,
    is_below,
    normal_tail,
    share_evidence,
    tail,
)
from everfit.domain.live import Losses, Quality, Tally, bucket_of
from tests.unit.domain.rollouts import tally

ALPHA = FALSE_ALARMS / (KINDS * 3)
"""What one comparison has in a canary of two steps."""
Latency = Callable[[Random], float]


def around(median: float) -> Latency:
    return lambda chance: chance.lognormvariate(log(median), 0.3)


def sides(challenger: Tally, champion: Tally, *, are_parallel: bool = True, alpha: float = ALPHA) -> Sides:
    return Sides(challenger=challenger, champion=champion, are_parallel=are_parallel, alpha=alpha)


def named(comparisons: tuple[Comparison, ...]) -> dict[str, Result]:
    return {each.name: each.result for each in comparisons}


class Version:
    """One that answers at random."""

    def __init__(self, errors: float, latency: Latency) -> None:
        self.errors, self.latency, self.counts = errors, latency, Counts()

    def answers(self, requests: int, chance: Random) -> None:
        for _ in range(requests):
            self.counts.requests += 1
            self.counts.errors += chance.random() < self.errors
            bucket = bucket_of(self.latency(chance))
            self.counts.latency[bucket] = self.counts.latency.get(bucket, 0) + 1


class Counts:
    def __init__(self) -> None:
        self.requests, self.errors = 0, 0
        self.latency: dict[int, int] = {}

    def tally(self) -> Tally:
        return Tally(requests=self.requests, errors=self.errors, latency=self.latency)


def looks(
    challenger: Version, champion: Version, share: float, requests: int, chance: Random
) -> Iterator[tuple[int, dict[str, Result]]]:
    """Yield what is found after every 50 requests, with how many of them the challenger has answered."""
    for _ in range(0, requests, 50):
        challenger.answers(round(50 * share), chance)
        champion.answers(50 - round(50 * share), chance)
        yield challenger.counts.requests, named(compared(sides(challenger.counts.tally(), champion.counts.tally())))


def until_worse(
    challenger: Version, champion: Version, share: float, requests: int, chance: Random
) -> tuple[int, str] | None:
    for answered, found in looks(challenger, champion, share, requests, chance):
        worse = [name for name, result in found.items() if result is Result.WORSE]
        if worse:
            return answered, worse[0]
    return None


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_equal_versions_are_hardly_ever_called_worse_however_often_one_looks(share: float) -> None:
    """1,200 looks in all, at forty rollouts of 1,500 requests."""
    chance = Random(11)
    alarms = [
        until_worse(Version(0.02, around(0.02)), Version(0.02, around(0.02)), share, 1500, chance) for _ in range(40)
    ]
    assert [each for each in alarms if each is not None] == []


@pytest.mark.parametrize("share", [0.02, 0.5, 0.01])
def test_a_share_that_is_looked_at_after_every_request_is_wrong_at_most_as_often_as_said(share: float) -> None:
    """With 5 % allowed and 400 looks, a test for one look is wrong many times as often."""
    chance, alpha, wrong, naive = Random(5), 0.05, 0, 0
    for _ in range(200):
        count, is_wrong, is_naive = 0, False, False
        for trials in range(1, 401):
            count += chance.random() < share
            if trials % 4 == 0:
                is_wrong = is_wrong or is_above(count, trials, share, alpha)
                is_naive = is_naive or tail(count, trials, share) < alpha
        wrong, naive = wrong + is_wrong, naive + is_naive
    assert wrong <= alpha * 200
    assert naive > 2 * alpha * 200


@pytest.mark.parametrize(("share", "most"), [(0.1, 200), (0.25, 300), (0.5, 400)])
def test_five_percent_of_errors_are_caught_within_a_few_hundred_requests(share: float, most: int) -> None:
    """Half of the rollouts abort within 300 requests to the challenger, whatever its share."""
    chance = Random(7)
    needed = [
        until_worse(Version(0.05, around(0.02)), Version(0.001, around(0.02)), share, round(900 / share), chance)
        for _ in range(15)
    ]
    caught = sorted(answered for answered, name in filter(None, needed) if name == "errors")
    assert len(caught) == 15
    assert caught[7] <= 300
    assert caught[11] <= most


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_twice_the_latency_is_caught_within_500_requests(share: float) -> None:
    chance = Random(3)
    for _ in range(10):
        slow, usual = Version(0.0, around(0.04)), Version(0.0, around(0.02))
        found = until_worse(slow, usual, share, round(500 / share), chance)
        assert found is not None


def test_a_slow_tail_is_caught_where_the_median_is_the_same() -> None:
    chance = Random(4)
    tailed = Version(0.0, lambda chance: 0.5 if chance.random() < 0.06 else 0.02)
    found = until_worse(tailed, Version(0.0, around(0.02)), 0.25, 6000, chance)
    assert found is not None
    assert found[1] == "latency_p99"


def test_a_millisecond_is_no_alarm() -> None:
    found = named(compared(sides(tally(50_000, seconds=0.0013), tally(50_000, seconds=0.001))))
    assert found == dict.fromkeys(("errors", "latency_p50", "latency_p99"), Result.BETTER_OR_EQUAL)


def test_twice_of_hardly_anything_is_no_alarm() -> None:
    found = named(compared(sides(tally(50_000, seconds=0.0019), tally(50_000, seconds=0.001))))
    assert found["latency_p50"] is Result.BETTER_OR_EQUAL


def test_a_champion_of_few_answers_does_not_know_its_own_slowest() -> None:
    ours = tally(570).plus(tally(30, seconds=0.2))
    assert named(compared(sides(ours, tally(60))))["latency_p99"] is Result.UNCLEAR
    assert named(compared(sides(ours, tally(5400))))["latency_p99"] is Result.WORSE


def test_a_twelfth_more_errors_hold_nobody() -> None:
    found = named(compared(sides(tally(100_000, errors=1085), tally(100_000, errors=1000))))
    assert found["errors"] is Result.BETTER_OR_EQUAL


def test_what_looks_worse_on_few_requests_is_unclear() -> None:
    found = compared(sides(tally(100, errors=3), tally(900, errors=1)))
    assert named(found)["errors"] is Result.UNCLEAR
    assert found[0].words == "errors 3% of 100 against 0.111% of 900"


def test_refused_requests_count_as_errors() -> None:
    ours = Tally(requests=400, refused=60, latency={80: 400})
    assert named(compared(sides(ours, tally(3600))))["errors"] is Result.WORSE


def test_a_rate_that_both_share_is_nobodys_fault() -> None:
    """Callers who send nonsense do so to both versions."""
    found = named(compared(sides(tally(500, errors=250), tally(4500, errors=2250))))
    assert found["errors"] is Result.BETTER_OR_EQUAL


def test_better_is_no_worse() -> None:
    found = named(compared(sides(tally(1000, seconds=0.001), tally(9000, errors=900, seconds=1.0))))
    assert set(found.values()) == {Result.BETTER_OR_EQUAL}


@pytest.mark.parametrize("others", [Tally(), tally(1000)])
def test_nothing_to_compare_is_no_data(others: Tally) -> None:
    assert set(named(compared(sides(Tally(), others))).values()) == {Result.NO_DATA}
    assert set(named(compared(sides(others, Tally()))).values()) == {Result.NO_DATA}


def test_with_all_of_the_traffic_a_challenger_is_held_against_what_the_champion_did_before() -> None:
    before = tally(2000, errors=2)
    for ours, result in ((tally(300, errors=20), Result.WORSE), (tally(3000, errors=3), Result.BETTER_OR_EQUAL)):
        found = compared(sides(ours, before, are_parallel=False))
        assert named(found)["errors"] is result
    # The rate of a hundred requests from before is not known well enough to blame a fifth of errors on the challenger.
    few = compared(sides(tally(100, errors=20), tally(100), are_parallel=False))
    assert named(few)["errors"] is Result.UNCLEAR
    slow = compared(sides(tally(300, seconds=0.04), before, are_parallel=False))
    assert named(slow)["latency_p50"] is Result.WORSE


@pytest.mark.parametrize(
    ("count", "of", "most", "result"),
    [
        (0, 0, 0.01, Result.NO_DATA),
        (2, 1000, 0.01, Result.BETTER_OR_EQUAL),
        (12, 1000, 0.01, Result.UNCLEAR),
        (60, 1000, 0.01, Result.WORSE),
        (1, 1000, 0.0, Result.WORSE),
        (1000, 1000, 1.0, Result.BETTER_OR_EQUAL),
    ],
)
def test_a_shadow_may_disagree_as_often_as_declared(count: int, of: int, most: float, result: Result) -> None:
    assert disagreed(Tally(compared=of, disagreed=count), most, ALPHA).result is result


def labelled(rows: int, mean: float, variance: float = 1.0) -> Quality:
    return Quality(rows=rows, metrics={}, losses=Losses(rows=rows, mean=mean, variance=variance))


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        (None, labelled(500, 1.0), Result.NO_DATA),
        (labelled(29, 9.0), labelled(500, 1.0), Result.NO_DATA),
        (labelled(500, 1.0), Quality(rows=500, metrics={}), Result.NO_DATA),
        (labelled(500, 1.0), labelled(500, 1.0), Result.BETTER_OR_EQUAL),
        (labelled(500, 0.5), labelled(500, 1.0), Result.BETTER_OR_EQUAL),
        (labelled(500, 1.2), labelled(500, 1.0), Result.UNCLEAR),
        (labelled(500, 1.5), labelled(500, 1.0), Result.WORSE),
        (labelled(500, nan), labelled(500, 1.0), Result.UNCLEAR),
        (labelled(500, inf), labelled(500, 1.0), Result.UNCLEAR),
        (labelled(500, 1.0, nan), labelled(500, 1.0), Result.UNCLEAR),
        (labelled(500, 1e300), labelled(500, -1e300), Result.UNCLEAR),
        (labelled(500, 1.0, 1e308), labelled(500, 1.0, 1e308), Result.UNCLEAR),
        (labelled(30, 1.0, 0.0), labelled(30, 0.0, 0.0), Result.WORSE),
        (labelled(30, 0.0, 0.0), labelled(30, 0.0, 0.0), Result.BETTER_OR_EQUAL),
    ],
)
def test_quality_is_compared_on_labelled_rows(ours: Quality | None, theirs: Quality, result: Result) -> None:
    found = quality_compared(ours, theirs, ALPHA)
    assert found.result is result
    assert found.challenger is None or isfinite(found.challenger)


def test_equal_quality_is_not_called_worse_however_often_one_looks() -> None:
    """Losses with a heavy tail, as prices have."""
    chance, alarms = Random(2), 0
    for _ in range(100):
        runs = [Running(), Running()]
        for rows in range(1, 400):
            for each in runs:
                each.add(chance.lognormvariate(0, 1))
            if rows % 10 == 0:
                ours, theirs = (labelled(rows, each.mean, each.variance) for each in runs)
                if quality_compared(ours, theirs, 0.01).result is Result.WORSE:
                    alarms += 1
                    break
    assert alarms <= 1


class Running:
    """Mean and variance by Welford's method."""

    def __init__(self) -> None:
        self.rows, self.mean, self.spread = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        self.rows += 1
        before = value - self.mean
        self.mean += before / self.rows
        self.spread += before * (value - self.mean)

    @property
    def variance(self) -> float:
        return self.spread / max(self.rows - 1, 1)


TRIALS = some.integers(1, 10_000)
SHARES = some.floats(0.001, 0.999)


@given(TRIALS, some.floats(0, 1), SHARES)
def test_more_of_the_same_is_never_less_evidence(trials: int, part: float, share: float) -> None:
    count = int(part * trials)
    assert share_evidence(count, trials, share) <= share_evidence(min(count + 1, trials), trials, share) + 1e-9
    assert not (is_above(count, trials, share, 0.01) and is_below(count, trials, share, 0.01))


@given(TRIALS, some.floats(0, 1), some.sampled_from([0.05, 0.001]))
def test_an_upper_bound_is_above_what_was_measured_and_the_first_to_be_refuted(
    trials: int, part: float, alpha: float
) -> None:
    count = int(part * trials)
    highest = highest_share(count, trials, alpha)
    assert count / trials <= highest <= 1.0
    assert highest == 1.0 or is_below(count, trials, min(highest + 1e-9, 1.0), alpha)


def test_without_any_trial_every_share_is_possible() -> None:
    assert highest_share(0, 0, 0.01) == 1.0
    assert share_evidence(0, 0, 0.5) == 0.0
    assert share_evidence(0, 10, 0.0) == 0.0
    assert share_evidence(1, 10, 0.0) == inf


def exact_tail(count: int, trials: int, share: float) -> float:
    chance, found = (1.0 - share) ** trials, 0.0
    for successes in range(trials + 1):
        found += chance if successes >= count else 0.0
        chance *= (trials - successes) / (successes + 1) * share / (1.0 - share)
    return found


@given(some.integers(1, 60), some.integers(0, 61), some.floats(0.01, 0.99))
def test_a_tail_is_the_sum_of_its_binomial_chances(trials: int, count: int, share: float) -> None:
    assert isclose(tail(count, trials, share), exact_tail(count, trials, share), rel_tol=1e-9, abs_tol=1e-12)


def test_tails_at_the_edges_and_of_many_trials() -> None:
    assert tail(0, 10, 0.5) == tail(3, 10, 1.0) == 1.0
    assert tail(1, 10, 0.0) == tail(11, 10, 0.5) == 0.0
    assert isclose(tail(500_500, 1_000_000, 0.5), normal_tail(0.999), rel_tol=1e-3)
    assert isclose(tail(1_000, 10**9, 1e-6), 0.5042, rel_tol=1e-3)


def test_a_mean_of_more_rows_may_stray_less_far_up_to_a_hundred_or_so() -> None:
    assert farthest_deviation(5, 0.001) > farthest_deviation(100, 0.001) > 3.1
    assert farthest_deviation(10**6, 0.001) > farthest_deviation(100, 0.001)
