from datetime import timedelta
from itertools import count, pairwise

import pytest

from everfit.application.sources.watched_repository import GLANCE, LONGEST_PAUSE, TOLD_AFTER
from everfit.domain.trigger import TriggerKind
from tests.fakes import Killed
from tests.git_projects import GITHUB, ONE, THREE, TWO, GitWatch, a_workspace
from tests.stored import MINUTE, START


@pytest.fixture
def watch() -> GitWatch:
    """A source that has looked once."""
    made = GitWatch()
    made.look()
    return made


def test_what_is_there_at_the_first_look_starts_nothing() -> None:
    watch = GitWatch()
    watch.repository.tags = {"staging-v1.0.0": ONE}
    watch.look()
    watch.look()
    assert watch.inbox.accepted == []


def test_a_push_is_accepted_once(watch: GitWatch) -> None:
    watch.repository.branches["main"] = TWO
    watch.look()
    watch.look()
    (event,) = watch.inbox.accepted
    assert (event.id, event.kind, event.environment) == (f"push:{GITHUB}:main:{TWO}", TriggerKind.PUSH, "staging")
    assert event.detail["commit"] == TWO


def test_a_tag_goes_to_its_environment_with_its_release(watch: GitWatch) -> None:
    watch.repository.tags["production-v0.1.2"] = TWO
    watch.look()
    (event,) = watch.inbox.accepted
    assert (event.environment, event.detail["release"]) == ("production", "0.1.2")


def test_a_moved_tag_is_accepted_anew_and_a_deleted_one_does_nothing(watch: GitWatch) -> None:
    for commit in (ONE, TWO):
        watch.repository.tags["staging-v1.0.0"] = commit
        watch.look()
    watch.repository.tags.clear()
    watch.look()
    assert [commit for _, _, commit in watch.inbox.started] == [ONE, TWO]


def test_a_tag_without_a_version_is_written_down_as_refused(watch: GitWatch) -> None:
    watch.repository.tags["staging-vX"] = TWO
    watch.look()
    assert watch.inbox.accepted == []
    assert watch.inbox.refused == [f"tag:{GITHUB}:staging-vX:{TWO}"]


def test_paths_are_asked_for_only_where_a_trigger_names_some(watch: GitWatch) -> None:
    watch.repository.paths = frozenset({"README.md"})
    watch.repository.branches["main"] = TWO
    watch.look()
    assert watch.repository.calls[-1] == "changed 1 2"
    assert watch.inbox.accepted == []
    other = GitWatch(a_workspace(triggers=[{"push": {}}]))
    other.look()
    other.repository.branches["main"] = TWO
    other.look()
    assert not any(call.startswith("changed") for call in other.repository.calls)
    assert len(other.inbox.accepted) == 2


def test_paths_that_can_no_longer_be_known_count(watch: GitWatch) -> None:
    watch.repository.paths = None
    watch.repository.branches["main"] = TWO
    watch.look()
    assert len(watch.inbox.accepted) == 1


def test_what_came_while_the_service_was_stopped_is_found(watch: GitWatch) -> None:
    watch.repository.branches["main"], watch.repository.tags["staging-v1.0.0"] = TWO, THREE
    watch.restart()
    watch.look()
    assert [commit for _, _, commit in watch.inbox.started] == [TWO, THREE]


def test_a_changed_pattern_does_not_start_runs_for_old_tags(watch: GitWatch) -> None:
    """Editing fires nothing."""
    watch.repository.tags["canary-v1.0.0"] = ONE
    watch.look()
    watch.source.keep([a_workspace(environments={"staging": {"tag": "canary-v*"}}, triggers=[{"api": True}])])
    watch.look()
    watch.repository.tags["canary-v1.0.1"] = TWO
    watch.look()
    assert [commit for _, _, commit in watch.inbox.started] == [TWO]


