"""The evaluation: each version is asked in a job of its own, in the image that it will serve in, then one job judges.

What is not there yet is started whenever somebody looks, under names that are always the same; so it makes no
difference who looks, how often, or which of them dies in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from everfit.adapters.aws import job_ends
from everfit.adapters.aws.endpoint_config import serving_environment
from everfit.adapters.aws.job_calls import NoRoomError, Seen, Service
from everfit.adapters.aws.job_files import STARTED, STOPPED
from everfit.adapters.aws.job_tasks import RUNNING, UNKNOWN, Workshop, part_name
from everfit.adapters.aws.job_work import (
    CHALLENGER,
    Side,
    Work,
    asking,
    judging,
    requests_of,
    scoring_own,
    sides_of,
    trouble_of,
)
from everfit.adapters.aws.submission import Submission
from everfit.domain.job import JobFailure, JobSpec, JobState, JobStatus
from everfit.domain.project import Task

JUDGE: Final = ""
ANSWERED: Final = "answered"
EVALUATED: Final = "evaluated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A job that scores a version.

    Args:
        what: ``ANSWERED`` by the version itself, or ``EVALUATED`` by the user's scorer.
    """

    side: Side
    what: str

    @property
    def name(self) -> str:
        """Its name within the evaluation; short, since the names of jobs have little room."""
        short = "new" if self.side.name == CHALLENGER else "old"
        return short if self.what == ANSWERED else f"own-{short}"


