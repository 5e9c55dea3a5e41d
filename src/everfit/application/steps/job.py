"""Starts a job once and tells how it stands; a lost one of Everfit's own is made anew, a lost training never is."""

from dataclasses import replace

from everfit.application.step import AwaitJob, Context
from everfit.domain.errors import RunFailedError
from everfit.domain.job import JobFailure, JobSpec, JobState, JobStatus

MOST_TRIES = 3


def settled(context: Context, spec: JobSpec, *, repeatable: bool) -> tuple[str, JobStatus] | AwaitJob:
    """Return the job's name and status once it has succeeded, or that it is waited for.

    Args:
        repeatable: whether a job that was lost may be started anew: true where doing the work twice costs
            nothing but time.

    Raises:
        RunFailedError: the job failed; the message holds its last words.
    """
    for number in range(1, MOST_TRIES + 1):
        attempt = spec if number == 1 else replace(spec, name=f"{spec.name}-{number}")
        status = context.ports.jobs.observe(attempt.name)
        if status.state is JobState.UNKNOWN:
            context.ports.jobs.start(attempt)
            return AwaitJob(job=attempt.name)
        if status.state is JobState.RUNNING:
            return AwaitJob(job=attempt.name)
        if status.state is JobState.SUCCEEDED:
            return attempt.name, status
        if not (repeatable and status.failure is JobFailure.LOST):
            raise RunFailedError(status.message or f"The job {attempt.name} failed.")
    raise RunFailedError(f"The job {spec.name} was lost {MOST_TRIES} times; see `everfit doctor`.")
