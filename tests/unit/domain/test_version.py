"""How versions move, and which one is the way back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.errors import IllegalMoveError, RefusedError
from everfit.domain.gate import VerdictOutcome
from everfit.domain.retention import reasons_to_stay, removable, unused_artifacts
from everfit.domain.version import (
    TRANSITIONS,
    Placement,
    Served,
    Standing,
    VersionMove,
    check_release,
    last_good,
    moved,
    release,
)
from tests.stored import START, a_placement, a_verdict, a_version, an_approval


def story(*steps: int | tuple[int], environment: str = "production") -> list[Served]:
    """Return the history, newest first, of versions that served; ``(1,)`` is a rollback to version 1."""
    served: list[Served] = []
    for index, step in enumerate(steps):
        since = START + timedelta(hours=index)
        served.append(
            Served(
                model="churn",
                environment=environment,
                version=step if isinstance(step, int) else step[0],
                since=since,
                until=None if index == len(steps) - 1 else since + timedelta(hours=1),
                reason="x",
                actor="ada",
                run=None,
                is_rollback=isinstance(step, tuple),
            )
        )
    return served[::-1]


def test_every_standing_has_its_moves() -> None:
    assert set(TRANSITIONS) == set(Standing)


@given(some.lists(some.sampled_from(VersionMove)))
def test_a_rejected_version_never_moves(moves: list[VersionMove]) -> None:
    for move in moves:
        with pytest.raises(IllegalMoveError):
            moved(Standing.REJECTED, move)


@given(some.sampled_from(VerdictOutcome), some.lists(some.sampled_from(VersionMove), max_size=8))
def test_no_path_of_moves_serves_a_version_that_nobody_approved(
    outcome: VerdictOutcome, moves: list[VersionMove]
) -> None:
    standing = a_placement(a_verdict(outcome)).standing
    done: list[VersionMove] = []
    for move in moves:
        if move in TRANSITIONS[standing]:
            standing = moved(standing, move)
            done.append(move)
    if standing is Standing.SERVING:
        assert outcome is VerdictOutcome.APPROVED or VersionMove.APPROVE in done


def test_the_proof_of_a_pending_version_is_a_persons_approval() -> None:
    pending = a_placement(a_verdict(VerdictOutcome.NEEDS_APPROVAL), version=1)
    with pytest.raises(RefusedError, match="needs approval"):
        release(a_version(number=1), pending)
    forged = replace(pending, standing=Standing.APPROVED)
    with pytest.raises(RefusedError, match="nobody has approved"):
        release(a_version(number=1), forged)
    assert release(a_version(number=1), replace(forged, approval=an_approval())).artifact == "sha256:1"


@pytest.mark.parametrize("standing", [Standing.APPROVED, Standing.SERVING, Standing.RETIRED, Standing.ROLLED_BACK])
def test_a_rejected_version_has_no_proof_however_it_is_said_to_stand(standing: Standing) -> None:
    forged = replace(a_placement(a_verdict(VerdictOutcome.REJECTED), version=1), standing=standing)
    with pytest.raises(RefusedError, match="the gate rejected it"):
        release(a_version(number=1), replace(forged, approval=an_approval()))


def test_a_proof_of_other_bytes_is_no_proof() -> None:
    version, placement = a_version(number=1), a_placement(version=1)
    proof = release(version, placement)
    check_release(proof, version, placement)
    with pytest.raises(RefusedError, match="sha256:9"):
        check_release(replace(proof, artifact="sha256:9"), version, placement)
    with pytest.raises(RefusedError, match="other bytes"):
        release(replace(version, artifact="sha256:9"), placement)


@pytest.mark.parametrize(
    ("served", "good"),
    [
        ((), None),
        ((1,), None),
        ((1, 2), 1),
        ((1, 2, 3), 2),
        ((1, 2, 3, (2,)), 1),
        ((1, 2, 3, (2,), (1,)), None),
        ((1, 2, (1,)), None),
        ((1, 2, (1,), 4), 1),
        ((1, 2, (1,), (2,)), 1),
        ((1, 2, (1,), (2,), (1,)), None),
        ((1, 5, 2, (5,)), 1),
        ((1, 2, (1,), 2, 5), 2),
        ((1, 2, 3, (1,)), 2),
        ((1, 5, 2), 5),
        ((1, 2, 2), 1),
    ],
)
def test_the_way_back_leads_to_the_last_version_that_served(served: tuple[int, ...], good: int | None) -> None:
    """Rollback goes to the last version that *served*, not the newest archived one."""
    history = story(*served)
    assert last_good(history, history[0].version if history else None) == good


histories = some.lists(some.integers(1, 6) | some.tuples(some.integers(1, 6)), max_size=12)


@given(histories)
def test_the_way_back_is_never_the_champion_and_always_served(steps: list[int | tuple[int]]) -> None:
    history = story(*steps)
    champion = history[0].version if history else None
    good = last_good(history, champion)
    assert good is None or (good != champion and good in {served.version for served in history})


@given(histories, histories, some.sets(some.integers(1, 6)), some.integers(0, 8))
def test_what_is_needed_is_never_removed(
    production: list[int | tuple[int]], staging: list[int | tuple[int]], waiting: set[int], keep: int
) -> None:
    there = {"production": story(*production), "staging": story(*staging, environment="staging")}
    history = there["production"] + there["staging"]
    versions = [a_version(number=number) for number in range(1, 7)]
    gone = removable(versions, [pending(number) for number in waiting], history, keep)
    for served in there.values():
        champion = served[0].version if served else None
        assert champion not in gone
        assert last_good(served, champion) not in gone
    assert not waiting & set(gone)
    assert not {version.number for version in versions[max(6 - keep, 0) :]} & set(gone)
    assert list(gone) == sorted(gone)


def pending(number: int) -> Placement:
    return a_placement(a_verdict(VerdictOutcome.NEEDS_APPROVAL), version=number)


def test_what_may_go_goes() -> None:
    versions = [a_version(number=number) for number in range(1, 6)]
    assert removable(versions, [], story(1, 2, 3), keep=0) == (1, 4, 5)
    assert removable(versions, [], story(1, 2, 3), keep=2) == (1,)
    assert removable([], [], [], keep=2) == ()


def test_the_reason_to_stay_is_told() -> None:
    serving = replace(a_placement(version=7), standing=Standing.SERVING, environment="staging")
    reasons = reasons_to_stay([pending(5), serving], story(1, 2))
    assert reasons == {
        1: "it is the one to go back to in production",
        2: "it serves in production",
        5: "it waits for approval in production",
        7: "it serves in staging",
    }


def test_bytes_that_another_version_shares_stay() -> None:
    versions = [a_version(number=1), a_version(number=2, artifact="sha256:2"), a_version(number=3)]
    assert unused_artifacts(versions, {1, 2}) == {"sha256:2"}
