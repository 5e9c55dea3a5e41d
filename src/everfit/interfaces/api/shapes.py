"""What goes out, typed: each answer is described by these."""

from typing import Any

from pydantic import BaseModel, Field


class TriggerRow(BaseModel):
    """One trigger event and its end."""

    id: str
    place: int
    kind: str
    trigger: str
    model: str
    environment: str
    actor: str
    subject: str
    at: str
    accepted: str | None
    end: str
    run: str | None
    reason: str | None
    ended: str | None


class Triggers(BaseModel):
    """A page of trigger events, newest first."""

    triggers: list[TriggerRow]
    next: int | None


class RunRow(BaseModel):
    """One run."""

    run: str
    model: str
    environment: str
    outcome: str
    version: int | None
    started: str
    ended: str | None
    waits_for: str | None
    reason: str | None


class Runs(BaseModel):
    """A page of runs, newest first."""

    runs: list[RunRow]
    next: str | None


class StepRow(BaseModel):
    """One step of a run."""

    name: str
    outcome: str
    seconds: float | None
    attempt: int


class RunReport(BaseModel):
    """Everything about a run."""

    run: str
    model: str
    environment: str
    outcome: str
    reason: str | None
    version: int | None
    champion_before: int | None
    champion_after: int | None
    verdict: str | None
    rules: list[dict[str, Any]]
    metrics: dict[str, Any]
    snapshot: str | None
    change: dict[str, Any]
    endpoint: dict[str, Any] | None
    steps: list[StepRow]
    error: str | None


class Steps(BaseModel):
    """The steps of a run in the order in which they first started."""

    steps: list[StepRow]


class EnvironmentRow(BaseModel):
    """Where a model serves."""

    environment: str
    endpoint: str
    promote_from: str | None


class ListenedTo(BaseModel):
    """What starts runs."""

    trigger: str
    environments: list[str]


class ProjectRow(BaseModel):
    """One project."""

    model: str
    task: str
    environments: list[EnvironmentRow]
    triggers: list[ListenedTo]


class TroubleRow(BaseModel):
    """What is wrong with a project file; the last good one is in force."""

    project: str
    trouble: str


class Projects(BaseModel):
    """Every project of the service."""

    projects: list[ProjectRow]
    troubles: list[TroubleRow]


class PauseRow(BaseModel):
    """One pause."""

    model: str
    environment: str | None
    actor: str
    reason: str
    since: str


class Status(BaseModel):
    """What serves in each environment, what waits, and what was interrupted."""

    model: str
    environments: list[dict[str, Any]]
    pauses: list[PauseRow]


class Rollout(BaseModel):
    """How a version takes its traffic step by step; null when none ever did."""

    model: str
    environment: str
    rollout: dict[str, Any] | None


class Pauses(BaseModel):
    """Every pause that holds."""

    pauses: list[PauseRow]


class Resumed(BaseModel):
    """Whether there was a pause to take back."""

    model: str
    environment: str | None
    was_paused: bool


class VersionRow(BaseModel):
    """One version."""

    model: str
    version: int
    artifact: str
    size: int
    run: str
    snapshot: str
    created: str


class Versions(BaseModel):
    """A page of versions, newest first."""

    versions: list[VersionRow]
    next: int | None


class HistoryRow(BaseModel):
    """A time in which a version took traffic."""

    version: int
    environment: str
    since: str = Field(alias="from")
    to: str | None
    reason: str
    actor: str
    run: str | None


class History(BaseModel):
    """What took traffic, newest first."""

    history: list[HistoryRow]


class DecisionRow(BaseModel):
    """How a version stands, and on what evidence."""

    model: str
    environment: str
    version: int
    standing: str
    verdict: str
    reason: str


class ApprovalRow(DecisionRow):
    """What waits for a person."""

    run: str
    champion: int | None


class Approvals(BaseModel):
    """What waits for people, oldest first."""

    approvals: list[ApprovalRow]


class Decided(DecisionRow):
    """What was decided; a worker goes on with the run."""

    run: str | None
    warning: str | None


class RolledBack(BaseModel):
    """Which version serves again."""

    model: str
    environment: str
    endpoint: str
    to: int


class EndpointRow(BaseModel):
    """What an endpoint serves."""

    model: str
    environment: str
    endpoint: str
    status: str
    version: int | None
    url: str | None
    weights: dict[str, float]
    last_modified_time: str | None
    message: str


class Endpoints(BaseModel):
    """Every endpoint."""

    endpoints: list[EndpointRow]


class JobRow(BaseModel):
    """How a training job stands."""

    training_job_name: str
    status: str
    model: str
    environment: str
    auto_deploy: bool
    outcome: str | None
    run: str | None
    version: int | None
    reason: str | None
    created: str


class Delivered(BaseModel):
    """What became of a delivery."""

    accepted: int
    known: int
    refused: int
    events: list[dict[str, str]]
    note: str | None


class AlertRow(BaseModel):
    """One notice for one channel."""

    id: int
    notice: str
    kind: str
    model: str
    environment: str | None
    run: str | None
    at: str
    channel: str
    state: str
    attempts: int
    due: str | None
    error: str | None
    ended: str | None
    more: int
    since: str | None


class Alerts(BaseModel):
    """A page of alerts, newest first."""

    alerts: list[AlertRow]
    next: int | None


class TestedChannel(BaseModel):
    """What came of a test."""

    channel: str
    delivered: bool
    error: str | None


class Tested(BaseModel):
    """What came of a test of the channels."""

    ok: bool
    channels: list[TestedChannel]


class TokenRow(BaseModel):
    """One token, without its secret."""

    id: str
    name: str
    role: str
    created: str
    expires: str | None
    revoked: str | None
    used: str | None


class Tokens(BaseModel):
    """Every token."""

    tokens: list[TokenRow]


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """Whether new work is taken, and what is wrong."""

    ready: bool
    draining: bool
    troubles: dict[str, str]
