"""What the events of a run ask for together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.trigger import TriggerEvent, Wish
from everfit.domain.wish import detail_of, together, wish_of
from tests.stored import an_event

names = some.none() | some.sampled_from(["abc", "def"])
wishes = some.builds(
    Wish,
    force=some.booleans(),
    accept_schema=some.booleans(),
    promote=some.none() | some.integers(1, 3),
    hold=some.booleans(),
    commit=names,
)
details = wishes.map(detail_of)


def asking(details: Sequence[Mapping[str, object]]) -> list[TriggerEvent]:
    return [replace(an_event(f"event-{number}"), detail=detail) for number, detail in enumerate(details)]


@given(newer=some.lists(details, max_size=3), older=some.lists(details, max_size=3))
def test_read_in_pages_or_at_once_they_ask_for_the_same(
    newer: list[Mapping[str, object]], older: list[Mapping[str, object]]
) -> None:
    assert together(wish_of(asking(newer)), wish_of(asking(older))) == wish_of(asking([*newer, *older]))


@given(wish=wishes)
def test_a_wish_survives_as_the_detail_of_an_event(wish: Wish) -> None:
    assert wish_of(asking([detail_of(wish)])) == wish


def test_a_release_is_that_of_the_commit_that_is_taken() -> None:
    newer, older = {"commit": "new"}, {"commit": "old", "release": "0.1.0"}
    assert wish_of(asking([newer, older])) == Wish(commit="new")


def test_nothing_is_asked_for_by_nobody() -> None:
    assert (wish_of([]), detail_of(Wish())) == (Wish(), {})
