"""Work in processes of its own."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Protocol

from everfit.domain.job import JobSpec, JobStatus


class Jobs(Protocol):
    """Starts, observes and stops work that runs in processes of its own."""

    def start(self, spec: JobSpec) -> None:
        """Start the job; a job of that name that was started before is left alone."""
        ...

    def observe(self, name: str) -> JobStatus:
        """Return how the job stands now; a job whose process is gone without a result is ``FAILED``, ``LOST``."""
        ...

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        """Return as soon as the job has ended, or how it stands when *patience* is over."""
        ...

    def stop(self, name: str) -> None:
        """Ask the job's whole process group to end, with its grace; return at once."""
        ...

    def report(self, name: str, file: str) -> Mapping[str, object]:
        """Return the JSON file that the job wrote below its ``output/``, or raise ``NotFoundError``."""
        ...

    def trim(self, run: str) -> None:
        """Delete what the jobs of a run worked on; reports, what they printed and how they ended stay."""
        ...

    def forget(self, run: str) -> None:
        """Delete everything that the jobs of a run left; none of them may be running."""
        ...

    def log(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield what the job has printed so far, from byte *start* on."""
        ...