class EvaluateTask:
    """Scores each version and judges what came of it."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._planned: dict[str, list[Part]] = {}

    def begin(self, submission: Submission, spec: JobSpec) -> None:
        """Start the jobs that score."""
        secret = replace(submission.spec, environment=spec.environment)
        self._start_missing(submission, secret, self._all_seen(submission))

    def look(self, submission: Submission, *, goes_on: bool) -> JobStatus:
        """Return how the evaluation stands, and start what it lacks."""
        judge = self._seen(submission, JUDGE)
        if judge is not None:
            return self._judged(submission, judge)
        seen = self._all_seen(submission)
        found = [each for each in seen.values() if each is not None]
        is_going = any(not each.is_over for each in found)
        if not found and not self._shop.files.is_marked(submission, STARTED):
            return UNKNOWN
        if not is_going and self._shop.files.is_marked(submission, STOPPED):
            words = f"{submission.spec.program} was stopped on request."
            return JobStatus(state=JobState.FAILED, failure=JobFailure.STOPPED, message=words)
        if not is_going and not goes_on:
            return UNKNOWN
        if not is_going and len(found) < len(seen):
            self._start_missing(submission, self._with_secrets(submission.spec), seen)
        elif not is_going:
            return self._broken(submission, found) or self._start_judge(submission, seen)
        return RUNNING

    def parts(self, submission: Submission) -> Sequence[tuple[Service, str]]:
        """Return the jobs that score, then the one that judges."""
        names = [*(part.name for part in self._tried(submission)), JUDGE]
        return [(Service.PROCESSING, self._name(submission, name)) for name in names]

    def stop(self, submission: Submission) -> None:
        """Stop what goes on, and start nothing more."""
        self._shop.files.mark(submission, STOPPED)
        for service, name in self.parts(submission):
            self._shop.calls.stop(service, name)

    def _parts(self, submission: Submission) -> list[Part]:
        """Return what there is to know of each version."""
        name, spec = submission.spec.name, submission.spec
        if name not in self._planned:
            is_own = spec.parameters.get("task") == Task.CUSTOM.value
            has_requests = self._shop.files.exists(requests_of(spec))
            found: list[Part] = []
            for side in sides_of(spec, self._shop.setting):
                if is_own:
                    found.append(Part(side=side, what=EVALUATED))
                # Nobody asks how fast the champion answers, and of the user's scorer that is all there is to ask.
                if has_requests and (not is_own or side.name == CHALLENGER):
                    found.append(Part(side=side, what=ANSWERED))
            self._planned[name] = found
        return self._planned[name]

    def _tried(self, submission: Submission) -> list[Part]:
        return [part for part in self._parts(submission) if trouble_of(part.side) is None]

    def _all_seen(self, submission: Submission) -> dict[str, Seen | None]:
        return {part.name: self._seen(submission, part.name) for part in self._tried(submission)}

    def _start_missing(self, submission: Submission, spec: JobSpec, seen: Mapping[str, Seen | None]) -> None:
        """Start the jobs that are not there; one that a quota has no room for is started when another has ended."""
        is_going = any(each is not None and not each.is_over for each in seen.values())
        for part in self._tried(submission):
            if seen[part.name] is None:
                try:
                    self._shop.create_processing(submission, part.name, self._work(part, spec))
                except NoRoomError:
                    if not is_going:
                        raise
                is_going = True

    def _work(self, part: Part, spec: JobSpec) -> Work:
        setting = self._shop.setting
        if part.what == EVALUATED:
            return scoring_own(part.side, spec, setting, has_holdout=self._has_holdout(spec))
        workers, region = setting.project.serve.workers, setting.place.region
        variables = serving_environment(part.side.script, workers, region)
        return asking(part.side, requests_of(spec), spec, setting, variables)

    def _start_judge(self, submission: Submission, seen: Mapping[str, Seen | None]) -> JobStatus:
        answers: dict[str, dict[str, str]] = {}
        for part in self._parts(submission):
            url = self._shop.files.url(f"{self._shop.place(submission, part.name)}/output/")
            problem = self._problem(submission, part, seen.get(part.name))
            if problem is not None:
                self._shop.files.replace(f"{url}error", problem.encode())
            answers.setdefault(part.side.name, {})[part.what] = url
        spec = submission.spec
        work = judging(spec, self._shop.setting, answers, has_holdout=self._has_holdout(spec))
        self._shop.create_processing(submission, JUDGE, work)
        return RUNNING

    def _problem(self, submission: Submission, part: Part, ended: Seen | None) -> str | None:
        """Return why nothing is known of a version, as the end of a sentence about it; None when its job tells."""
        if ended is None:
            return trouble_of(part.side)
        if ended.status == "Completed":
            return None
        timeout = self._work(part, submission.spec).timeout.total_seconds()
        if ended.status == "Stopped":
            return f"it had not answered everything after {timeout:g} s and was stopped"
        status = self._shop.failed(ended, Service.PROCESSING, "its container", timeout)
        return (status.message or "its container failed").partition("\n")[0]

    def _broken(self, submission: Submission, seen: Sequence[Seen]) -> JobStatus | None:
        """Return the end of an evaluation that says nothing about the versions: AWS failed, or somebody stopped it."""
        timeout = submission.spec.timeout.total_seconds()
        for each in seen:
            if each.status == "Completed" or (each.status == "Failed" and job_ends.is_about_image(each)):
                continue
            status = self._shop.failed(each, Service.PROCESSING, submission.spec.program, timeout)
            if status.failure is not JobFailure.TIMED_OUT:
                return status
        return None

    def _judged(self, submission: Submission, judge: Seen) -> JobStatus:
        spec = submission.spec
        if not judge.is_over:
            return RUNNING
        if judge.status != "Completed":
            return self._shop.failed(judge, Service.PROCESSING, spec.program, spec.timeout.total_seconds())
        return JobStatus(
            state=JobState.SUCCEEDED,
            output=self._shop.files.url(self._shop.files.folder(submission)),
            seconds=judge.seconds,
        )

    def _has_holdout(self, spec: JobSpec) -> bool:
        return self._shop.files.has_files(str(spec.parameters["holdout"]))

    def _with_secrets(self, spec: JobSpec) -> JobSpec:
        """Return the spec with what the project says now; no value of a secret was kept."""
        told = self._shop.setting.project.train.environment
        return replace(spec, environment={**spec.environment, **{n: told[n] for n in spec.secrets if n in told}})

    def _seen(self, submission: Submission, part: str) -> Seen | None:
        seen = self._shop.calls.describe(Service.PROCESSING, self._name(submission, part))
        return seen if seen is not None and seen.mark == submission.digest else None

    def _name(self, submission: Submission, part: str) -> str:
        return self._shop.name(part_name(submission.spec.name, part))
