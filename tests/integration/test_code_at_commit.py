import shutil
from pathlib import Path

import pytest

from everfit.adapters.local.code import LocalCode
from everfit.domain.errors import BackendError, NotFoundError, RequestError
from tests.git_projects import ALONE, GitProject, git
from tests.integration.test_code import contents


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    made = GitProject(tmp_path / "model", below="models/a")
    made.commit("src/features.py", "WIDTH = 3\n")
    return made


@pytest.fixture
def code(tmp_path: Path) -> LocalCode:
    return LocalCode(tmp_path / "home")


def head(project: GitProject) -> str:
    return git(project.top, "rev-parse", "HEAD")


def clean_checkout(project: GitProject, commit: str, to: Path) -> Path:
    git(to.parent, "clone", "-q", str(project.bare), str(to))
    git(to, "checkout", "-q", commit)
    return to / "models/a"


def test_the_code_of_a_commit_is_frozen_whatever_lies_in_the_folder(code: LocalCode, project: GitProject) -> None:
    commit = head(project)
    project.commit("train.py", "print('later')\n")
    (project.folder / "train.py").write_text("not committed")
    frozen = code.freeze(str(project.folder), commit=commit)
    assert contents(frozen.folder) == {"train.py": "print('one')\n", "src/features.py": "WIDTH = 3\n"}
    assert (frozen.commit, frozen.is_dirty) == (commit, False)


def test_its_digest_is_that_of_a_clean_checkout(code: LocalCode, project: GitProject, tmp_path: Path) -> None:
    """Attributes, executable files, links inside, hidden files and data included."""
    (project.top / ".gitattributes").write_text("*.bat text eol=crlf\nhidden.py export-ignore\n")
    git(project.top, "add", ".gitattributes")
    for name in ("run.bat", "hidden.py", ".env", "data/rows.csv", "node_modules/x.js", "shared.csv"):
        project.commit(name, f"{name}\n$Format:%H$\n")
    (project.folder / "train.py").chmod(0o755)
    (project.folder / "link.csv").symlink_to("data/rows.csv")
    git(project.top, "add", "models/a/link.csv")
    commit = project.commit("train.py", "print('x')\n")
    checkout = clean_checkout(project, commit, tmp_path / "checkout")
    leave_out = ["data/", "everfit.yaml"]
    expected = code.freeze(str(checkout), leave_out=leave_out)
    assert code.freeze(str(project.folder), leave_out=leave_out, commit=commit).digest == expected.digest
    assert b"\r\n" in Path(expected.folder, "run.bat").read_bytes()


def test_data_in_the_repository_is_not_written_where_no_link_needs_it(code: LocalCode, project: GitProject) -> None:
    commit = project.commit("data/rows.csv", "1,2\n")
    assert "data/rows.csv" not in contents(code.freeze(str(project.folder), leave_out=["data"], commit=commit).folder)


def test_the_working_copy_is_left_as_it_is(code: LocalCode, project: GitProject) -> None:
    commit = head(project)
    project.commit("train.py", "print('two')\n")
    (project.folder / "train.py").write_text("in the middle of work")
    before = git(project.top, "status", "--porcelain"), head(project), (project.top / ".git/index").read_bytes()
    code.freeze(str(project.folder), commit=commit)
    after = git(project.top, "status", "--porcelain"), head(project), (project.top / ".git/index").read_bytes()
    assert before == after
    assert not (project.top / ".git/index.lock").exists()


def test_no_hook_of_the_working_copy_is_started(code: LocalCode, project: GitProject, tmp_path: Path) -> None:
    started, hook = tmp_path / "started", project.top / ".git/hooks/post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {started}\n")
    hook.chmod(0o755)
    code.freeze(str(project.folder), commit=head(project))
    assert not started.exists()


def test_what_a_sparse_working_copy_leaves_out_is_frozen(code: LocalCode, project: GitProject) -> None:
    git(project.top, "sparse-checkout", "set", "--no-cone", "/models/a/train.py")
    assert contents(code.freeze(str(project.folder), commit=head(project)).folder).keys() == {
        "train.py",
        "src/features.py",
    }


