"""The kinds of jobs that are one job of SageMaker: how each begins, and what is seen of it."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from everfit.adapters.aws import job_ends
from everfit.adapters.aws.images import serving_image
from everfit.adapters.aws.job_calls import JobCalls, Seen, Service
from everfit.adapters.aws.job_files import STARTED, JobFiles
from everfit.adapters.aws.job_logs import JobLogs
from everfit.adapters.aws.job_programs import JobPrograms
from everfit.adapters.aws.job_requests import Setting, sagemaker_name
from everfit.adapters.aws.job_work import FIND_MODULES, Work, finding_modules, preparing
from everfit.adapters.aws.processing_request import Processing, processing_request
from everfit.adapters.aws.source_archive import is_empty, write_source
from everfit.adapters.aws.submission import Submission, encoded
from everfit.adapters.aws.training_request import Training, training_request
from everfit.domain.errors import RequestError
from everfit.domain.job import JobSpec, JobState, JobStatus

UNKNOWN: Final = JobStatus(state=JobState.UNKNOWN)
RUNNING: Final = JobStatus(state=JobState.RUNNING)
SMALL: Final = 4096
"""Bytes up to which an archive is looked into: an empty one is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every task works with."""

    setting: Setting
    files: JobFiles
    calls: JobCalls
    logs: JobLogs
    programs: JobPrograms

    def name(self, name: str) -> str:
        """Return the name of a job at SageMaker."""
        return sagemaker_name(self.setting.place, name)

    def create_processing(self, submission: Submission, part: str, work: Work) -> None:
        """Start a processing job for a submission.

        Args:
            part: its name within the submission; empty for the job itself.
        """
        spec, place = submission.spec, self.place(submission, part)
        wheels = self.programs.wheels() if work.order.get("everfit") else None
        order = {**work.order, **({"wheels": "input/wheels"} if wheels else {})}
        job = Processing(
            name=self.name(part_name(spec.name, part)),
            run=spec.run,
            digest=submission.digest,
            image=work.image,
            instance=work.instance,
            inputs={
                **work.inputs,
                "programs": self.programs.programs(),
                "config": self.files.write(f"{place}/input/job.json", encoded(order)),
                **({"wheels": wheels} if wheels else {}),
            },
            output=self.files.url(f"{place}/output"),
            timeout=work.timeout,
            environment=work.environment,
        )
        self.calls.create(Service.PROCESSING, processing_request(job, self.setting))

    def place(self, submission: Submission, part: str) -> str:
        """Return the folder of a part of a submission, below ``runs/``."""
        folder = self.files.folder(submission)
        return f"{folder}/{part}" if part else folder

    def failed(self, seen: Seen, service: Service, program: str, timeout: float) -> JobStatus:
        """Return the end of a job that did not complete, with its last words."""
        lines = self.logs.last(service, seen.name)
        if seen.status == "Stopped":
            return job_ends.stopped(seen, program, timeout, lines)
        return job_ends.failed(seen, service, program, lines)


def part_name(name: str, part: str) -> str:
    """Return the name of a part of a job."""
    return f"{name}-{part}" if part else name


class Task(Protocol):
    """How jobs of one kind are done."""

    def begin(self, submission: Submission, spec: JobSpec) -> None:
        """Start what can be started now.

        Args:
            spec: as it was asked for now, with the values of its secrets.
        """
        ...

    def look(self, submission: Submission, *, goes_on: bool) -> JobStatus:
        """Return how the job stands.

        Args:
            submission: what was asked for.
            goes_on: whether what is due next may be started.
        """
        ...

    def parts(self, submission: Submission) -> Sequence[tuple[Service, str]]:
        """Return the jobs of SageMaker that it consists of, in the order in which they print."""
        ...

    def stop(self, submission: Submission) -> None:
        """Ask it to end."""
        ...


class OneJob(ABC):
    """A task that is one job of SageMaker."""

    service: Service

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    def parts(self, submission: Submission) -> Sequence[tuple[Service, str]]:
        """Return the job."""
        return [(self.service, self._shop.name(submission.spec.name))]

    def stop(self, submission: Submission) -> None:
        """Ask the job to end."""
        for service, name in self.parts(submission):
            self._shop.calls.stop(service, name)

    def look(self, submission: Submission, *, goes_on: bool) -> JobStatus:
        """Return how the job stands; nothing is due after it."""
        del goes_on
        spec, name = submission.spec, self._shop.name(submission.spec.name)
        seen = self._shop.calls.describe(self.service, name)
        if seen is None or seen.mark != submission.digest:
            # Asked for and not started: whoever asked died in between, and the next one starts it.
            return job_ends.gone(name, spec.program) if self._shop.files.is_marked(submission, STARTED) else UNKNOWN
        if not seen.is_over:
            return RUNNING
        if seen.status == "Completed":
            return self._completed(submission, seen)
        return self._shop.failed(seen, self.service, spec.program, spec.timeout.total_seconds())

    @abstractmethod
    def _completed(self, submission: Submission, seen: Seen) -> JobStatus: ...


class PrepareTask(OneJob):
    """Everfit's own programs as one processing job each."""

    service = Service.PROCESSING

    def begin(self, submission: Submission, spec: JobSpec) -> None:
        """Start the job."""
        looks = submission.spec.program == FIND_MODULES
        work = (finding_modules if looks else preparing)(submission.spec, self._shop.setting)
        self._shop.create_processing(submission, "", work)

    def _completed(self, submission: Submission, seen: Seen) -> JobStatus:
        return JobStatus(
            state=JobState.SUCCEEDED,
            output=self._shop.files.url(self._shop.files.folder(submission)),
            seconds=seen.seconds,
        )


