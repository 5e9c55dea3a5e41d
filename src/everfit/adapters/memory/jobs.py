"""Jobs that run nothing: a function says how each ends."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from everfit.domain.errors import BusyError, NotFoundError
from everfit.domain.job import JobFailure, JobSpec, JobState, JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a job that ran nothing leaves.

    Args:
        status: one that is ``RUNNING`` stays so until the job is stopped.
        printed: its log.
        reports: file name below ``output/`` -> content.
    """

    status: JobStatus
    printed: bytes = b""
    reports: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])


class MemoryJobs:
    """Jobs whose end *work* tells when they start; ``specs`` holds what was started, in order."""

    def __init__(self, work: Callable[[JobSpec], Ended]) -> None:
        self._work = work
        self._jobs: dict[str, tuple[str, Ended]] = {}
        self.specs: list[JobSpec] = []

    def start(self, spec: JobSpec) -> None:
        """Let the job end as the function says, unless it was started before."""
        if spec.name not in self._jobs:
            self.specs.append(spec)
            self._jobs[spec.name] = (spec.run, self._work(spec))

    def observe(self, name: str) -> JobStatus:
        """Return how the job stands."""
        known = self._jobs.get(name)
        return JobStatus(state=JobState.UNKNOWN) if known is None else known[1].status

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        """Return how the job stands."""
        return self.observe(name)

    def stop(self, name: str) -> None:
        """End a job that is running."""
        if self.observe(name).state is JobState.RUNNING:
            run, ended = self._jobs[name]
            status = JobStatus(state=JobState.FAILED, failure=JobFailure.STOPPED, message="It was stopped on request.")
            self._jobs[name] = (run, Ended(status=status, printed=ended.printed))

    def report(self, name: str, file: str) -> Mapping[str, object]:
        """Return what the job left as its report."""
        if file not in self._known(name).reports:
            raise NotFoundError(f"The job {name} has no report {file}.")
        return self._known(name).reports[file]

    def trim(self, run: str) -> None:
        """Do nothing: memory holds only what stays."""

    def forget(self, run: str) -> None:
        """Forget the run's jobs."""
        names = [name for name, (owner, _) in self._jobs.items() if owner == run]
        for name in names:
            if self.observe(name).state is JobState.RUNNING:
                raise BusyError(f"The job {name} is still running; stop it before its run is deleted.")
        for name in names:
            del self._jobs[name]

    def log(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield what the job has printed, from byte *start* on."""
        yield self._known(name).printed[start:]

    def _known(self, name: str) -> Ended:
        if name not in self._jobs:
            raise NotFoundError(f"There is no job {name}.")
        return self._jobs[name][1]
