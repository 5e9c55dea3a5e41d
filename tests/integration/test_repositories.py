import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from everfit.adapters.local.git import git as run_git
from everfit.adapters.local.repositories import LocalRepositories
from everfit.application.ports.repositories import Remote
from everfit.domain.errors import BackendError, RequestError
from tests.conftest import stays
from tests.git_projects import ALONE, GitProject, git


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    return GitProject(tmp_path / "model")


@pytest.fixture
def repositories(tmp_path: Path) -> LocalRepositories:
    return LocalRepositories(tmp_path / "home")


@pytest.fixture
def elsewhere(project: GitProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Remote:
    """The bare repository as one that is no folder of this machine, with a working copy that is behind."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{project.bare}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://git.example.com/model")
    git(tmp_path, "clone", "-q", str(project.bare), "behind")
    return Remote(
        name="git.example.com/model", address="https://git.example.com/model", settings=str(tmp_path / "behind")
    )


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"git://127.0.0.1:{server.getsockname()[1]}/model"


def test_a_project_lives_in_the_origin_of_its_working_copy(
    project: GitProject, repositories: LocalRepositories
) -> None:
    home = repositories.home(project.workspace())
    assert (home.remote.address, home.folder) == (str(project.bare), "")
    git(project.top, "remote", "set-url", "origin", "git@github.com:Octo/Model.git")
    assert repositories.home(project.workspace()).remote.name == "github.com/octo/model"


def test_without_an_origin_the_working_copy_itself_is_looked_at(
    project: GitProject, repositories: LocalRepositories
) -> None:
    git(project.top, "remote", "remove", "origin")
    home = repositories.home(project.workspace())
    assert home.remote.address == str(project.top)
    assert repositories.refs(home.remote).branches["main"] == git(project.top, "rev-parse", "HEAD")


def test_a_project_below_the_top_and_one_that_names_its_repository(
    tmp_path: Path, repositories: LocalRepositories
) -> None:
    project = GitProject(tmp_path / "many", below="models/a")
    assert repositories.home(project.workspace()).folder == "models/a"
    named = repositories.home(project.workspace(url="../../../origin.git"))
    assert (named.remote.address, named.folder) == (str(project.bare), "models/a")


def test_a_project_outside_every_repository_is_refused(
    tmp_path: Path, repositories: LocalRepositories, project: GitProject
) -> None:
    project.folder = tmp_path
    with pytest.raises(RequestError, match="lies in no git repository"):
        repositories.home(project.workspace())
    assert repositories.home(project.workspace(url=str(project.bare))).folder == ""


def test_a_worktree_lives_where_its_repository_does(
    project: GitProject, repositories: LocalRepositories, tmp_path: Path
) -> None:
    git(project.top, "worktree", "add", "-q", str(tmp_path / "worktree"), "-b", "other")
    project.folder = tmp_path / "worktree"
    home = repositories.home(project.workspace())
    assert (home.remote.address, home.folder) == (str(project.bare), "")


def test_branches_and_tags_stand_at_commits(project: GitProject, repositories: LocalRepositories) -> None:
    commit = git(project.top, "rev-parse", "HEAD")
    project.tag("staging-v1.0.0")
    project.tag("staging-v1.0.1", "-a", "-m", "An object of its own", "-f")
    git(project.top, "push", "-q", "origin", "HEAD:refs/heads/it's;odd/ü$(x)")
    refs = repositories.refs(repositories.home(project.workspace()).remote)
    assert refs.branches == {"main": commit, "it's;odd/ü$(x)": commit}
    assert refs.tags == {"staging-v1.0.0": commit, "staging-v1.0.1": commit}


def test_what_changed_between_two_commits_is_known(project: GitProject, repositories: LocalRepositories) -> None:
    remote = repositories.home(project.workspace()).remote
    old = git(project.top, "rev-parse", "HEAD")
    new = project.commit("src/ü \n.py", "x = 1\n")
    assert repositories.changed(remote, old, new) == frozenset({"src/ü \n.py"})
    assert repositories.changed(remote, "0" * 40, new) is None


def test_a_repository_elsewhere_is_fetched_from_once(
    project: GitProject, repositories: LocalRepositories, elsewhere: Remote
) -> None:
    """The working copy has not fetched from it yet, as it is when somebody else has pushed."""
    old = git(project.top, "rev-parse", "HEAD")
    new = project.commit("train.py", "print('two')\n")
    assert repositories.changed(elsewhere, old, new) == frozenset({"train.py"})
    assert repositories.changed(elsewhere, old, "f" * 40) is None
    project.bare.rename(project.bare.with_name("gone"))
    assert repositories.changed(elsewhere, old, new) == frozenset({"train.py"})
    with pytest.raises(BackendError, match=r"https://git\.example\.com/model does not answer"):
        repositories.changed(elsewhere, old, "f" * 40)


def test_a_server_that_gives_no_single_commit_is_asked_for_all(
    project: GitProject, repositories: LocalRepositories, elsewhere: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("GIT_CONFIG_KEY_1", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_1", "0")
    old, middle = git(project.top, "rev-parse", "HEAD"), project.commit("train.py", "print('two')\n")
    new = project.commit("train.py", "print('three')\n")
    assert repositories.changed(elsewhere, middle, new) == frozenset({"train.py"})
    assert repositories.changed(elsewhere, old, middle) == frozenset({"train.py"})


def test_a_mirror_that_a_kill_left_locked_is_made_anew(
    project: GitProject, repositories: LocalRepositories, elsewhere: Remote, tmp_path: Path
) -> None:
    old = git(project.top, "rev-parse", "HEAD")
    assert repositories.changed(elsewhere, old, project.commit("a.py", "")) == frozenset({"a.py"})
    (mirror,) = (tmp_path / "home" / "git").glob("*/mirror")
    (mirror / "shallow.lock").touch()
    assert repositories.changed(elsewhere, old, project.commit("b.py", "")) == frozenset({"a.py", "b.py"})
    assert not (mirror / "shallow.lock").exists()


def rest(repository: Path) -> None:
    """Let it be long ago that anything changed."""
    for folder, _, files in os.walk(repository):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.utime(path, (1_000_000_000, 1_000_000_000))


def test_every_change_of_a_folder_shows_in_its_sign(project: GitProject, repositories: LocalRepositories) -> None:
    remote = repositories.home(project.workspace()).remote
    rest(project.bare)
    signs = {repositories.sign(remote), repositories.sign(remote)}
    assert len(signs) == 1
    for act in (
        lambda: project.commit("train.py", "two"),
        lambda: project.tag("v1"),
        lambda: git(project.bare, "pack-refs", "--all"),
    ):
        act()
        before = len(signs)
        signs.add(repositories.sign(remote))
        assert len(signs) == before + 1
        rest(project.bare)
        signs = {repositories.sign(remote)}
    assert repositories.sign(Remote(name="x", address="https://git.example.com/x")) is None


def test_a_folder_that_has_just_changed_is_looked_at_again(
    project: GitProject, repositories: LocalRepositories
) -> None:
    """Two changes within one tick of the file system's clock."""
    remote = repositories.home(project.workspace()).remote
    project.tag("v1")
    assert repositories.sign(remote) != repositories.sign(remote)


def test_a_repository_that_is_gone_is_told_of_without_a_password(
    repositories: LocalRepositories, tmp_path: Path
) -> None:
    remote = Remote(name="x", address=str(tmp_path / "nowhere"))
    with pytest.raises(BackendError, match="nowhere does not answer") as caught:
        repositories.refs(remote)
    assert caught.value.retryable
    refused = Remote(name="x", address="http://me:s3cret@127.0.0.1:1/model")
    with pytest.raises(BackendError) as caught:
        repositories.refs(refused)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_hangs_is_given_up(silent_server: str) -> None:
    with pytest.raises(BackendError, match=r"git did not answer within 0\.2 s"):
        run_git("/", "ls-remote", silent_server, patience=0.2)


def test_a_helper_that_hangs_goes_with_its_git(tmp_path: Path) -> None:
    """What git has started is ended with it, so that nothing goes on and nothing is waited for."""
    helper = tmp_path / "ssh"
    helper.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 60\n")
    helper.chmod(0o755)
    with pytest.raises(BackendError):
        run_git("/", "ls-remote", "ssh://git@example.com/x", patience=0.5, variables={"GIT_SSH": str(helper)})
    assert not stays(int((tmp_path / "pid").read_text()))


def test_no_password_is_among_the_words_of_git(tmp_path: Path) -> None:
    helper = tmp_path / "ssh"
    helper.write_text("#!/bin/sh\necho 'ssh: cannot reach https://me:s3cret@example.com/x' >&2\nexit 1\n")
    helper.chmod(0o755)
    answer = run_git("/", "ls-remote", "ssh://git@example.com/x", variables={"GIT_SSH": str(helper)})
    assert answer.words == "ssh: cannot reach https://example.com/x"


def test_nobody_is_asked_for_a_password(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\ntouch {asked}\n")
    ask.chmod(0o755)
    variables = {"SSH_ASKPASS": str(ask), "DISPLAY": ":0"}
    answer = run_git("/", "credential", "fill", given=b"protocol=https\nhost=example.com\n\n", variables=variables)
    assert not answer.is_good
    assert not asked.exists()


def test_a_repository_starts_no_program_of_its_own(
    project: GitProject, tmp_path: Path, repositories: LocalRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hooks, its file monitor and an address that is a program are left alone, whatever the user allows."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.ext.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    started = tmp_path / "started"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    git(project.top, "config", "core.fsmonitor", str(program))
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (project.top / ".git" / "hooks" / name).symlink_to(program)
    home = repositories.home(project.workspace())
    repositories.refs(home.remote)
    repositories.changed(home.remote, "HEAD", "HEAD")
    with pytest.raises(BackendError):
        repositories.refs(Remote(name="x", address=f"ext::{program}"))
    with pytest.raises(BackendError):
        repositories.refs(Remote(name="x", address=f"--upload-pack={program}", settings=str(project.top)))
    assert not started.exists()
