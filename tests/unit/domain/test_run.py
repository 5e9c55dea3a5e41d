"""How a run moves, its leases, and its results."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.errors import IllegalMoveError, RunFailedError
from everfit.domain.lease import Lease, is_free, is_reserved, lost_message, rebased, renewed, taken
from everfit.domain.record import from_plain, instant, to_plain
from everfit.domain.result import LARGEST_RESULT, read, written
from everfit.domain.run import TRANSITIONS, Outcome, RunMove, RunState, StepOutcome, claimed, ended, started_again
from everfit.domain.trigger import EventEnd, end_of_event
from tests.stored import START, a_run, a_verdict

LENGTH = timedelta(seconds=30)
outcomes = some.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.NEEDS_APPROVAL])
moments = some.integers(-10_000, 10_000).map(lambda seconds: START + timedelta(seconds=seconds))


def test_every_state_has_its_moves() -> None:
    assert set(TRANSITIONS) == set(RunState)


@given(some.lists(some.sampled_from(RunMove)), outcomes)
def test_a_finished_run_never_moves(moves: list[RunMove], outcome: Outcome) -> None:
    run = ended(a_run(), outcome, "the reason", None, START)
    for move in moves:
        with pytest.raises(IllegalMoveError, match=r"run-1 is ended"):
            run.after(move)


@given(some.lists(some.sampled_from(RunMove), max_size=10))
def test_a_run_is_queued_only_before_its_first_move(moves: list[RunMove]) -> None:
    run = a_run()
    for move in moves:
        if move in TRANSITIONS[run.state]:
            run = run.after(move)
            assert run.state is not RunState.QUEUED


@given(outcomes)
def test_an_event_ends_with_its_run_and_never_stays_pending(outcome: Outcome) -> None:
    first, other = end_of_event(outcome, is_first=True), end_of_event(outcome, is_first=False)
    assert EventEnd.PENDING not in (first, other)
    assert (first is EventEnd.RAN) == (other is EventEnd.MERGED)


def test_a_claim_clears_what_the_run_waited_for() -> None:
    run = claimed(a_run(), fence=4)
    assert (run.state, run.fence, run.waits_for, run.outcome) == (RunState.RUNNING, 4, None, None)


def test_attempts_are_counted() -> None:
    first = started_again(None, "train", START)
    assert (first.attempt, started_again(first, "train", START).attempt) == (1, 2)
    assert first.outcome is StepOutcome.STARTED


# Leases


@given(some.lists(moments, min_size=1, max_size=10))
def test_the_fence_grows_whatever_the_clock_does(times: list[datetime]) -> None:
    lease: Lease | None = None
    for number, now in enumerate(times, start=1):
        lease = taken(lease, "worker", f"run-{number}", now, LENGTH)
        assert lease.fence == number


def test_a_place_is_reserved_for_one_run_of_one_owner() -> None:
    reserved = taken(None, "worker", "run-1", START, LENGTH)
    assert is_reserved(reserved, "worker", "run-1")
    assert not is_reserved(reserved, "another", "run-1")
    assert not is_reserved(reserved, "worker", "run-2")
    assert not is_reserved(taken(None, "worker", None, START, LENGTH), "worker", None)


@given(moments, moments)
def test_a_lease_seen_by_any_clock_ends_at_most_one_length_later(start: datetime, now: datetime) -> None:
    lease = rebased(taken(None, "worker", None, start, LENGTH), now)
    assert is_free(lease, now + LENGTH)
    assert now >= start + LENGTH or not is_free(lease, now)


def test_renewing_keeps_the_fence_and_since() -> None:
    lease = taken(None, "worker", "run-1", START, LENGTH)
    later = renewed(lease, START + LENGTH, LENGTH)
    assert (later.fence, later.since, later.expires) == (1, START, START + 2 * LENGTH)


def test_a_lost_claim_says_what_took_its_place() -> None:
    lease = taken(taken(None, "one", None, START, LENGTH), "two", None, START, LENGTH)
    assert "fence is 1, fence 2 holds it now" in lost_message(lease, 1, "churn", "production")
    assert "nobody holds it" in lost_message(None, 1, "churn", "production")


# Results and records


values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=10,
)


@given(some.dictionaries(some.text(), values, max_size=4))
def test_a_result_is_read_as_it_was_written(result: dict[str, object]) -> None:
    assert read(written("train", result)) == result


def test_a_result_is_bounded_in_bytes_not_in_letters() -> None:
    fits = "x" * (LARGEST_RESULT - len('{"a":""}'))
    assert read(written("train", {"a": fits})) == {"a": fits}
    with pytest.raises(RunFailedError, match="1,000,001 bytes"):
        written("train", {"a": fits + "x"})
    with pytest.raises(RunFailedError, match="as files"):
        written("train", {"a": "ß" * (LARGEST_RESULT // 2)})


def test_a_result_that_holds_itself_is_refused() -> None:
    result: dict[str, object] = {}
    result["self"] = result
    with pytest.raises(RunFailedError, match="not JSON"):
        written("train", result)


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    colour: Colour
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaves: tuple[Leaf, ...]
    best: Leaf | None = None
    words: dict[str, object]
    value: int | str = 0


def test_a_value_survives_as_plain_json() -> None:
    tree = Tree(leaves=(Leaf(colour=Colour.RED, at=START),), best=Leaf(colour=Colour.RED), words={"a": [1]}, value="x")
    assert from_plain(Tree, to_plain(tree)) == tree
    assert from_plain(type(a_verdict()), to_plain(a_verdict())) == a_verdict()


def test_a_newer_release_reads_what_an_older_one_wrote() -> None:
    assert from_plain(Leaf, {"colour": "red", "since removed": 1}) == Leaf(colour=Colour.RED)


def test_moments_sort_as_text_and_need_a_time_zone() -> None:
    east = timezone(timedelta(hours=5))
    assert instant(START.astimezone(east)) == instant(START) < instant(START + timedelta(microseconds=1))
    with pytest.raises(ValueError, match="time zone"):
        instant(START.replace(tzinfo=None))
