"""A training is started once, whatever is killed meanwhile, and found again."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.errors import BackendError, RequestError
from everfit.domain.job import JobFailure, JobSpec, JobState
from tests.training_bench import FORKS, NAME, PATIENCE, SAVE, Bench, bench, failure, message

__all__ = ["bench"]


STARTER = """
import sys
from pathlib import Path
from typing import Any
from datetime import timedelta
from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.job import JobKind, JobSpec
home, code = sys.argv[1:3]
jobs = LocalJobs(Path(home))
jobs.start(JobSpec(name="r1-train-1", kind=JobKind.TRAIN, run="r1", program="train.py", code=code))
print("started", flush=True)
jobs.wait("r1-train-1", timedelta(seconds=60))
"""


def starter(spec: JobSpec, home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", STARTER, str(home), str(spec.code)], stdout=subprocess.PIPE)


def counting(folder: Path) -> str:
    return SAVE + f"open({str(folder / 'starts')!r}, 'a').write('started;')\n"


def test_a_training_outlives_the_killed_command_and_is_found_again(bench: Bench, tmp_path: Path) -> None:
    script = counting(tmp_path) + f"print('on', flush=True)\nopen({str(tmp_path / 'go')!r}).read()"
    os.mkfifo(tmp_path / "go")
    spec = bench.spec(script)
    bench.started.append(NAME)
    with starter(spec, bench.home) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"started\n"
        command.kill()
    second = LocalJobs(bench.home)
    second.start(spec)
    assert second.observe(NAME).state is JobState.RUNNING
    (tmp_path / "go").write_text("go")
    assert second.wait(NAME, PATIENCE).state is JobState.SUCCEEDED
    second.start(spec)
    assert (tmp_path / "starts").read_text() == "started;"


def test_two_commands_at_once_start_one_training(bench: Bench, tmp_path: Path) -> None:
    spec = bench.spec(counting(tmp_path))
    bench.started.append(NAME)
    with starter(spec, bench.home) as one, starter(spec, bench.home) as other:
        assert one.wait(30) == other.wait(30) == 0
    assert bench.jobs.observe(NAME).state is JobState.SUCCEEDED
    assert (tmp_path / "starts").read_text() == "started;"


def test_a_start_that_was_cut_short_is_done_by_the_next(bench: Bench, tmp_path: Path) -> None:
    spec = bench.spec(counting(tmp_path))
    bench.job().mkdir(parents=True)
    (bench.job() / "lock").touch()
    (bench.job() / "spec.json").write_text('{"half": ')
    assert bench.jobs.observe(NAME).state is JobState.UNKNOWN
    bench.jobs.start(spec)
    assert bench.jobs.wait(NAME, PATIENCE).state is JobState.SUCCEEDED
    assert (tmp_path / "starts").read_text() == "started;"


def test_a_job_whose_supervisor_was_killed_is_lost_and_nothing_of_it_runs_on(bench: Bench) -> None:
    bench.start(SAVE + FORKS + "signal.pause()")
    bench.until_printed("all born")
    pid = int((bench.job() / "supervisor.json").read_text().split('"pid":')[1].split(",")[0])
    os.kill(pid, signal.SIGKILL)
    status = bench.jobs.wait(NAME, PATIENCE)
    assert failure(status) is JobFailure.LOST
    assert "all born" in message(status)
    assert bench.survivors() == []
    bench.jobs.start(bench.spec(SAVE))
    assert bench.jobs.observe(NAME).failure is JobFailure.LOST


@pytest.mark.parametrize("obstacle", ["of the folder", "of the supervisor"])
def test_a_start_that_cannot_be_made_is_an_error_and_can_be_tried_again(bench: Bench, obstacle: str) -> None:
    spec = bench.spec(SAVE)
    (bench.home / "runs").mkdir(parents=True)
    blocked = bench.home / "runs" / "r1"
    if obstacle == "of the folder":
        blocked.write_text("a file where a folder must be")
    else:
        (bench.job() / "log").mkdir(parents=True)
    with pytest.raises(BackendError, match="r1-train-1"):
        bench.jobs.start(spec)
    assert bench.jobs.observe(NAME).state is JobState.UNKNOWN
    blocked.unlink() if obstacle == "of the folder" else (bench.job() / "log").rmdir()
    bench.jobs.start(spec)
    assert bench.jobs.wait(NAME, PATIENCE).state is JobState.SUCCEEDED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_at_the_start_is_told_and_the_job_can_be_started_later(bench: Bench) -> None:
    bench.job().mkdir(parents=True)
    (bench.job() / "spec.json.partial").symlink_to("/dev/full")
    with pytest.raises(BackendError, match="No space left on device"):
        bench.jobs.start(bench.spec(SAVE))
    (bench.job() / "spec.json.partial").unlink()
    assert bench.train(SAVE).state is JobState.SUCCEEDED


def test_a_program_that_cannot_be_started_says_why(bench: Bench) -> None:
    status = bench.train(SAVE, environment={"BROKEN": "a\0b"})
    assert failure(status) is JobFailure.EXIT
    assert "could not be started" in message(status)


def test_an_unknown_job_is_unknown(bench: Bench) -> None:
    assert bench.jobs.observe("r1-nothing").state is JobState.UNKNOWN
    bench.jobs.stop("r1-nothing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"program": "absent.py"}, "absent.py is not in the code"),
        ({"program": "train.r"}, r"\.py or \.sh"),
        ({"name": "../escape"}, "cannot name a job"),
        ({"channels": {"train": "/nowhere"}}, "/nowhere does not exist"),
        ({"metric_definitions": {"loss": "("}}, "no regular expression"),
    ],
)
def test_what_cannot_run_is_refused_before_it_starts(bench: Bench, change: Mapping[str, object], words: str) -> None:
    spec = dataclasses.replace(bench.spec(SAVE), **change)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=words):
        bench.jobs.start(spec)
