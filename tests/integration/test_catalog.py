"""The projects of an installation: found, read when they change, kept when they break."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from everfit.adapters.local.catalog import LIST_EVERY, FolderCatalog
from everfit.adapters.local.shared_home import other_project
from everfit.application.workspace import Workspace
from everfit.bootstrap import open_workspace
from everfit.domain.errors import NotFoundError
from everfit.domain.notice import Notice
from everfit.settings import Settings, read_settings
from tests.fakes import World

PROJECT = """\
model: MODEL
task: regression
data: {source: data/, target: y, id: id}
train: {script: train.py}
gate: [mae <= LIMIT]
"""


class Tree:
    """A folder of projects, and a catalog of it that looks when a test says so."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "tree"
        self.home = self.top / ".everfit"
        self.top.mkdir()
        self.world = World()
        self.settings: Settings = read_settings()
        self.reads: list[str] = []
        self.on_read: Callable[[], object] = list
        self._seconds = 0.0
        self._written = 0

    def write(self, name: str, model: str | None = None, *, limit: int = 5, text: str | None = None) -> None:
        path = self.top / name / "everfit.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = PROJECT.replace("MODEL", model or Path(name).name).replace("LIMIT", str(limit))
        path.write_text(made if text is None else text)
        # Whatever the clock of the file system counts in, two writes never look alike.
        self._written += 1
        os.utime(path, ns=(self._written * 10**9, self._written * 10**9))

    def open(self) -> FolderCatalog:
        self.catalog = FolderCatalog([self.top], self._read, self.home, self.world.ports(), lambda: self._seconds)
        return self.catalog

    def look(self) -> bool:
        """Look until a change has been at rest, and list the tree."""
        self._seconds += LIST_EVERY
        return any([self.catalog.refresh(), self.catalog.refresh()])

    @property
    def models(self) -> list[str]:
        return sorted(self.catalog.workspaces())

    def limit(self, model: str) -> str:
        return self.catalog.workspace(model).project.gate[0].text

    @property
    def trouble(self) -> str:
        (words,) = self.catalog.troubles().values()
        return words

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(notice.model, notice.kind.value) for notice in self.notices]

    @property
    def notices(self) -> list[Notice]:
        return list(self.world.outbox.unaddressed())

    def _read(self, folder: Path, content: bytes) -> Workspace:
        self.reads.append(folder.name)
        self.on_read()
        return open_workspace(folder, self.settings, content=content)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    for name in ("churn", "team/solar"):
        made.write(name)
    made.open()
    return made


def test_projects_are_found_at_any_depth(tree: Tree) -> None:
    assert tree.models == ["churn", "solar"]
    assert tree.catalog.workspace("solar").folder == str(tree.top / "team" / "solar")


@pytest.mark.parametrize("place", [".venv/pack", "node_modules/pack", "venv/lib/site-packages/pack", "churn/data/pack"])
def test_what_is_hidden_installed_or_within_a_project_is_none(tree: Tree, place: str) -> None:
    tree.write(place)
    tree.look()
    assert tree.models == ["churn", "solar"]


def test_a_link_in_a_circle_is_not_followed(tree: Tree) -> None:
    (tree.top / "team" / "again").symlink_to(tree.top)
    tree.look()
    assert tree.models == ["churn", "solar"]


def test_a_folder_that_is_given_twice_counts_once(tree: Tree) -> None:
    catalog = FolderCatalog(
        [tree.top, tree.top / "churn"],
        lambda folder, content: open_workspace(folder, tree.settings, content=content),
        tree.home,
        tree.world.ports(),
    )
    assert (sorted(catalog.workspaces()), catalog.troubles()) == (["churn", "solar"], {})


def test_an_unknown_model_is_refused_with_the_nearest(tree: Tree) -> None:
    with pytest.raises(NotFoundError, match="did you mean solar"):
        tree.catalog.workspace("sollar")


def test_new_projects_appear_and_removed_ones_go(tree: Tree) -> None:
    tree.write("fraud")
    assert tree.look()
    (tree.top / "churn" / "everfit.yaml").unlink()
    assert tree.look()
    assert tree.models == ["fraud", "solar"]


def test_only_files_that_have_changed_are_read(tree: Tree) -> None:
    tree.reads.clear()
    assert not tree.look()
    tree.write("churn", limit=7)
    assert tree.look()
    assert (tree.reads, tree.limit("churn")) == (["churn"], "mae <= 7")


def test_a_file_is_read_when_it_has_been_at_rest_from_one_look_to_the_next(tree: Tree) -> None:
    tree.write("churn", limit=6)
    tree.catalog.refresh()
    tree.write("churn", limit=7)
    tree.catalog.refresh()
    assert tree.limit("churn") == "mae <= 5"
    tree.catalog.refresh()
    assert tree.limit("churn") == "mae <= 7"


@pytest.mark.parametrize(
    "text", ["", "model: churn\n  x: [", "model: churn\nmodle: x\n", "model: churn\ntask: ${ABSENT_NAME}\n"]
)
def test_a_broken_file_leaves_the_last_good_one_in_force_and_is_told_of_once(tree: Tree, text: str) -> None:
    tree.write("churn", text=text)
    assert not tree.look()
    tree.look()
    assert (tree.limit("churn"), tree.told) == ("mae <= 5", [("churn", "trouble")])
    assert "everfit.yaml" in tree.trouble


def test_a_mended_file_is_in_force_and_told_of(tree: Tree) -> None:
    tree.write("churn", text="model: [")
    tree.look()
    tree.write("churn", limit=8)
    tree.look()
    assert (tree.limit("churn"), tree.catalog.troubles()) == ("mae <= 8", {})
    assert tree.told == [("churn", "trouble"), ("churn", "recovered")]