def test_a_commit_that_the_working_copy_has_not_fetched_is_taken_from_the_repository(
    code: LocalCode, project: GitProject, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", str(project.bare), "behind")
    commit = project.commit("train.py", "print('pushed by another')\n")
    frozen = code.freeze(str(tmp_path / "behind/models/a"), commit=commit)
    assert contents(frozen.folder)["train.py"] == "print('pushed by another')\n"


def test_a_repository_that_everfit_yaml_names_is_taken(code: LocalCode, project: GitProject, tmp_path: Path) -> None:
    commit = head(project)
    (tmp_path / "elsewhere/models").mkdir(parents=True)
    shutil.copytree(project.folder, tmp_path / "elsewhere" / "plain")
    with pytest.raises(NotFoundError, match="has no commit 0000"):
        code.freeze(str(tmp_path / "elsewhere/plain"), commit="0" * 40, repository=str(project.bare))
    frozen = code.freeze(str(tmp_path / "elsewhere/plain"), commit=commit, repository=str(project.bare))
    assert "models/a/train.py" in contents(frozen.folder)


def test_a_commit_that_is_nowhere_is_final_and_a_silent_repository_is_not(
    code: LocalCode, project: GitProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match="Was its branch or tag deleted or moved since"):
        code.freeze(str(project.folder), commit="0" * 40)
    with pytest.raises(BackendError) as caught:
        code.freeze(str(project.folder), commit="0" * 40, repository="https://me:s3cret@127.0.0.1:1/x")
    assert caught.value.retryable
    assert "s3cret" not in str(caught.value)
    for wrong in ("HEAD", "main", "--output=x", "abc"):
        with pytest.raises(RequestError, match="is not a commit"):
            code.freeze(str(project.folder), commit=wrong)


def test_a_commit_without_the_folder_says_so(code: LocalCode, project: GitProject) -> None:
    git(project.top, "rm", "-q", "-r", "models")
    git(project.top, "commit", "-q", "-m", "Gone", "--allow-empty")
    with pytest.raises(NotFoundError, match="has no folder models/a"):
        code.freeze(str(project.folder), commit=head(project))


def test_a_submodule_is_refused_unless_it_is_no_code(code: LocalCode, project: GitProject, tmp_path: Path) -> None:
    other = GitProject(tmp_path / "library")
    git(project.top, "submodule", "--quiet", "add", str(other.bare), "models/a/library")
    git(project.top, "commit", "-q", "-m", "Add a submodule")
    with pytest.raises(RequestError, match="models/a/library is a submodule"):
        code.freeze(str(project.folder), commit=head(project))
    assert code.freeze(str(project.folder), commit=head(project), leave_out=["library"]).commit


def test_a_file_that_git_lfs_keeps_is_refused(code: LocalCode, project: GitProject) -> None:
    commit = project.commit("weights.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n")
    with pytest.raises(RequestError, match=r"weights\.bin in commit \w{7} is kept by Git LFS"):
        code.freeze(str(project.folder), commit=commit)
    assert code.freeze(str(project.folder), commit=commit, leave_out=["weights.bin"]).commit == commit


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.py", "loop.py"])
def test_a_link_that_leads_out_is_refused_without_the_place_it_was_written_to(
    code: LocalCode, project: GitProject, tmp_path: Path, target: str
) -> None:
    project.commit("../../outside.py", "x = 1\n")
    (project.folder / "loop.py").symlink_to(target)
    git(project.top, "add", "-A")
    git(project.top, "commit", "-q", "-m", "Add a link")
    with pytest.raises(RequestError, match=r"In commit \w{7}: loop\.py is a link") as caught:
        code.freeze(str(project.folder), commit=head(project))
    assert "incoming" not in str(caught.value)


def test_a_kill_in_the_middle_leaves_nothing_that_is_taken_for_code(
    code: LocalCode, project: GitProject, tmp_path: Path
) -> None:
    left = tmp_path / "home/code/.incoming-left/tree"
    left.mkdir(parents=True)
    (left / "train.py").write_text("half")
    frozen = code.freeze(str(project.folder), commit=head(project))
    assert not left.exists()
    assert "half" not in contents(frozen.folder).values()
