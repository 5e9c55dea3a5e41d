"""Who answers: exact at every moment, and steady for a session."""

from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from everfit.serving.routing import LONGEST_PLAN, Sampler, turns, version_for, whole_parts


@st.composite
def shares(draw: st.DrawFn) -> dict[int, float]:
    """Shares as a person or a program may give them: round ones, thirds, and any at all."""
    count = draw(st.integers(1, 5))
    parts = draw(st.lists(st.integers(1, draw(st.sampled_from([10, 1_000, 2**40]))), min_size=count, max_size=count))
    return {number: part / sum(parts) for number, part in enumerate(parts, start=1)}


@given(shares(), st.integers(1, 3_000))
def test_each_share_is_off_by_less_than_one_request_after_any_number(weights: dict[int, float], most: int) -> None:
    parts = whole_parts(weights)
    whole, counts = sum(parts.values()), dict.fromkeys(weights, 0)
    for number, version in enumerate(islice(turns(weights), most), start=1):
        counts[version] += 1
        for each, count in counts.items():
            assert abs(count * whole - number * parts[each]) < whole


@pytest.mark.parametrize(
    ("weights", "of", "expected"),
    [
        ({1: 0.9, 2: 0.1}, 10_000, {1: 9_000, 2: 1_000}),
        ({1: 1 / 3, 2: 1 / 3, 3: 1 / 3}, 300_000, {1: 100_000, 2: 100_000, 3: 100_000}),
        ({1: 0.999999, 2: 0.000001}, 1_000_000, {1: 999_999, 2: 1}),
        ({1: 0.7, 2: 0.2, 3: 0.1}, 1_000_000, {1: 700_000, 2: 200_000, 3: 100_000}),
        ({1: 1.0}, 10, {1: 10}),
        ({1: 1.0, 2: 0.0}, 10, {1: 10}),
    ],
)
def test_nothing_drifts_over_many_requests(weights: dict[int, float], of: int, expected: dict[int, int]) -> None:
    counts = dict.fromkeys(expected, 0)
    for version in islice(turns(weights), of):
        counts[version] += 1
    assert counts == expected


def test_shares_that_come_round_late_are_as_exact() -> None:
    weights = {1: 1 - 2**-30, 2: 2**-30}
    assert sum(whole_parts(weights).values()) > LONGEST_PLAN
    assert set(islice(turns(weights), 1_000)) == {1}


@given(st.text(max_size=20), shares(), st.floats(0.01, 0.99))
def test_a_growing_share_moves_sessions_only_to_its_version(session: str, weights: dict[int, float], by: float) -> None:
    grown = {version: weight * (1 - by) for version, weight in weights.items()}
    grown[1] += by
    before, after = version_for(session, weights), version_for(session, grown)
    assert after in (before, 1)


@given(st.text(max_size=20))
def test_a_session_is_never_given_to_a_version_without_a_share(session: str) -> None:
    assert version_for(session, {1: 0.0, 2: 1.0, 3: 0.0}) == 2


def test_sessions_are_spread_by_the_shares() -> None:
    found = [version_for(f"caller-{number}", {1: 0.9, 2: 0.1}) for number in range(20_000)]
    # Three standard deviations of a tenth of 20,000 are 127.
    assert abs(found.count(2) - 2_000) < 127


@given(st.fractions(0, 1, max_denominator=1_000), st.integers(0, 2_000))
def test_a_sample_is_an_exact_share(share: Fraction, of: int) -> None:
    assume(share.denominator > 0)
    sampler = Sampler(float(share))
    assert sum(sampler.picks() for _ in range(of)) == int(share * of)
