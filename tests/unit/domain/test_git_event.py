from dataclasses import replace

import pytest

from everfit.domain.git_event import Change, Dispatched, Noticed, Pushed, Tagged, events_of
from everfit.domain.project import Project
from everfit.domain.release_name import named
from everfit.domain.trigger import TriggerKind
from tests.project_example import node_of, read_tree, with_keys
from tests.stored import START

COMMIT = "a" * 40
PROJECT = read_tree(
    node_of(
        with_keys(
            environments={"staging": {"tag": "staging-v*"}, "production": {"tag": "production-v*"}},
            triggers=[
                {"push": {"branch": "main", "paths": ["src/**", "train.py"]}, "environments": ["staging"]},
                {"event": {"source": "github", "type": "new-images"}},
            ],
        )
    )
)


def pushed(*paths: str, branch: str = "main", known: bool = True) -> Pushed:
    changed = frozenset(paths) if known else None
    return Pushed(repository="github.com/o/r", actor="mona", at=START, branch=branch, commit=COMMIT, paths=changed)


def tagged(tag: str, commit: str = COMMIT) -> Tagged:
    return Tagged(repository="github.com/o/r", actor="mona", at=START, tag=tag, commit=commit)


def found(change: Change, project: Project = PROJECT, folder: str = "") -> list[tuple[str, str | None]]:
    return [(each.event.environment, each.refusal) for each in events_of(change, project, folder)]


def only(change: Change) -> Noticed:
    (noticed,) = events_of(change, PROJECT, "")
    return noticed


def test_a_tag_starts_a_run_in_its_environment_alone() -> None:
    """A tag that matches no environment does nothing; staging's tag never touches production."""
    event = only(tagged("staging-v0.1.2")).event
    assert (event.environment, event.kind) == ("staging", TriggerKind.TAG)
    assert (event.detail["release"], event.detail["commit"]) == ("0.1.2", COMMIT)
    assert found(tagged("production-v0.1.2")) == [("production", None)]
    assert found(tagged("v0.1.2")) == []


def test_a_tag_without_a_version_is_refused_with_the_reason() -> None:
    """A tag staging-recommender-vX is recorded as skipped with the reason."""
    noticed = only(tagged("staging-vX"))
    assert noticed.refusal is not None
    assert "the tag staging-vX fits staging-v* but holds no version: 'X' is" in noticed.refusal
    assert "release" not in noticed.event.detail


def test_a_moved_tag_is_another_event_and_a_repeated_one_is_not() -> None:
    once, again, moved = (only(tagged("staging-v1.0.0", commit)).event.id for commit in (COMMIT, COMMIT, "b" * 40))
    assert once == again == f"tag:github.com/o/r:staging-v1.0.0:{COMMIT}"
    assert moved != once


def test_the_way_by_which_it_came_does_not_change_the_id_of_an_event() -> None:
    by_look, by_webhook = pushed("train.py"), replace(pushed("train.py"), delivery="72d3162e", actor="other")
    assert only(by_look).event.id == only(by_webhook).event.id
    assert only(by_webhook).event.detail["delivery"] == "72d3162e"


@pytest.mark.parametrize(
    ("change", "starts"),
    [
        (pushed("train.py"), True),
        (pushed("README.md", "src/a.py"), True),
        (pushed("README.md"), False),
        (pushed(), False),
        (pushed(known=False), True),
        (pushed("train.py", branch="other"), False),
    ],
)
def test_a_push_counts_when_a_path_fits_or_nobody_knows_the_paths(change: Pushed, starts: bool) -> None:
    assert found(change) == ([("staging", None)] if starts else [])


def test_paths_are_those_of_the_project_in_a_repository_of_many() -> None:
    assert found(pushed("models/a/train.py"), folder="models/a") == [("staging", None)]
    assert found(pushed("train.py"), folder="models/a") == []


def test_two_triggers_that_fit_one_push_make_one_event() -> None:
    triggers = [{"push": {}}, {"push": {"paths": ["src/**"]}}]
    project = read_tree(node_of(with_keys(triggers=triggers)))
    assert found(pushed("src/a.py"), project) == [("production", None)]


def test_a_dispatch_is_an_event_of_its_type() -> None:
    change = Dispatched(repository="github.com/o/r", actor="mona", at=START, id="7", action="new-images", payload={})
    assert found(change) == [("staging", None), ("production", None)]
    assert found(replace(change, action="other")) == []


def test_a_commit_is_named_in_words() -> None:
    assert named(COMMIT, "0.1.2") == "v0.1.2 at aaaaaaa"
    assert (named(COMMIT, None), named(None, None), named(None, "1.0.0")) == ("aaaaaaa", None, "v1.0.0")