class TrainTask(OneJob):
    """The user's script, or image, as one training job."""

    service = Service.TRAINING

    def begin(self, submission: Submission, spec: JobSpec) -> None:
        """Start the job, when its channels hold anything."""
        files, kept = self._shop.files, submission.spec
        for channel, url in kept.channels.items():
            # SageMaker would find out minutes later, when the instance is there and paid for.
            if not files.has_files(url):
                raise RequestError(f"The channel {channel} of job {kept.name} has no data: {url} is empty.")
        training = Training(
            name=self._shop.name(kept.name),
            spec=replace(kept, environment=spec.environment),
            digest=submission.digest,
            source=self._send_source(submission),
            folder=files.url(kept.run),
        )
        self._shop.calls.create(Service.TRAINING, training_request(training, self._shop.setting))

    def _send_source(self, submission: Submission) -> str:
        spec, files = submission.spec, self._shop.files
        with tempfile.TemporaryDirectory(prefix="everfit-source-") as folder:
            code, source = Path(folder, "code.tar.gz"), Path(folder, "sourcedir.tar.gz")
            files.fetch(str(spec.code), code)
            write_source(code, spec.program, spec.requirements, source)
            return files.write(f"{files.folder(submission)}/sourcedir.tar.gz", source)

    def _completed(self, submission: Submission, seen: Seen) -> JobStatus:
        spec, setting = submission.spec, self._shop.setting
        if not self._has_model(seen):
            return job_ends.without_model(seen, spec.program, self._shop.logs.last(Service.TRAINING, seen.name))
        is_spot = bool(setting.project.train.sagemaker.get("spot"))
        return JobStatus(
            state=JobState.SUCCEEDED,
            # SageMaker writes <S3OutputPath>/<job>/output/model.tar.gz (API reference, OutputDataConfig).
            output=f"{self._shop.files.url(spec.run)}/{seen.name}/output",
            claims=_claims(seen.metrics, spec.metric_definitions),
            seconds=seen.seconds,
            python=serving_image(setting.project, setting.place),
            notes=job_ends.notes_of(seen, is_spot=is_spot),
        )

    def _has_model(self, seen: Seen) -> bool:
        size = None if seen.artifact is None else self._shop.files.size(seen.artifact)
        if size is None or size > SMALL:
            return size is not None
        with tempfile.TemporaryDirectory(prefix="everfit-model-") as folder:
            model = Path(folder, "model.tar.gz")
            self._shop.files.fetch(str(seen.artifact), model)
            return not is_empty(model)


def _claims(metrics: Mapping[str, float], definitions: Mapping[str, str]) -> dict[str, float]:
    # Framework images bring metrics of their own besides.
    return {name: job_ends.claim(value) for name, value in metrics.items() if name in definitions}
