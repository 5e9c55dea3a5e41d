import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain import git_mark
from everfit.domain.errors import RequestError
from everfit.domain.git_mark import (
    MovedBranch,
    Seen,
    look_at_branches,
    look_at_tags,
    seen_from_json,
    seen_to_json,
)

TAGS = st.dictionaries(st.sampled_from(["v1.0.0", "v1.1.0", "vX", "other"]), st.sampled_from(["a" * 40, "b" * 40]))
BRANCHES = st.dictionaries(st.sampled_from(["main", "next"]), st.sampled_from(["a" * 40, "b" * 40]))


def after(branches: dict[str, str], tags: dict[str, str]) -> Seen:
    """Return what a first look remembers, as it comes back from the store."""
    stand = Seen(branches=look_at_branches(Seen(), branches, ["main"])[1], tags=look_at_tags(Seen(), tags, ["v*"])[1])
    return seen_from_json(json.loads(json.dumps(seen_to_json(stand))))


@given(BRANCHES, TAGS)
def test_the_first_look_and_one_at_what_has_not_moved_find_nothing(
    branches: dict[str, str], tags: dict[str, str]
) -> None:
    """Editing fires nothing: what was there before the trigger is taken as it stands."""
    assert look_at_branches(Seen(), branches, ["main"])[0] == []
    assert look_at_tags(Seen(), tags, ["v*"])[0] == []
    seen = after(branches, tags)
    assert look_at_branches(seen, branches, ["main", "next"])[0] == []
    assert look_at_tags(seen, tags, ["v*", "other*"])[0] == []


@given(TAGS, TAGS)
def test_each_tag_that_is_new_or_moved_is_found_once(before: dict[str, str], now: dict[str, str]) -> None:
    moved, _ = look_at_tags(after({}, before), now, ["v*"])
    expected = {tag for tag, commit in now.items() if tag.startswith("v") and before.get(tag) != commit}
    assert sorted(each.tag for each in moved) == sorted(expected)


def test_tags_come_in_the_order_of_their_releases() -> None:
    now = {"v1.10.0": "a", "v1.9.0": "b", "v1.9.0-rc.1": "c", "vX": "d"}
    assert [each.tag for each in look_at_tags(after({}, {}), now, ["v*"])[0]] == [
        "vX",
        "v1.9.0-rc.1",
        "v1.9.0",
        "v1.10.0",
    ]


def test_a_branch_that_appears_is_found_and_one_that_goes_away_is_not() -> None:
    assert look_at_branches(after({}, {}), {"main": "b"}, ["main"])[0] == [
        MovedBranch(branch="main", old=None, new="b")
    ]
    assert look_at_branches(after({"main": "a"}, {}), {}, ["main"])[0] == []
    moved = MovedBranch(branch="main", old="a", new="b")
    assert look_at_branches(after({"main": "a"}, {}), {"main": "b"}, ["main"])[0] == [moved]


def test_what_cannot_be_read_counts_as_never_seen() -> None:
    assert seen_from_json({"branches": 3, "tags": None}) == Seen()


def test_more_tags_than_can_be_remembered_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_mark, "MOST_TAGS", 2)
    with pytest.raises(RequestError, match="narrower pattern"):
        look_at_tags(Seen(), {"v1": "a", "v2": "a", "v3": "a"}, ["v*"])
