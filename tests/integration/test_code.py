import os
import subprocess
from pathlib import Path

import pytest

from everfit.adapters.local.code import LocalCode
from everfit.domain.errors import NotFoundError, RequestError


@pytest.fixture
def code(tmp_path: Path) -> LocalCode:
    return LocalCode(tmp_path / "project" / ".everfit")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "train.py").write_text("print('trained')\n")
    (folder / "src" / "features.py").write_text("WIDTH = 3\n")
    return folder


def contents(folder: str | Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*") if path.is_file()}


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", *settings, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_code_is_copied_as_it_was(code: LocalCode, project: Path) -> None:
    frozen = code.freeze(str(project))
    (project / "train.py").write_text("changed")
    assert contents(frozen.folder) == {"train.py": "print('trained')\n", "src/features.py": "WIDTH = 3\n"}


def test_the_same_code_is_kept_once(code: LocalCode, project: Path, tmp_path: Path) -> None:
    first = code.freeze(str(project))
    os.utime(project / "train.py", (1, 1))
    assert code.freeze(str(project)) == first
    assert LocalCode(tmp_path / "other").freeze(str(project)).digest == first.digest


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        ".everfit/state.db",
        "__pycache__/train.pyc",
        "src/__pycache__/x.pyc",
        "web/node_modules/x.js",
        "env/pyvenv.cfg",
        "env/lib/x.py",
        "data/rows.csv",
    ],
)
def test_what_is_not_code_is_left_out(code: LocalCode, project: Path, path: str) -> None:
    (project / "env").mkdir()
    (project / "env" / "pyvenv.cfg").touch()
    before = code.freeze(str(project), leave_out=["data/"])
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    (project / path).write_text("x")
    assert code.freeze(str(project), leave_out=["data/"]).digest == before.digest


def test_a_state_folder_by_any_name_is_left_out(project: Path) -> None:
    code = LocalCode(project / "state")
    assert code.freeze(str(project)) == code.freeze(str(project))
    assert contents(code.freeze(str(project)).folder).keys() == {"train.py", "src/features.py"}


@pytest.mark.parametrize("change", ["content", "name", "mode"])
def test_every_change_has_a_digest_of_its_own(code: LocalCode, project: Path, change: str) -> None:
    before = code.freeze(str(project))
    match change:
        case "content":
            (project / "train.py").write_text("print('trained!')\n")
        case "name":
            (project / "train.py").rename(project / "fit.py")
        case _:
            (project / "train.py").chmod(0o755)
    assert code.freeze(str(project)).digest != before.digest


def test_a_script_that_writes_in_place_into_its_frozen_code_cannot_change_what_the_next_run_gets(
    code: LocalCode, project: Path
) -> None:
    """A script that writes in place into its inputs/frozen code cannot change the snapshot."""
    frozen = code.freeze(str(project))
    before = contents(frozen.folder)
    script = Path(frozen.folder, "train.py")
    script.chmod(0o644)
    script.write_text("evil")
    Path(frozen.folder, "sitecustomize.py").write_text("evil")
    Path(frozen.folder, "src", "features.py").unlink()
    assert code.freeze(str(project)) == frozen
    assert contents(frozen.folder) == before


def test_a_large_file_is_refused_unless_it_is_left_out(code: LocalCode, project: Path) -> None:
    with (project / "weights.bin").open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(RequestError, match=r"weights\.bin has 50,000,001 bytes"):
        code.freeze(str(project))
    code.freeze(str(project), leave_out=["weights.bin"])


def test_a_folder_without_code_is_refused(code: LocalCode, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with pytest.raises(RequestError, match="holds no code"):
        code.freeze(str(tmp_path / "project"))
    with pytest.raises(RequestError, match="There is no folder"):
        code.freeze(str(tmp_path / "nowhere"))


def test_a_link_out_of_the_project_is_refused(code: LocalCode, project: Path) -> None:
    (project / "shared.py").symlink_to("/etc/passwd")
    with pytest.raises(RequestError, match="is a link out of"):
        code.freeze(str(project))


def test_outside_a_repository_there_is_no_commit(code: LocalCode, project: Path) -> None:
    frozen = code.freeze(str(project))
    assert (frozen.commit, frozen.is_dirty) == (None, False)


def test_the_commit_is_named_and_whether_all_was_committed(code: LocalCode, project: Path) -> None:
    git(project, "init", "-q")
    assert (code.freeze(str(project)).commit, code.freeze(str(project)).is_dirty) == (None, True)
    git(project, "add", "train.py", "src")
    git(project, "commit", "-q", "-m", "First")
    (project / "data").mkdir()
    (project / "data" / "rows.csv").write_text("1")
    frozen = code.freeze(str(project), leave_out=["data"])
    assert (frozen.commit, frozen.is_dirty) == (git(project, "rev-parse", "HEAD"), False)
    (project / "train.py").write_text("changed")
    assert code.freeze(str(project), leave_out=["data"]).is_dirty


def test_a_project_below_the_top_of_a_repository_looks_at_itself_alone(code: LocalCode, project: Path) -> None:
    git(project.parent, "init", "-q")
    git(project.parent, "add", "project/train.py", "project/src")
    git(project.parent, "commit", "-q", "-m", "First")
    (project.parent / "elsewhere.txt").write_text("not ours")
    assert not code.freeze(str(project)).is_dirty
    assert not LocalCode(project.parent / "home").freeze(str(project), leave_out=[str(project.parent)]).is_dirty


def test_a_hook_of_another_repository_does_not_mislead(
    code: LocalCode, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "First")
    commit = git(project, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert (code.freeze(str(project)).commit, code.freeze(str(project)).is_dirty) == (commit, False)


def test_text_is_read_from_the_frozen_folder_alone(code: LocalCode, project: Path) -> None:
    (project / "requirements.txt").write_text("\ufeffnumpy\n", encoding="utf-8")
    (project / "latin.txt").write_bytes(b"\xe9")
    folder = code.freeze(str(project)).folder
    assert code.text(folder, "requirements.txt") == "numpy\n"
    for path in ("nothing.txt", "../../state.db", "/etc/passwd", "src"):
        with pytest.raises(NotFoundError):
            code.text(folder, path)
    with pytest.raises(RequestError, match="not UTF-8"):
        code.text(folder, "latin.txt")


def test_the_modules_of_a_project_are_known_by_name(code: LocalCode, project: Path) -> None:
    (project / "assets").mkdir()
    (project / "assets" / "logo.txt").touch()
    (project / "fast.cpython-311-x86_64-linux-gnu.so").touch()
    assert code.modules(code.freeze(str(project)).folder) == {"train", "src", "fast"}
