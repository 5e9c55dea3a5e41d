"""The typed project: what ``everfit.yaml`` says, with every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import MappingProxyType

from everfit.domain.alert import Channel
from everfit.domain.aws import AwsPlace, Function
from everfit.domain.aws_channels import following_channels
from everfit.domain.check import DataRule
from everfit.domain.gate import ApprovalPolicy, GateRule
from everfit.domain.triggers import Trigger

NOTHING: Mapping[str, object] = MappingProxyType({})


def _nothing() -> Mapping[str, object]:
    return NOTHING


class Task(Enum):
    """What kind of question the model answers."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"
    FORECAST = "forecast"
    CUSTOM = "custom"


class Format(Enum):
    """How the data is laid out."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"
    IMAGES = "images"
    FILES = "files"

    @property
    def is_table(self) -> bool:
        """Whether the data has rows and columns."""
        return self in (Format.CSV, Format.PARQUET, Format.JSONL)


class Backend(Enum):
    """Where an environment's work is done."""

    LOCAL = "local"
    SAGEMAKER = "sagemaker"


class Hosting(Enum):
    """What serves on AWS."""

    ENDPOINT = "endpoint"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Where the rows come from and what they must be.

    Args:
        source: a folder, a glob or a URL; a relative one is below the project folder.
        holdout: share of the rows, 0 < share < 1, that no training sees.
        validation: share of the remaining rows that the ``validation`` channel gets; 0 means no such channel.
        encoding: of text files.
        delimiter: of CSV; None means that it is found out.
    """

    source: str
    format: Format = Format.CSV
    target: str | None = None
    time: str | None = None
    id: str | None = None
    holdout: float = 0.2
    validation: float = 0.1
    checks: tuple[DataRule, ...] = ()
    encoding: str = "utf-8"
    delimiter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """How a model is trained; paths are below the project folder.

    Args:
        grace: time between SIGTERM and SIGKILL when a training is stopped (SageMaker gives 120 s).
        metric_definitions: name -> regular expression with one group, searched in what the script prints.
        environment: variables given to the script; values of ``${NAME}`` are secrets and are never printed.
        sagemaker: how it runs on SageMaker.
    """

    script: str = "train.py"
    requirements: str | None = None
    hyperparameters: Mapping[str, object] = field(default_factory=_nothing)
    timeout: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(seconds=120)
    validation_channel: str = "validation"
    metric_definitions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sagemaker: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """How a model answers.

    Args:
        script: holds the handlers; None means the default handlers for the model files that are found.
        content_type: what the evaluation sends, as a client would.
        workers: processes per version that are always kept.
        most_workers: processes per version under load; never less than ``workers``.
        batch: most requests that go into one call of the model.
        gather: how long requests may wait for others that are on their way.
        memory: bytes that one process may hold before another takes its place; None is no limit.
        timeout: for an answer.
        queue: most requests that may wait for a process.
    """

    script: str | None = None
    content_type: str = "application/json"
    workers: int = 1
    most_workers: int = 1
    batch: int = 64
    gather: timedelta = timedelta(milliseconds=2)
    memory: int | None = None
    timeout: timedelta = timedelta(seconds=60)
    queue: int = 1000
    sagemaker: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The git repository that pushes and tags come to.

    Args:
        url: a URL or a folder; None means ``origin`` of the repository that the project folder lies in, or that
            repository itself when it has no ``origin``.
        every: time between two looks at it.
    """

    url: str | None = None
    every: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One place where the model serves.

    Args:
        aws: where on AWS, for the backend ``SAGEMAKER``; None for a local one.
        gate: this environment's own rules; None means the project's.
        promote_from: environment whose tested bytes are taken instead of training anew.
    """

    name: str
    endpoint: str
    backend: Backend = Backend.LOCAL
    data: Data | None = None
    gate: tuple[GateRule, ...] | None = None
    promote_from: str | None = None
    approval: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    tag: str | None = None
    aws: AwsPlace | None = None
    hosting: Hosting = Hosting.ENDPOINT
    function: Function = field(default_factory=Function)
    rollout: Mapping[str, object] = field(default_factory=_nothing)
    watch: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A whole ``everfit.yaml``.

    Args:
        evaluate: the user's own scorer for ``task: custom``, below the project folder.
        budget: most runs in a calendar month (UTC) in each environment; None is no limit.
        no_success_for: people are told when no run has deployed for this long; None means never.
        later: keys that are valid and not acted on by this release, as the user wrote them.
        secrets: values that came from ``${NAME}``; they must appear in no log, event, page or artifact.
    """

    model: str
    task: Task
    data: Data
    train: Train = field(default_factory=Train)
    serve: Serve = field(default_factory=Serve)
    gate: tuple[GateRule, ...] = ()
    evaluate: str | None = None
    environments: Mapping[str, Environment] = field(default_factory=lambda: MappingProxyType({}))
    triggers: tuple[Trigger, ...] = ()
    repository: Repository = field(default_factory=Repository)
    budget: int | None = None
    monitor: Mapping[str, object] = field(default_factory=_nothing)
    alerts: tuple[Channel, ...] = ()
    no_success_for: timedelta | None = None
    later: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel: those below ``alerts``, and those that come with environments on AWS."""
        return (*self.alerts, *following_channels((each.aws for each in self.environments.values()), self.alerts))

    def rules_in(self, environment: Environment) -> tuple[GateRule, ...]:
        """Return the gate that holds in *environment*."""
        return self.gate if environment.gate is None else environment.gate

    def data_in(self, environment: Environment) -> Data:
        """Return the data that *environment* trains on."""
        return self.data if environment.data is None else environment.data