def test_the_last_good_file_stays_in_force_through_a_restart(tree: Tree) -> None:
    tree.write("churn", limit=9)
    tree.look()
    tree.write("churn", text="model: [")
    tree.open()
    assert tree.limit("churn") == "mae <= 9"
    assert "everfit.yaml" in tree.trouble
    assert tree.told == [("churn", "trouble")]


def test_what_is_kept_of_a_project_file_is_for_its_owner_alone(tree: Tree) -> None:
    kept = tree.home / "projects" / "churn.yaml"
    assert kept.read_bytes() == (tree.top / "churn" / "everfit.yaml").read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_project_that_was_removed_is_forgotten_for_good(tree: Tree) -> None:
    (tree.top / "churn" / "everfit.yaml").unlink()
    tree.look()
    tree.write("churn", text="model: [")
    tree.open()
    assert tree.models == ["solar"]


def test_a_file_that_never_was_good_is_trouble_and_no_project(tree: Tree) -> None:
    tree.write("fraud", text="model: fraud\n")
    tree.look()
    assert tree.models == ["churn", "solar"]
    assert "gate is missing" in tree.trouble


def test_of_two_projects_of_one_model_the_first_stays(tree: Tree) -> None:
    tree.write("a-copy", "churn", limit=1)
    assert not tree.look()
    tree.open()
    assert (tree.limit("churn"), tree.models) == ("mae <= 5", ["churn", "solar"])
    assert tree.trouble.endswith("are both projects of the model churn; name one of them otherwise.")
    assert ("churn", "trouble") in tree.told


def test_the_second_project_of_a_model_takes_over_when_the_first_is_gone(tree: Tree) -> None:
    tree.write("a-copy", "churn", limit=1)
    tree.look()
    (tree.top / "churn" / "everfit.yaml").unlink()
    tree.look()
    tree.look()
    assert (tree.limit("churn"), tree.catalog.troubles()) == ("mae <= 1", {})


def test_a_model_that_is_renamed_to_one_that_is_there_keeps_its_name(tree: Tree) -> None:
    tree.write("churn", "solar", limit=2)
    tree.look()
    assert (tree.limit("churn"), tree.limit("solar")) == ("mae <= 5", "mae <= 5")
    assert "both projects of the model solar" in tree.trouble


def test_two_projects_may_swap_their_models(tree: Tree) -> None:
    tree.write("churn", "solar", limit=2)
    tree.write("team/solar", "churn", limit=3)
    tree.look()
    assert (tree.limit("churn"), tree.limit("solar"), tree.catalog.troubles()) == ("mae <= 3", "mae <= 2", {})


def test_a_project_with_a_state_folder_of_its_own_is_not_served_until_that_is_moved(tree: Tree) -> None:
    own = tree.top / "fraud" / ".everfit" / "state.db"
    tree.write("fraud")
    own.parent.mkdir()
    own.touch()
    tree.look()
    assert tree.models == ["churn", "solar"]
    assert f"has its state in {own.parent}" in tree.trouble
    own.rename(own.with_name("old.db"))
    tree.look()
    assert tree.models == ["churn", "fraud", "solar"]


def missing(tree: Tree) -> Callable[[], object]:
    away = tree.top.with_name("away")
    tree.top.rename(away)
    return lambda: away.rename(tree.top)


def emptied(tree: Tree) -> Callable[[], object]:
    back = missing(tree)
    tree.top.mkdir()

    def put_back() -> None:
        tree.top.rmdir()
        back()

    return put_back


@pytest.mark.parametrize("lose", [missing, emptied])
def test_a_disk_that_is_not_there_is_no_removal(tmp_path: Path, lose: Callable[[Tree], Callable[[], object]]) -> None:
    tree = Tree(tmp_path)
    tree.home = tmp_path / "state"
    for name in ("churn", "solar"):
        tree.write(name)
    tree.open()
    back = lose(tree)
    tree.look()
    assert tree.models == ["churn", "solar"]
    assert all("is a disk missing?" in words for words in tree.catalog.troubles().values())
    back()
    tree.look()
    assert (tree.models, tree.catalog.troubles()) == (["churn", "solar"], {})


def test_a_project_whose_own_folder_is_missing_stays(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.home = tmp_path / "state"
    tree.write(".", "churn")
    tree.open()
    missing(tree)
    tree.look()
    assert tree.models == ["churn"]


def test_a_file_that_changes_while_it_is_read_is_read_again(tree: Tree) -> None:
    tree.write("churn", limit=6)
    tree.catalog.refresh()
    tree.on_read = lambda: tree.write("churn", limit=7)
    tree.catalog.refresh()
    assert tree.limit("churn") == "mae <= 5"
    tree.on_read = list
    tree.look()
    assert tree.limit("churn") == "mae <= 7"


def test_a_tree_is_searched_for_new_projects_only_now_and_then(tree: Tree) -> None:
    tree.catalog.refresh()
    tree.write("fraud")
    tree.catalog.refresh()
    tree.catalog.refresh()
    assert tree.models == ["churn", "solar"]


def test_a_project_that_shares_the_state_but_is_not_served_is_elsewhere(tree: Tree) -> None:
    tree.write("a")
    tree.open()
    beside = tree.top.parent / "beside"
    beside.mkdir()
    (beside / "everfit.yaml").write_text(PROJECT)
    assert other_project(tree.home, "beside", beside) is None
    assert [tree.catalog.is_elsewhere(model) for model in ("beside", "a", "unknown")] == [True, False, False]
    (beside / "everfit.yaml").unlink()
    assert not tree.catalog.is_elsewhere("beside")
