"""A bench to train on: writes a script, runs it as a job, and looks for what it left running."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus
from everfit.jobs.supervision import children

PATIENCE = timedelta(seconds=30)
SAVE = "import os; open(os.environ['SM_MODEL_DIR'] + '/model.txt', 'w').write('fit')\n"
NAME = "r1-train-1"


FORKS = """
import os, signal, subprocess, sys
lasting = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; print(1, flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", lasting], stdout=subprocess.PIPE)
daemon = subprocess.Popen([sys.executable, "-c", lasting], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline(), daemon.stdout.readline()
print('all born', flush=True)
"""


class Bench:
    """Writes a script and trains with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.jobs = LocalJobs(self.home, log_limit=200_000)
        self.started: list[str] = []

    def spec(self, script: str, name: str = NAME, **more: Any) -> JobSpec:
        code = self.folder / f"code-{name}"
        code.mkdir(exist_ok=True)
        (code / "train.py").write_text(script)
        settings: dict[str, Any] = {"timeout": timedelta(seconds=30), "grace": timedelta(seconds=5)} | more
        return JobSpec(name=name, kind=JobKind.TRAIN, run="r1", program="train.py", code=str(code), **settings)

    def start(self, script: str, **more: Any) -> str:
        spec = self.spec(script, **more)
        self.jobs.start(spec)
        self.started.append(spec.name)
        return spec.name

    def train(self, script: str, **more: Any) -> JobStatus:
        return self.jobs.wait(self.start(script, **more), PATIENCE)

    def log(self, name: str = NAME) -> str:
        return b"".join(self.jobs.log(name)).decode()

    def until_printed(self, text: str, name: str = NAME) -> None:
        while text not in self.log(name):
            assert self.jobs.wait(name, timedelta(milliseconds=10)).state is JobState.RUNNING

    def job(self, name: str = NAME) -> Path:
        return self.home / "runs" / "r1" / name

    def survivors(self) -> list[int]:
        return [pid for name in self.started for pid in children.marked(str(self.job(name)))]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for name in bench.started:
        children.end_marked(str(bench.job(name)))


def failure(status: JobStatus) -> JobFailure:
    assert status.state is JobState.FAILED
    assert status.failure is not None
    assert status.output is None
    return status.failure


def message(status: JobStatus) -> str:
    assert status.message is not None
    return status.message
