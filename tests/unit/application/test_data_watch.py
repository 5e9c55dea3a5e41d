"""What a watch on data promises."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.application.ports.listings import Listing
from everfit.application.sources.data_targets import next_turn
from everfit.domain.errors import BackendError
from everfit.domain.gate import ApprovalPolicy
from everfit.domain.project import Data, Format
from everfit.domain.run import Outcome
from everfit.domain.snapshot import FileEntry, snapshot_of
from everfit.domain.trigger import Amount
from everfit.domain.triggers import Pace
from tests.stored import START, a_run
from tests.watching import Watched

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.fixture
def known(watched: Watched) -> Watched:
    """A project whose two files were reported."""
    watched.write("a.csv")
    watched.write("b/c.csv")
    watched.settle()
    watched.pass_over()
    return watched


def test_the_first_data_of_a_model_that_was_never_trained_is_reported_once(watched: Watched) -> None:
    watched.settle()
    assert watched.subjects == []
    watched.write("a.csv")
    watched.settle()
    watched.settle()
    assert watched.subjects == ["1 file new"]


def test_new_replaced_and_deleted_files_are_one_event(known: Watched) -> None:
    known.write("d.csv")
    known.write("a.csv", "x,y\n1,2\n3,4\n")
    (known.data / "b" / "c.csv").unlink()
    known.settle()
    assert known.subjects == ["1 file new, 1 replaced, 1 deleted"]
    assert known.amount == Amount(files=3, bytes=8 + 4)
    assert known.accepted[0].detail["examples"] == ["a.csv", "b/c.csv", "d.csv"]


def test_a_replacement_of_the_same_size_counts(known: Watched) -> None:
    known.write("a.csv", "x,y\n3,4\n")
    known.touch("a.csv", 1)
    known.settle()
    assert known.subjects == ["1 file replaced"]


def test_a_change_is_found_without_any_event_of_the_file_system(known: Watched) -> None:
    known.write("d.csv")
    known.look(10 * MINUTE)
    known.look(2 * SECOND)
    assert known.subjects == ["1 file new"]


def test_a_change_during_the_settle_time_starts_it_anew(known: Watched) -> None:
    known.write("d.csv")
    known.folders.hints.add(known.source)
    known.look()
    known.write("e.csv")
    known.look(2 * SECOND)
    assert known.subjects == []
    known.look(2 * SECOND)
    assert known.subjects == ["2 files new"]


def test_a_file_that_goes_on_growing_does_not_hold_back_the_others(known: Watched) -> None:
    known.folders.hints.add(known.source)
    known.write("done.csv")
    for second in range(0, 70, 2):
        known.write("growing.csv", "x" * (second + 1))
        known.look(2 * SECOND)
    assert known.subjects == ["1 file new"]
    assert known.accepted[0].detail["examples"] == ["done.csv"]


def test_a_file_that_grows_for_ever_is_reported_at_last(known: Watched) -> None:
    known.folders.hints.add(known.source)
    for minute in range(70):
        known.write("log.csv", "x" * (minute + 1))
        known.look(MINUTE)
    assert known.subjects == ["1 file new"]


def test_with_no_quiet_time_nothing_is_waited_for(watched: Watched) -> None:
    watched.trigger = replace(watched.trigger, pace=Pace())
    watched.watch = watched.started()
    watched.write("a.csv")
    watched.look()
    assert watched.subjects == ["1 file new"]


def test_the_same_change_after_one_back_is_another_event(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.listings = BySize(watched.listings)
    watched.watch = watched.started()
    watched.write("a.csv")
    watched.settle()
    for _ in range(2):
        watched.write("b.csv")
        watched.settle()
        (watched.data / "b.csv").unlink()
        watched.settle()
    assert watched.subjects == ["1 file new", *["1 file new", "1 file deleted"] * 2]


class BySize:
    """Listings of a storage that tells no more than sizes."""

    def __init__(self, listings: Any) -> None:
        self._listings = listings

    def take(self, source: str) -> Listing:
        listing = self._listings.take(source)
        files = self._listings.files(listing.digest)
        kept: Listing = self._listings.keep(replace(file, mark="") for file in files)
        return kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listings, name)


def test_a_restart_reports_what_changed_meanwhile_and_nothing_twice(known: Watched) -> None:
    known.write("d.csv")
    known.watch = known.started()
    known.settle()
    known.watch = known.started()
    known.settle()
    assert known.subjects == ["1 file new"]


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_kill_at_any_moment_loses_no_change_and_reports_none_twice(tmp_path: Path, after: bool) -> None:
    call, was_killed = 0, True
    while was_killed:
        call += 1
        folder = tmp_path / str(call)
        folder.mkdir()
        watched = Watched(folder)
        watched.write("a.csv")
        watched.settle()
        watched.write("b.csv")
        was_killed = watched.world.killed_at(call, after=after, act=watched.settle)
        watched.watch = watched.started()
        watched.settle()
        assert watched.subjects == ["1 file new", "1 file new"], call
    assert call > 5


def test_what_a_run_has_learnt_from_is_no_news(watched: Watched) -> None:
    watched.write("a.csv")
    learnt(watched, "a.csv")
    watched.settle()
    assert watched.subjects == []
    watched.write("a.csv", "x,y\n3,4\n")
    watched.touch("a.csv", 1)
    watched.settle()
    assert watched.subjects == ["1 file replaced"]


def test_what_came_after_the_last_run_and_before_the_watch_is_news(watched: Watched) -> None:
    watched.write("a.csv")
    learnt(watched, "a.csv")
    watched.write("b.csv")
    watched.settle()
    assert watched.subjects == ["1 file new"]


def test_a_failed_run_has_learnt_from_nothing(watched: Watched) -> None:
    watched.write("a.csv")
    learnt(watched, "a.csv", Outcome.FAILED)
    watched.settle()
    assert watched.subjects == ["1 file new"]


def learnt(watched: Watched, path: str, outcome: Outcome = Outcome.DEPLOYED) -> None:
    """Have a run of the project end that learnt from the file."""
    size = (watched.data / path).stat().st_size
    frozen = snapshot_of([FileEntry(path=path, size=size, digest="blake3:1")])
    world = watched.world
    world.data.frozen[frozen.id] = frozen
    run = watched.inbox.start(a_run(model="line"))
    claim = world.store.claim("line", "production", owner="o", lease=MINUTE, run=run.id)
    world.store.begin_step(claim, "snapshot")
    world.store.finish_step(claim, "snapshot", {"snapshot": frozen.id})
    world.store.end(claim, outcome, "it ended")


def test_another_source_is_compared_with_what_was_learnt(known: Watched, tmp_path: Path) -> None:
    learnt(known, "a.csv")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text((known.data / "a.csv").read_text())
    known.source = str(tmp_path / "other")
    known.watch.keep((known.workspace(),))
    known.settle()
    assert known.subjects == []
    (tmp_path / "other" / "b.csv").write_text("x,y\n1,2\n")
    known.settle()
    assert known.subjects == ["1 file new"]


def test_a_folder_that_is_gone_is_trouble_and_never_a_deletion(known: Watched) -> None:
    known.data.rename(known.data.with_name("away"))
    known.settle()
    known.watch = known.started()
    known.settle()
    ((kind, words),) = known.outbox.told
    assert (kind, known.subjects) == ("trouble", [])
    assert "is not there. Check the path, and that its disk is mounted." in words


def test_when_a_folder_is_back_that_is_told_and_what_changed_is_reported(known: Watched) -> None:
    away = known.data.rename(known.data.with_name("away"))
    known.settle()
    away.rename(known.data)
    known.look(MINUTE)
    assert [kind for kind, _ in known.outbox.told] == ["trouble", "recovered"]
    assert known.subjects == []
    known.write("d.csv")
    known.settle()
    assert known.subjects == ["1 file new"]


def test_trouble_of_another_day_is_told_again(known: Watched) -> None:
    for _ in range(2):
        away = known.data.rename(known.data.with_name("away"))
        known.settle()
        away.rename(known.data)
        known.look(MINUTE)
    assert [kind for kind, _ in known.outbox.told] == ["trouble", "recovered"] * 2


def test_a_folder_that_lost_all_of_its_files_is_an_unmounted_disk(known: Watched) -> None:
    (known.data / "a.csv").unlink()
    (known.data / "b" / "c.csv").unlink()
    known.settle()
    ((kind, words),) = known.outbox.told
    assert (kind, known.subjects) == ("trouble", [])
    assert "holds no files any more" in words


def test_what_no_snapshot_takes_is_trouble(known: Watched) -> None:
    (known.data / "link.csv").symlink_to("nowhere")
    known.settle()
    ((kind, words),) = known.outbox.told
    assert kind == "trouble"
    assert "link.csv is a link to nowhere, which is not there" in words


def test_a_kill_while_telling_of_trouble_tells_it_once(tmp_path: Path) -> None:
    for call in range(1, 20):
        folder = tmp_path / str(call)
        folder.mkdir()
        watched = Watched(folder)
        watched.write("a.csv")
        watched.settle()
        watched.data.rename(folder / "away")
        watched.world.killed_at(call, after=True, act=watched.settle)
        watched.watch = watched.started()
        watched.settle()
        assert [kind for kind, _ in watched.outbox.told] == ["trouble"], call


def test_trouble_with_one_source_is_kept_from_the_others(known: Watched) -> None:
    project = replace(known.workspace().project, model="other", data=Data(source="/nowhere"))
    known.watch.keep((replace(known.workspace(), project=project), known.workspace()))
    known.write("d.csv")
    known.settle()
    assert known.subjects == ["1 file new"]
    assert [notice.model for notice in known.outbox.noted.values()] == ["other"]


def test_no_secret_is_told(known: Watched) -> None:
    known.source = "/nowhere/sesame"
    workspace = known.workspace()
    hiding = replace(workspace.project, secrets=frozenset(["sesame"]))
    known.watch.keep((replace(workspace, project=hiding),))
    known.settle()
    ((_, words),) = known.outbox.told
    assert "/nowhere/***" in words


def test_a_storage_that_has_not_answered_yet_is_asked_again_soon(known: Watched) -> None:
    known.listings = Slow(known.listings, unanswered=3)
    known.watch = known.started()
    known.write("d.csv")
    for _ in range(8):
        known.look(SECOND)
    assert known.subjects == ["1 file new"]


class Slow:
    """Listings of a storage that needs some time."""

    def __init__(self, listings: Any, unanswered: int) -> None:
        self._listings, self._left = listings, unanswered

    def take(self, source: str) -> Listing | None:
        self._left -= 1
        return None if self._left >= 0 else self._listings.take(source)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listings, name)


def test_storage_that_cannot_be_reached_is_trouble(known: Watched) -> None:
    known.listings = Unreachable(known.listings)
    known.watch = known.started()
    known.settle()
    assert (known.outbox.told, known.subjects) == ([("trouble", "It does not answer.")], [])


class Unreachable(Slow):
    def __init__(self, listings: Any) -> None:
        super().__init__(listings, 0)

    def take(self, source: str) -> Listing | None:
        raise BackendError("It does not answer.", retryable=True)


def test_each_environment_watches_its_own_data(known: Watched, tmp_path: Path) -> None:
    staging = replace(known.environment(), name="staging", data=Data(source=str(tmp_path / "staging")))
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "s.csv").write_text("1")
    assert events_with(known, staging) == [("staging", "1 file new")]


def test_environments_that_share_data_are_each_told(known: Watched) -> None:
    known.write("d.csv")
    shared = replace(known.environment(), name="staging", approval=ApprovalPolicy())
    assert events_with(known, shared) == [("production", "1 file new"), ("staging", "3 files new")]


def events_with(known: Watched, other: Any) -> list[tuple[str, str]]:
    workspace = known.workspace()
    trigger = replace(known.trigger, environments=("production", "staging"))
    environments = {"production": known.environment(), "staging": other}
    project = replace(workspace.project, triggers=(trigger,), environments=environments)
    known.watch.keep((replace(workspace, project=project),))
    known.settle()
    known.folders.hints.add(str(known.data.with_name("staging")))
    known.settle()
    return sorted((event.environment, event.subject) for event in known.accepted)


def test_two_services_report_a_change_once(known: Watched) -> None:
    second = known.started()
    known.write("d.csv")
    known.settle()
    for _ in range(3):
        known.now += 10 * MINUTE
        second.look(known.now)
    assert known.subjects == ["1 file new"]


def test_a_service_goes_on_from_what_another_has_reported(known: Watched) -> None:
    second = known.started()
    second.look(known.now)
    known.write("d.csv")
    known.settle()
    known.write("e.csv")
    known.watch = second
    known.settle()
    assert known.subjects == ["1 file new", "1 file new"]


def test_nothing_is_forgotten_when_a_kept_listing_is_lost(known: Watched) -> None:
    learnt(known, "a.csv")
    for kept in (known.home / "watch").iterdir():
        kept.unlink()
    known.write("d.csv")
    known.settle()
    assert known.subjects == ["2 files new"]  # The run did not see c.csv.


def test_old_listings_are_removed(known: Watched) -> None:
    for number in range(5):
        known.write(f"{number}.csv")
        known.settle()
    known.look(10 * MINUTE)
    (mark,) = known.inbox.marks("data:").values()
    assert [f"sha256:{path.name}" for path in (known.home / "watch").iterdir()] == [mark["listing"]]


def test_a_clock_that_is_set_back_does_not_stop_the_looks(known: Watched) -> None:
    known.now += timedelta(days=1)
    known.settle()
    known.now -= timedelta(days=1)
    known.write("d.csv")
    known.look()
    known.look(10 * MINUTE)
    known.look(2 * SECOND)
    assert known.subjects == ["1 file new"]


def test_a_thousand_sources_have_their_turns_spread_evenly() -> None:
    turns = [next_turn(START, 10 * MINUTE, f"/data/{number}") - START for number in range(1000)]
    by_minute = [sum(turn // MINUTE == minute for turn in turns) for minute in range(10)]
    assert min(by_minute) > 60
    assert max(by_minute) < 140


def test_a_system_that_watches_no_more_folders_is_told_once_and_looks_go_on(known: Watched) -> None:
    known.folders.words = "The limit is reached."
    known.write("d.csv")
    for _ in range(30):
        known.look(MINUTE)
    assert known.outbox.told == [("trouble", "The limit is reached.")]
    assert known.subjects == ["1 file new"]


def test_rows_are_counted_where_they_matter(watched: Watched) -> None:
    pace = Pace(at_least=Amount(rows=500), quiet_for=MINUTE)
    watched.trigger = replace(watched.trigger, pace=pace)
    watched.watch = watched.started()
    watched.write("a.csv", "x,y\n" + "1,2\n" * 30)
    watched.settle()
    assert watched.amount.rows == 30
    watched.write("a.csv", "x,y\n" + "1,2\n" * 50)
    watched.settle()
    assert watched.amount.rows == 20


def test_no_row_is_counted_where_none_matters(known: Watched) -> None:
    known.write("d.csv")
    known.settle()
    assert (known.amount.rows, known.workspace().project.data.format) == (0, Format.CSV)
