"""Virtual environments of jobs, with real installations of a small package that is made here."""

import json
import os
import signal
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.environments import Environments
from everfit.adapters.local.jobs import LocalJobs
from everfit.adapters.local.requirements import is_satisfied
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState
from everfit.jobs.supervision import children, installation

PATIENCE = timedelta(seconds=60)
SCRIPT = (
    "import os, sys, sunshine\n"
    "open(os.environ['SM_MODEL_DIR'] + '/model.txt', 'w').write(sunshine.VALUE)\n"
    "print('ran in', sys.prefix)\n"
)


def package(folder: Path, version: str = "1.0") -> Path:
    """Make a wheel."""
    path = folder / f"sunshine-{version}-py3-none-any.whl"
    information = f"sunshine-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("sunshine.py", "VALUE = 'bright'\n")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: sunshine\nVersion: {version}\n")
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")
    return path


class Bench:
    """A state folder whose environments are shared by the tests here: each takes seconds to build."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "train.py").write_text(SCRIPT)
        (self.code / "more.txt").write_text(f"--no-index\nsunshine @ {package(folder).as_uri()}\n")
        self.requirements = "# what the script needs\n-r more.txt\n"
        self.jobs = LocalJobs(self.home)

    def spec(self, name: str, requirements: str | None = None) -> JobSpec:
        return JobSpec(
            name=name,
            kind=JobKind.TRAIN,
            run="r1",
            program="train.py",
            code=str(self.code),
            requirements=self.requirements if requirements is None else requirements,
            grace=timedelta(seconds=1),
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("environments"))
    yield bench
    for job in (bench.home / "runs" / "r1").iterdir():
        children.end_marked(str(job))


def test_two_jobs_at_once_build_the_environment_once_and_both_train_in_it(bench: Bench) -> None:
    names = ["r1-one", "r1-two"]
    for name in names:
        bench.jobs.start(bench.spec(name))
    for name in names:
        status = bench.jobs.wait(name, PATIENCE)
        assert status.state is JobState.SUCCEEDED, status.message
        assert status.packages["sunshine"] == "1.0"
        assert status.python not in {None, sys.executable}
    installed = [b"Successfully installed sunshine" in b"".join(bench.jobs.log(name)) for name in names]
    assert sorted(installed) == [False, True]


def test_a_half_built_environment_is_built_anew(bench: Bench) -> None:
    bench.jobs.start(bench.spec("r1-first"))
    python = bench.jobs.wait("r1-first", PATIENCE).python
    assert python is not None
    folder = Path(python).parents[1]
    (folder / "complete").unlink()
    (folder / "rubbish").touch()
    bench.jobs.start(bench.spec("r1-again"))
    assert bench.jobs.wait("r1-again", PATIENCE).state is JobState.SUCCEEDED
    assert not (folder / "rubbish").exists()


def test_requirements_that_cannot_be_installed_fail_with_the_words_of_pip(bench: Bench) -> None:
    bench.jobs.start(bench.spec("r1-absent", "--no-index\nno-such-package-at-all==9"))
    status = bench.jobs.wait("r1-absent", PATIENCE)
    assert status.failure is JobFailure.REQUIREMENTS
    assert "no-such-package-at-all==9" in (status.message or "")


def start_and_wait_for_installation(bench: Bench, name: str) -> str:
    """Return the folder of a job that is building its environment."""
    folder = str(bench.home / "runs" / "r1" / name)
    bench.jobs.start(bench.spec(name, f"--no-index\nno-such-package-{name}==9"))
    while not list(children.marked(folder)):
        assert bench.jobs.wait(name, timedelta(milliseconds=5)).state is JobState.RUNNING
    return folder


def watcher(folder: str) -> int:
    return int(json.loads(Path(folder, "supervisor.json").read_bytes())["pid"])


def test_an_installation_can_be_stopped_and_leaves_no_process(bench: Bench) -> None:
    folder = start_and_wait_for_installation(bench, "r1-stopped")
    bench.jobs.stop("r1-stopped")
    assert bench.jobs.wait("r1-stopped", PATIENCE).failure is JobFailure.STOPPED
    assert list(children.marked(folder)) == []


def test_a_job_that_died_while_it_was_installing_is_started_again(bench: Bench) -> None:
    folder = start_and_wait_for_installation(bench, "r1-died")
    os.kill(watcher(folder), signal.SIGKILL)
    assert bench.jobs.wait("r1-died", PATIENCE).state is JobState.UNKNOWN
    assert list(children.marked(folder)) == []
    bench.jobs.start(bench.spec("r1-died", "packaging"))
    assert bench.jobs.wait("r1-died", PATIENCE).failure is JobFailure.EXIT


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ("", True),
        ("packaging >= 20  # a comment\n\n", True),
        ("packaging<1", False),
        ("no-such-package", False),
        ("no-such-package; python_version < '3'", True),
        ("coverage[toml]", True),
        ("coverage[no-such-extra]", False),
        ("--index-url https://example.org\npackaging", False),
        ("packaging @ https://example.org/packaging.whl", False),
        ("-r other.txt", False),
    ],
)
def test_everfits_own_interpreter_is_used_when_it_has_what_is_asked_for(requirements: str, expected: bool) -> None:
    assert is_satisfied(requirements) is expected


def test_the_same_requirements_share_an_environment_and_others_do_not(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    first = environments.choose("absent==1\n")
    assert (
        environments.choose("# why\nabsent==1") == first
        or environments.choose("# why\nabsent==1").folder == first.folder
    )
    assert environments.choose("absent==2").folder != first.folder
    assert environments.choose("-r more.txt", "/code/a").folder != environments.choose("-r more.txt", "/code/b").folder
    assert environments.choose(None).python == sys.executable
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("version", "expected"), [("23.2.1", True), ("22.0", False), (None, False)])
def test_everfits_own_pip_installs_only_when_it_is_new_enough(
    tmp_path: Path, version: str | None, expected: bool
) -> None:
    if version is not None:
        (tmp_path / f"pip-{version}.dist-info").mkdir()
    assert installation.can_install_elsewhere([str(tmp_path), "/nowhere"]) is expected


def test_what_is_installed_is_told_by_name_and_version(tmp_path: Path) -> None:
    for name in ("Scikit_Learn-1.9.1.dist-info", "numpy-2.0.dist-info", "numpy", "README-1.txt"):
        (tmp_path / name).mkdir()
    assert installation.packages([str(tmp_path)]) == {"numpy": "2.0", "scikit-learn": "1.9.1"}
