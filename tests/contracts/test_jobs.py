"""What everybody may expect of ``Jobs``, wherever they run."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from everfit.adapters.local.jobs import LocalJobs
from everfit.adapters.memory.jobs import Ended, MemoryJobs
from everfit.application.ports import Jobs
from everfit.domain.errors import BusyError, NotFoundError
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from tests.aws.bench.client import Bench
    from tests.aws.working import Works

PATIENCE = timedelta(seconds=30)
NO_REPORT = "SageMaker keeps of a training's output folder only data/; its own tests read the reports of other jobs"
SCRIPTS = {
    "good.py": "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('m'); print('hello world', flush=True)\n"
    "open(os.environ['SM_OUTPUT_DIR'] + '/report.json', 'w').write('{\"rows\": 3}')",
    "bad.py": "print('no luck'); raise SystemExit(3)",
    "endless.py": "import signal\nprint('on', flush=True)\nwhile True: signal.pause()",
}


def in_memory(spec: JobSpec) -> Ended:
    failed = JobStatus(state=JobState.FAILED, failure=JobFailure.EXIT, message="exit code 3: no luck")
    return {
        "good.py": Ended(
            status=JobStatus(state=JobState.SUCCEEDED, output="ml", seconds=1.0),
            printed=b"hello world\n",
            reports={"report.json": {"rows": 3}},
        ),
        "bad.py": Ended(status=failed, printed=b"no luck\n"),
        "endless.py": Ended(status=JobStatus(state=JobState.RUNNING), printed=b"on\n"),
    }[spec.program]


@pytest.fixture(params=["local", "memory", "sagemaker"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    jobs: Jobs
    match request.param:
        case "local":
            jobs = LocalJobs(tmp_path)
        case "memory":
            jobs = MemoryJobs(in_memory)
        case _:
            request.getfixturevalue("bench").set(grace=0.1)
            jobs = request.getfixturevalue("works").jobs()
    yield jobs
    for program in SCRIPTS:
        jobs.stop(name(program))
        jobs.wait(name(program), PATIENCE)


@pytest.fixture
def works(bench: "Bench", aws_clients: "Clients") -> "Works":
    from tests.aws.working import Works  # noqa: PLC0415 - only with the extra aws

    return Works(bench=bench, clients=aws_clients)


@pytest.fixture
def code(request: pytest.FixtureRequest, jobs: Jobs, tmp_path: Path) -> str:
    if not isinstance(jobs, LocalJobs | MemoryJobs):
        archive: str = request.getfixturevalue("works").code(SCRIPTS)
        return archive
    folder = tmp_path / "code"
    folder.mkdir()
    for program, script in SCRIPTS.items():
        (folder / program).write_text(script)
    return str(folder)


def name(program: str) -> str:
    return f"r1-{program.removesuffix('.py')}"


def spec(program: str, code: str) -> JobSpec:
    return JobSpec(name=name(program), kind=JobKind.TRAIN, run="r1", program=program, code=code)


def printed(jobs: Jobs, job: str) -> bytes:
    return b"".join(jobs.log(job))


def test_a_job_nobody_started_is_unknown(jobs: Jobs) -> None:
    assert jobs.observe("r1-never").state is JobState.UNKNOWN
    assert jobs.wait("r1-never", PATIENCE).state is JobState.UNKNOWN
    jobs.stop("r1-never")
    with pytest.raises(NotFoundError):
        list(jobs.log("r1-never"))


def test_a_job_that_succeeds_has_an_output(jobs: Jobs, code: str) -> None:
    jobs.start(spec("good.py", code))
    status = jobs.wait("r1-good", PATIENCE)
    assert status.state is JobState.SUCCEEDED
    assert status.output is not None
    assert status.seconds is not None
    assert jobs.observe("r1-good") == status


def test_a_job_that_fails_says_why(jobs: Jobs, code: str) -> None:
    jobs.start(spec("bad.py", code))
    status = jobs.wait("r1-bad", PATIENCE)
    assert (status.state, status.failure) == (JobState.FAILED, JobFailure.EXIT)
    assert "exit code 3" in (status.message or "")
    assert "no luck" in (status.message or "")


def test_a_job_that_has_ended_is_not_started_again(jobs: Jobs, code: str) -> None:
    jobs.start(spec("bad.py", code))
    jobs.wait("r1-bad", PATIENCE)
    jobs.start(spec("bad.py", code))
    assert jobs.observe("r1-bad").state is JobState.FAILED
    assert printed(jobs, "r1-bad").count(b"no luck\n") == 1


def test_waiting_ends_with_the_patience(jobs: Jobs, code: str) -> None:
    jobs.start(spec("endless.py", code))
    assert jobs.wait("r1-endless", timedelta(milliseconds=20)).state is JobState.RUNNING


def test_a_running_job_can_be_stopped(jobs: Jobs, code: str) -> None:
    jobs.start(spec("endless.py", code))
    jobs.stop("r1-endless")
    assert jobs.wait("r1-endless", PATIENCE).failure is JobFailure.STOPPED


def test_the_log_is_read_from_any_byte(jobs: Jobs, code: str) -> None:
    jobs.start(spec("good.py", code))
    jobs.wait("r1-good", PATIENCE)
    whole = printed(jobs, "r1-good")
    assert b"hello world\n" in whole
    assert b"".join(jobs.log("r1-good", 6)) == whole[6:]
    assert b"".join(jobs.log("r1-good", len(whole))) == b""


def test_a_report_is_what_the_job_wrote(jobs: Jobs, code: str) -> None:
    if not isinstance(jobs, LocalJobs | MemoryJobs):
        pytest.skip(NO_REPORT)
    jobs.start(spec("good.py", code))
    jobs.wait("r1-good", PATIENCE)
    assert jobs.report("r1-good", "report.json") == {"rows": 3}
    with pytest.raises(NotFoundError, match=r"other\.json"):
        jobs.report("r1-good", "other.json")


def test_a_trimmed_run_keeps_its_logs_its_reports_and_its_ends(jobs: Jobs, code: str) -> None:
    jobs.start(spec("good.py", code))
    status = jobs.wait("r1-good", PATIENCE)
    before = printed(jobs, "r1-good")
    jobs.trim("r1")
    assert jobs.observe("r1-good") == status
    assert printed(jobs, "r1-good") == before
    if isinstance(jobs, LocalJobs | MemoryJobs):
        assert jobs.report("r1-good", "report.json") == {"rows": 3}


def test_a_forgotten_run_has_no_jobs(jobs: Jobs, code: str) -> None:
    jobs.start(spec("good.py", code))
    jobs.wait("r1-good", PATIENCE)
    jobs.forget("r1")
    jobs.forget("r2")
    assert jobs.observe("r1-good").state is JobState.UNKNOWN


def test_a_run_with_a_running_job_is_not_forgotten(jobs: Jobs, code: str) -> None:
    jobs.start(spec("endless.py", code))
    with pytest.raises(BusyError, match="r1-endless"):
        jobs.forget("r1")