def test_a_repository_of_a_thousand_models_is_asked_once() -> None:
    watch = GitWatch(*(a_workspace(f"model-{number}", triggers=[{"push": {}}]) for number in range(1000)))
    watch.look()
    watch.repository.branches["main"] = TWO
    watch.look()
    assert watch.repository.calls == ["refs", "refs"]
    assert len(watch.inbox.accepted) == 2000


def test_each_kill_loses_nothing_and_starts_nothing_twice() -> None:
    """A kill between the look at the repository and the accepting of what was found."""
    for call in count(1):
        watch = GitWatch()
        watch.look()
        watch.repository.branches["main"] = TWO
        watch.repository.tags |= {"staging-v1.0.0": TWO, "staging-vX": TWO}
        watch.fuse.left, watch.fuse.after = call, bool(call % 2)
        try:
            watch.look()
        except Killed:
            watch.fuse.left = None
            watch.restart()
            watch.look(watch.now + MINUTE)
            assert [environment for _, environment, _ in watch.inbox.started] == ["staging", "staging"]
            assert len(watch.inbox.refused) == 1
            continue
        return


def test_a_repository_that_does_not_answer_is_told_of_once_and_when_it_answers_again(watch: GitWatch) -> None:
    watch.repository.is_down = True
    for _ in range(TOLD_AFTER - 1):
        watch.look()
    assert watch.outbox.told == []
    for _ in range(6):
        watch.look()
    watch.restart()
    watch.look()
    watch.repository.is_down = False
    watch.repository.branches["main"] = TWO
    for _ in range(2):
        watch.look()
    kinds = [kind for kind, _ in watch.outbox.told]
    assert kinds == ["trouble", "recovered"]
    assert len(watch.inbox.accepted) == 1


def test_a_network_that_stumbles_now_and_then_is_not_told_of(watch: GitWatch) -> None:
    for _ in range(2 * TOLD_AFTER):
        watch.repository.is_down = not watch.repository.is_down
        watch.look()
    assert watch.outbox.told == []


def test_a_repository_that_does_not_answer_is_asked_less_and_less_often(watch: GitWatch) -> None:
    watch.repository.is_down = True
    times = [watch.look() for _ in range(8)]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert sorted(pauses) == pauses
    assert max(pauses) <= LONGEST_PAUSE


def test_a_folder_is_looked_at_only_when_it_has_changed_and_now_and_then(watch: GitWatch) -> None:
    watch.repository.signature = "a"
    watch.look()
    assert watch.look() == watch.look() - GLANCE
    asked = len(watch.repository.calls)
    watch.look()
    assert len(watch.repository.calls) == asked
    watch.repository.signature, watch.repository.branches["main"] = "b", TWO
    watch.look()
    assert len(watch.inbox.accepted) == 1
    watch.repository.branches["main"] = THREE
    watch.look(watch.now + LONGEST_PAUSE)
    assert len(watch.inbox.accepted) == 2


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(days=1)])
def test_a_clock_that_jumps_stops_no_look(watch: GitWatch, jump: timedelta) -> None:
    """Clock set back an hour and forward a day."""
    watch.repository.branches["main"] = TWO
    due = watch.look(START + jump)
    assert len(watch.inbox.accepted) == 1
    assert due <= START + jump + MINUTE


def test_a_project_without_a_repository_is_told_of_and_the_others_are_looked_at() -> None:
    watch = GitWatch(a_workspace("lost"), a_workspace("house"))
    watch.repository.lost = "lost"
    watch.look()
    watch.repository.branches["main"] = TWO
    watch.look()
    assert watch.outbox.told == [("trouble", "lost lies in no git repository")]
    assert [model for model, _, _ in watch.inbox.started] == ["house"]


def test_no_password_is_told(watch: GitWatch) -> None:
    watch.repository.is_down = True
    for _ in range(TOLD_AFTER):
        watch.look()
    assert "s3cret" not in str(watch.outbox.noted)
    assert "s3cret" not in str(watch.inbox.marks(""))
