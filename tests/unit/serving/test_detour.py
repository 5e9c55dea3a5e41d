"""Where the traffic of a version goes that cannot go on, whatever was wished before and whatever else is ill."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.live import Moved
from everfit.serving.desired import DesiredEndpoint, objection
from everfit.serving.detour import Detour, Illness, detour_around, read_detours, really_moved, write_detours
from tests.unit.serving.test_desired import NUMBERS, proof, version, wishes

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def ill(number: int) -> Illness:
    return Illness(version=number, reason=f"Version {number} crashes.", at=NOW)


def endpoint(*, weights: dict[int, float], back: int | None = None, champion: int | None = None) -> DesiredEndpoint:
    """An endpoint that holds versions 1 to 4, all of them released."""
    held = DesiredEndpoint(name="solar")
    for number in range(1, 5):
        held = held.with_version(version(number))
    shown = [proof(number) for number in range(1, 5)]
    for number in range(1, 5):
        held = held.with_weights({number: 1.0}, shown)
    if champion is not None:
        held = held.with_weights({champion: 1.0}, shown).settled([1, 2, 3, 4], back)
    return held.with_weights(weights, shown)


def test_the_others_take_it_in_their_proportion() -> None:
    found = detour_around(ill(3), endpoint(weights={1: 0.6, 2: 0.2, 3: 0.2}), None, [1, 2, 3])
    assert found is not None
    assert found.weights == {1: 0.6 / 0.8, 2: 0.2 / 0.8}
    assert (found.moved.before, found.moved.after) == (3, 1)


def test_the_fallback_takes_it_when_there_are_no_others() -> None:
    found = detour_around(ill(2), endpoint(weights={2: 1.0}, champion=2, back=1), None, [1, 2, 3])
    assert found is not None
    assert found.weights == {1: 1.0}


def test_in_the_last_step_of_a_rollout_the_champion_takes_it() -> None:
    found = detour_around(ill(3), endpoint(weights={3: 1.0}, champion=2, back=1), None, [1, 2])
    assert found is not None
    assert found.weights == {2: 1.0}


def test_one_after_the_other_until_none_is_left() -> None:
    desired = endpoint(weights={3: 1.0}, champion=2, back=1)
    first = detour_around(ill(3), desired, None, [1, 2])
    second = detour_around(ill(2), desired, first, [1, 3])
    assert second is not None
    assert (second.weights, second.left) == ({1: 1.0}, (3, 2))
    assert detour_around(ill(1), desired, second, [2, 3]) is None


def test_what_a_person_left_is_not_gone_back_to_unasked() -> None:
    desired = endpoint(weights={2: 1.0}, champion=2, back=1)
    left = desired.left_for(Moved(before=2, after=1, actor="ann", reason="nonsense", at=NOW))
    assert detour_around(ill(1), left, None, [1, 2, 3]) is None
    assert left.ways_back == ()


@given(wishes(), st.lists(NUMBERS, max_size=4), st.sets(NUMBERS), st.integers(1, 4), NUMBERS)
def test_wherever_it_leads_the_bytes_there_are_released(
    desired: DesiredEndpoint, crashing: list[int], able: set[int], back: int, champion: int
) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    desired = replace(desired, fallback=back, champion=champion)
    taken: Detour | None = None
    for number in crashing:
        found = detour_around(ill(number), desired, taken, able)
        if found is None:
            continue
        assert found.holds(desired)
        assert set(found.weights) <= able - set(found.left)
        assert objection(replace(desired, weights=found.weights)) is None
        taken = found


def test_it_ends_with_the_next_shares_even_when_they_are_the_same() -> None:
    desired = endpoint(weights={2: 1.0}, champion=2, back=1)
    found = detour_around(ill(2), desired, None, [1])
    assert found is not None
    assert really_moved(desired, found) == found.moved
    assert really_moved(desired.claimed(9).with_version(version(3)), found) == found.moved
    assert really_moved(desired.with_weights({2: 1.0}, [proof(2)]).renewed(), found) is None
    assert really_moved(desired.with_weights({3: 1.0}, [proof(3)]), found) is None


def test_what_is_written_is_read_again_and_damage_is_no_detour(tmp_path: Path) -> None:
    found = detour_around(ill(3), endpoint(weights={1: 0.75, 3: 0.25}), None, [1])
    assert found is not None
    write_detours(tmp_path, {"solar": found})
    assert read_detours(tmp_path) == {"solar": found}
    for damaged in ("", "{", "[]", '{"solar": {}}', '{"solar": 1}'):
        (tmp_path / "moved.json").write_text(damaged)
        assert read_detours(tmp_path) == {}
