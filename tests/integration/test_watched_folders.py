"""Folders that the system watches, with its real events."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from everfit.adapters.local.watched_folders import WatchedFolders


class Waking:
    """Folders that are watched, and what they have told."""

    def __init__(self, home: Path) -> None:
        self._told = threading.Event()
        self.folders = WatchedFolders(home, wake=self._told.set)
        self.seen: set[str] = set()

    def watch(self, *sources: object) -> None:
        """Watch these, from the moment at which the system does."""
        self.folders.keep([str(source) for source in sources])
        self.until(*sources)
        self.seen.clear()

    def until(self, *sources: object) -> set[str]:
        """Wait until each of these has changed; return everything that has."""
        while not self.seen >= {str(source) for source in sources}:
            assert self._told.wait(30)
            self._told.clear()
            self.seen |= set(self.folders.changed())
        return self.seen


@pytest.fixture
def waking(tmp_path: Path) -> Iterator[Waking]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    made = Waking(tmp_path / "b" / "home")
    yield made
    made.folders.close()


def test_a_change_is_noticed_in_its_own_source_alone(waking: Waking, tmp_path: Path) -> None:
    waking.watch(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "x.csv").write_text("1")
    assert waking.until(tmp_path / "a") == {str(tmp_path / "a")}


def test_changes_far_below_and_deletions_are_noticed(waking: Waking, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "x.csv").write_text("1")
    waking.watch(tmp_path / "a")
    (deep / "x.csv").unlink()
    waking.until(tmp_path / "a")


def test_what_is_no_data_is_not_noticed(waking: Waking, tmp_path: Path) -> None:
    (tmp_path / "b" / "home").mkdir()
    (tmp_path / "b" / ".git").mkdir()
    waking.watch(tmp_path / "a", tmp_path / "b")
    for name in (".x.csv.swp", "x.csv.part", ".git/index", "home/state.db"):
        (tmp_path / "b" / name).write_text("1")
    (tmp_path / "a" / "x.csv").write_text("1")
    assert waking.until(tmp_path / "a") == {str(tmp_path / "a")}


def test_a_source_that_is_added_counts_as_changed_and_the_others_go_on(waking: Waking, tmp_path: Path) -> None:
    waking.watch(tmp_path / "a")
    waking.folders.keep([str(tmp_path / "a"), str(tmp_path / "b")])
    assert waking.until(tmp_path / "b") == {str(tmp_path / "b")}
    waking.seen.clear()
    (tmp_path / "a" / "x.csv").write_text("1")
    (tmp_path / "b" / "x.csv").write_text("1")
    waking.until(tmp_path / "a", tmp_path / "b")


def test_a_folder_that_is_made_anew_is_watched_anew(waking: Waking, tmp_path: Path) -> None:
    waking.watch(tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "held").mkdir()  # So that the new folder gets another inode.
    (tmp_path / "a").mkdir()
    waking.watch(tmp_path / "a")
    (tmp_path / "a" / "x.csv").write_text("1")
    waking.until(tmp_path / "a")


def test_a_glob_is_watched_from_its_first_fixed_folder_on(waking: Waking, tmp_path: Path) -> None:
    (tmp_path / "a" / "c").mkdir()
    flat, deep = f"{tmp_path}/a/*.csv", f"{tmp_path}/a/*/*.csv"
    waking.watch(flat, deep)
    (tmp_path / "a" / "c" / "x.csv").write_text("1")
    assert deep in waking.until(deep)


def test_a_single_file_is_watched_in_its_folder(waking: Waking, tmp_path: Path) -> None:
    file = tmp_path / "a" / "x.csv"
    file.write_text("1")
    waking.watch(file)
    file.write_text("2")
    waking.until(file)


def test_urls_and_folders_that_are_not_there_are_passed_over(waking: Waking, tmp_path: Path) -> None:
    waking.watch(tmp_path / "a")
    waking.folders.keep([str(tmp_path / "a"), str(tmp_path / "nowhere"), "s3://bucket/data"])
    assert waking.folders.trouble() is None


def test_when_nothing_is_to_be_watched_nothing_is(waking: Waking, tmp_path: Path) -> None:
    waking.watch(tmp_path / "a")
    waking.folders.keep([])
    assert waking.folders.changed() == set()
