"""Work that runs outside the control plane: what is asked for, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import MappingProxyType


class JobKind(Enum):
    """What a job does in the loop."""

    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything a job needs; starting the same name twice starts it once.

    Args:
        name: unique and deterministic: it contains the run's id and the attempt.
        code: folder with the user's frozen code; None for Everfit's own programs.
        program: the user's script below ``code``, or a module such as ``everfit.jobs.prepare``.
        requirements: text of a ``requirements.txt``; None runs in the interpreter of Everfit itself.
        parameters: input of Everfit's own programs, given as ``input/config/parameters.json``.
        channels: name -> folder that the job gets a copy of, as ``input/data/<name>``.
        environment: variables for the job; the values of those named in ``secrets`` are never written to disk.
        hidden: values that are cut out of everything the job prints, besides those of ``secrets``.
        metric_definitions: name -> regular expression; the last match in the output is the claim.
        checkpoints: a folder kept between attempts of one run.
    """

    name: str
    kind: JobKind
    run: str
    program: str
    code: str | None = None
    requirements: str | None = None
    hyperparameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    channels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    metric_definitions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    checkpoints: bool = False
    timeout: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(seconds=120)


class JobState(Enum):
    """How a job stands."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobFailure(Enum):
    """Why a job failed; each is told apart because each has its own remedy."""

    EXIT = "exit"
    NO_MODEL = "no model"
    KILLED = "killed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    DISK_FULL = "disk full"
    STOPPED = "stopped"
    REQUIREMENTS = "requirements"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What is known of a job now.

    Args:
        output: folder with what the job made: ``model/`` and ``output/`` below it; None until it succeeded.
        claims: what the script said of itself, by ``metric_definitions``.
        message: for a failure one sentence: what happened, with exit code and the script's last words.
        seconds: wall time of the job.
        peak_memory: of the largest process, in bytes.
        python: the interpreter that ran it, for serving code with the same requirements.
        python_version: of that interpreter, such as ``3.11.7``.
        packages: name -> version of what was installed there.
        notes: what else is worth telling, such as what a spot instance saved.
    """

    state: JobState
    output: str | None = None
    failure: JobFailure | None = None
    message: str | None = None
    claims: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float | None = None
    peak_memory: int | None = None
    python: str | None = None
    python_version: str | None = None
    packages: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
