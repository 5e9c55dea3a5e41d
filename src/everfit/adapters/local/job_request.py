"""What a job is asked to do, checked and written down for its supervisor."""

import re
import sys
from pathlib import Path

from everfit.adapters.local.environments import Environment
from everfit.domain.errors import RequestError
from everfit.domain.job import JobKind, JobSpec
from everfit.serving import launch

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def check(spec: JobSpec) -> None:
    """Raise ``RequestError`` for a job that cannot run."""
    for text in (spec.run, spec.name, *spec.channels):
        if not NAME.fullmatch(text):
            raise RequestError(f"{text!r} cannot name a job or a channel; use letters, digits, '.', '_' and '-'.")
    for channel, source in spec.channels.items():
        if not Path(source).exists():
            raise RequestError(f"The channel {channel} of job {spec.name} has no data: {source} does not exist.")
    for metric, pattern in spec.metric_definitions.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise RequestError(f"The metric definition {metric!r} is no regular expression: {error}.") from error
    if spec.kind is JobKind.TRAIN:
        _check_script(spec)


def _check_script(spec: JobSpec) -> None:
    if spec.code is None:
        raise RequestError(f"The training job {spec.name} has no code.")
    if not spec.program.endswith((".py", ".sh")):
        raise RequestError(f"{spec.program} cannot be run; a training script is a .py or .sh file.")
    if not (Path(spec.code) / spec.program).is_file():
        raise RequestError(f"The training script {spec.program} is not in the code; check train.script.")


def description(spec: JobSpec, folder: Path, environment: Environment, log_limit: int) -> dict[str, object]:
    """Return the content of ``spec.json``; the values of secrets are not in it."""
    is_own = spec.kind is not JobKind.TRAIN
    return {
        "name": spec.name,
        "kind": spec.kind.value,
        "program": spec.program,
        "command": launch.command(environment.python, spec.program) if is_own else [],
        "code": spec.code,
        "python": environment.python,
        "installation": environment.folder and {"folder": environment.folder, "requirements": environment.requirements},
        "sites": [entry for entry in sys.path if entry.endswith("-packages")],
        "parameters": dict(spec.parameters),
        "hyperparameters": dict(spec.hyperparameters),
        "channels": dict(spec.channels),
        "environment": {name: value for name, value in spec.environment.items() if name not in spec.secrets},
        "metric_definitions": dict(spec.metric_definitions),
        "checkpoints": str(folder.parent / "checkpoints") if spec.checkpoints else None,
        "timeout": spec.timeout.total_seconds(),
        "grace": spec.grace.total_seconds(),
        "log_limit": log_limit,
    }
