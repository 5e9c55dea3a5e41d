"""Where the state of a project lies: one installation has one home."""

from pathlib import Path

from everfit.adapters.local.home import home_of
from everfit.bootstrap import state_folder
from everfit.settings import read_settings


def used(folder: Path) -> Path:
    """Make a state folder in *folder* that is in use."""
    home = folder / ".everfit"
    home.mkdir(parents=True)
    (home / "state.db").touch()
    return home


def test_a_project_alone_has_a_home_of_its_own(tmp_path: Path) -> None:
    assert home_of(tmp_path / "churn") == tmp_path / "churn" / ".everfit"


def test_a_project_in_a_tree_shares_the_home_of_the_tree(tmp_path: Path) -> None:
    home = used(tmp_path)
    assert home_of(tmp_path / "models" / "churn") == home


def test_a_project_with_a_state_of_its_own_keeps_it(tmp_path: Path) -> None:
    used(tmp_path)
    own = used(tmp_path / "churn")
    assert home_of(tmp_path / "churn") == own


def test_an_empty_state_folder_is_nobody_s_home(tmp_path: Path) -> None:
    home = used(tmp_path)
    (tmp_path / "churn" / ".everfit").mkdir(parents=True)
    assert home_of(tmp_path / "churn") == home


def test_everfit_home_comes_first(tmp_path: Path) -> None:
    used(tmp_path)
    chosen = tmp_path / "chosen"
    assert state_folder(tmp_path, read_settings({"EVERFIT_HOME": str(chosen), "USER": "ada"})) == chosen
