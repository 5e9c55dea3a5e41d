"""Jobs on SageMaker: Everfit's image prepares and judges, the user's trains and answers, and S3 keeps what was asked.

Who started a job and who asks about it need not be the same process: both find it by its name, and what was asked for
and how it ended is kept once and never changed.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.evaluate_task import EvaluateTask
from everfit.adapters.aws.job_calls import JobCalls
from everfit.adapters.aws.job_files import STARTED, JobFiles
from everfit.adapters.aws.job_logs import JobLogs, from_byte
from everfit.adapters.aws.job_programs import JobPrograms, Wheels
from everfit.adapters.aws.job_requests import Setting
from everfit.adapters.aws.job_tasks import UNKNOWN, PrepareTask, Task, TrainTask, Workshop
from everfit.adapters.aws.pipeline_definition import is_pipelined
from everfit.adapters.aws.pipeline_jobs import PipelineCalls
from everfit.adapters.aws.submission import Submission, check, written
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BusyError, NotFoundError, RequestError
from everfit.domain.job import JobKind, JobSpec, JobState, JobStatus
from everfit.domain.project import Environment, Project

LOOK: Final = timedelta(seconds=10)
"""Longest time between two looks at a job: they take minutes, and an account may ask only so often."""
FIRST_LOOK: Final = timedelta(milliseconds=250)
"""Time between the first two; each is twice as long as the one before."""


class SageMakerJobs:
    """Implements ``Jobs`` for one environment.

    Args:
        role_arn: the role that jobs act in.
        look: longest time between two looks at a job that is waited for.
        wheels: the packages of Everfit's own jobs; None takes those that ``everfit apply`` has sent.
    """

    def __init__(  # noqa: PLR0913 - the first five are what every adapter of an environment is given
        self,
        clients: Clients,
        place: AwsPlace,
        project: Project,
        environment: Environment,
        role_arn: str,
        *,
        look: timedelta = LOOK,
        wheels: Wheels | None = None,
    ) -> None:
        self._files = JobFiles(clients, place)
        self._logs = JobLogs(clients, project.secrets)
        setting = Setting(place=place, project=project, environment=environment, role=role_arn)
        self._calls = PipelineCalls(clients, setting) if is_pipelined(setting) else JobCalls(clients)
        shop = Workshop(
            setting=setting,
            files=self._files,
            calls=self._calls,
            logs=self._logs,
            # An image of the user's own is to hold Everfit, unless its packages were sent before.
            programs=JobPrograms(self._files, place, wheels if place.image is None else None),
        )
        self._tasks: Mapping[JobKind, Task] = {
            JobKind.PREPARE: PrepareTask(shop),
            JobKind.TRAIN: TrainTask(shop),
            JobKind.EVALUATE: EvaluateTask(shop),
        }
        self._look = look.total_seconds()
        self._due: dict[str, tuple[float, float]] = {}

    def start(self, spec: JobSpec) -> None:
        """Start the job unless it was started before; also of two that try at once, one starts it."""
        check(spec)
        submission = self._files.submit(written(spec))
        if self._files.end(submission) is not None or self._files.is_marked(submission, STARTED):
            return
        self._task(submission).begin(submission, spec)
        self._files.mark(submission, STARTED)

    def observe(self, name: str) -> JobStatus:
        """Return how the job stands; how it ended is kept by the first who sees it."""
        return self._seen(name, goes_on=True)

    def _seen(self, name: str, *, goes_on: bool) -> JobStatus:
        """Return how the job stands, and let it go on with what is due only when that is wanted."""
        submission = self._files.submission(name)
        if submission is None:
            return UNKNOWN
        end = self._files.end(submission)
        if end is not None:
            return end
        status = self._task(submission).look(submission, goes_on=goes_on)
        if status.state in (JobState.RUNNING, JobState.UNKNOWN):
            return status
        return self._files.keep_end(submission, status)

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        """Return as soon as a look finds that the job has ended, or that it runs when *patience* is over."""
        deadline = time.monotonic() + patience.total_seconds()
        while True:
            due, pause = self._due.get(name, (0.0, FIRST_LOOK.total_seconds()))
            time.sleep(max(0.0, min(due, deadline) - time.monotonic()))
            if due > deadline:
                return JobStatus(state=JobState.RUNNING)
            status = self.observe(name)
            if status.state is not JobState.RUNNING:
                self._due.pop(name, None)
                return status
            self._due[name] = (time.monotonic() + min(pause, self._look), pause * 2)
            if time.monotonic() >= deadline:
                return status

    def stop(self, name: str) -> None:
        """Ask the job to end; SageMaker sends SIGTERM, and SIGKILL after 120 s (API reference, StopTrainingJob)."""
        submission = self._files.submission(name)
        if submission is not None and self._files.end(submission) is None:
            self._task(submission).stop(submission)

    def report(self, name: str, file: str) -> Mapping[str, object]:
        """Return the JSON file that the job wrote below its ``output/``; what a training writes there is not kept."""
        submission = self._files.submission(name)
        if submission is None:
            raise NotFoundError(f"The job {name} has no report {file}.")
        return self._files.report(submission, file)

    def trim(self, run: str) -> None:
        """Delete what the jobs of a run worked on; reports, what they printed and how they ended stay."""
        for name in list(self._files.names(run)):
            # What has ended must be known to have, before what shows it is gone.
            self._seen(name, goes_on=False)
        self._files.trim(run)

    def forget(self, run: str) -> None:
        """Delete everything that the jobs of a run left in S3; SageMaker keeps its own records."""
        if not run or "/" in run:
            raise RequestError(f"{run!r} is no run.")
        for name in list(self._files.names(run)):
            if self._seen(name, goes_on=False).state is JobState.RUNNING:
                raise BusyError(f"The job {name} is still running; stop it before its run is deleted.")
        self._files.forget(run)

    def log(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield what the job has printed so far, from byte *start* on."""
        submission = self._files.submission(name)
        if submission is None:
            raise NotFoundError(f"There is no job {name}.")
        return from_byte(self._printed(submission), start)

    def ended(self, run: str) -> None:
        """Let go of what still waits for a run that has ended."""
        self._calls.ended(run)

    def _printed(self, submission: Submission) -> Iterator[bytes]:
        for service, name in self._task(submission).parts(submission):
            yield from self._logs.printed(service, self._calls.name_of(service, name))
        end = self._files.end(submission)
        for note in () if end is None else end.notes:
            yield f"[everfit: {note}]\n".encode()

    def _task(self, submission: Submission) -> Task:
        return self._tasks[submission.spec.kind]
