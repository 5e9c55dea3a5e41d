"""What a job was asked to do, as it is kept in S3: the first who asks decides, and no value of a secret is in it."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from everfit.domain.errors import RequestError, StateError
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that was asked for.

    Args:
        spec: without the values of the secrets.
        digest: tells this job from any other of the same name.
    """

    spec: JobSpec
    digest: str


def check(spec: JobSpec) -> None:
    """Raise ``RequestError`` for a job that cannot run."""
    for text in (spec.run, spec.name, *spec.channels):
        if not _NAME.fullmatch(text):
            raise RequestError(f"{text!r} cannot name a job or a channel; use letters, digits, '.', '_' and '-'.")
    if not spec.name.startswith(f"{spec.run}-"):
        raise RequestError(f"The job {spec.name} does not begin with its run {spec.run}, by which it is found again.")
    for metric, pattern in spec.metric_definitions.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise RequestError(f"The metric definition {metric!r} is no regular expression: {error}.") from error
    if spec.kind is JobKind.TRAIN:
        _check_training(spec)


def _check_training(spec: JobSpec) -> None:
    if spec.code is None:
        raise RequestError(f"The training job {spec.name} has no code.")
    if not spec.program.endswith((".py", ".sh")):
        raise RequestError(f"{spec.program} cannot be run; a training script is a .py or .sh file.")
    for channel, source in spec.channels.items():
        if not source.startswith("s3://"):
            raise RequestError(f"The channel {channel} of job {spec.name} is {source}, which no job on AWS can read.")


def written(spec: JobSpec) -> dict[str, object]:
    """Return the spec as JSON, without the values of its secrets."""
    return {
        "name": spec.name,
        "kind": spec.kind.value,
        "run": spec.run,
        "program": spec.program,
        "code": spec.code,
        "requirements": spec.requirements,
        "hyperparameters": dict(spec.hyperparameters),
        "parameters": dict(spec.parameters),
        "channels": dict(spec.channels),
        "environment": {name: value for name, value in spec.environment.items() if name not in spec.secrets},
        "secrets": sorted(spec.secrets),
        "metric_definitions": dict(spec.metric_definitions),
        "checkpoints": spec.checkpoints,
        "timeout": spec.timeout.total_seconds(),
    }


def encoded(document: Mapping[str, object]) -> bytes:
    """Return the one form in which a document is written."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_submission(data: bytes, url: str) -> Submission:
    """Return what *data* says; *url* is where it was found."""
    try:
        told: dict[str, Any] = json.loads(data)
        spec = JobSpec(
            name=str(told["name"]),
            kind=JobKind(told["kind"]),
            run=str(told["run"]),
            program=str(told["program"]),
            code=told["code"],
            requirements=told["requirements"],
            hyperparameters=told["hyperparameters"],
            parameters=told["parameters"],
            channels=told["channels"],
            environment=told["environment"],
            secrets=frozenset(told["secrets"]),
            metric_definitions=told["metric_definitions"],
            checkpoints=bool(told["checkpoints"]),
            timeout=timedelta(seconds=float(told["timeout"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{url} is damaged ({error}); an older version of it may be in the bucket.") from error
    return Submission(spec=spec, digest=hashlib.sha256(data).hexdigest()[:32])


def status_to_json(status: JobStatus) -> dict[str, object]:
    """Return how a job ended as JSON."""
    return {
        "state": status.state.value,
        "output": status.output,
        "failure": None if status.failure is None else status.failure.value,
        "message": status.message,
        "claims": dict(status.claims),
        "seconds": status.seconds,
        "python": status.python,
        "notes": list(status.notes),
    }


def read_status(data: bytes, url: str) -> JobStatus:
    """Return how a job ended, as *data* says."""
    try:
        told: dict[str, Any] = json.loads(data)
        return JobStatus(
            state=JobState(told["state"]),
            output=told["output"],
            failure=None if told["failure"] is None else JobFailure(told["failure"]),
            message=told["message"],
            claims={name: float(value) for name, value in cast("dict[str, float]", told["claims"]).items()},
            seconds=told["seconds"],
            python=told["python"],
            notes=tuple(cast("Sequence[str]", told["notes"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{url} is damaged ({error}); an older version of it may be in the bucket.") from error
