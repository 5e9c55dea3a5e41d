"""A run under the name of the training job that a program asked for, from the request to the deployment."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from everfit.application.ports import Catalog, Ports
from everfit.application.releases import Decision, keep
from everfit.application.retraining import environment_of
from everfit.application.workspace import Workspace
from everfit.domain.errors import IllegalMoveError, NotFoundError, RequestError
from everfit.domain.run import Outcome, Run, RunId
from everfit.domain.trigger import EventEnd, EventRecord
from everfit.domain.version import Standing

PREFIX: Final = "api:"


class JobStatus(Enum):
    """How a job stands, in SageMaker's words."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """What is known of a job.

    Args:
        run: that the request went into, together with others perhaps; None while it waits.
    """

    name: str
    record: EventRecord
    run: Run | None

    @property
    def status(self) -> JobStatus:
        """How the training stands; one that the gate rejected has completed as well."""
        if self.run is not None and self.run.outcome is not None:
            return _status(self.run.outcome)
        ended_alone = self.run is None and self.record.end is not EventEnd.PENDING
        return JobStatus.STOPPED if ended_alone else JobStatus.IN_PROGRESS

    @property
    def reason(self) -> str | None:
        """Why it stands so."""
        return self.record.reason if self.run is None else self.run.reason


def _status(outcome: Outcome) -> JobStatus:
    match outcome:
        case Outcome.DEPLOYED | Outcome.APPROVED | Outcome.NEEDS_APPROVAL | Outcome.REJECTED:
            return JobStatus.COMPLETED
        case Outcome.FAILED:
            return JobStatus.FAILED
        case Outcome.SKIPPED | Outcome.CANCELLED:
            return JobStatus.STOPPED
        case _:
            assert_never(outcome)


def job_name(record: EventRecord) -> str:
    """Return the name of the job that the event asks for; no part of it ever changes, and a URL can hold it."""
    event = record.event
    return f"{event.model}.{event.environment}.{event.id.removeprefix(PREFIX)}"


def only_workspace(model: str | None, catalog: Catalog) -> Workspace:
    """Return the project of the model, or the only one there is.

    Raises:
        RequestError: no model was named, and there are several.
    """
    if model is not None:
        return catalog.workspace(model)
    found = catalog.workspaces()
    if not found:
        raise NotFoundError("This service keeps no model yet.")
    if len(found) > 1:
        raise RequestError(f"This service keeps {len(found)} models; name the one that is meant with model=NAME.")
    return next(iter(found.values()))


def training_job(name: str, ports: Ports) -> TrainingJob:
    """Return the job, or raise ``NotFoundError``."""
    parts = name.split(".", 2)
    if len(parts) != 3:
        raise NotFoundError(f"There is no training job {name[:200]!r}.")
    model, environment, event = parts
    try:
        record = ports.inbox.event(model, environment, f"{PREFIX}{event}")
    except NotFoundError:
        raise NotFoundError(f"There is no training job {name[:200]!r}.") from None
    run = None if record.run is None else ports.store.run(RunId(record.run))
    return TrainingJob(name=name, record=record, run=run)


def deploy(name: str, actor: str, catalog: Catalog, ports: Ports) -> TrainingJob:
    """Let what the job made take the traffic; doing it twice does it once.

    Raises:
        NotFoundError: there is no such job.
        IllegalMoveError: it has made nothing yet, or nothing that may serve.
    """
    job = training_job(name, ports)
    run = job.run
    if run is None or run.outcome is None:
        if job.status is JobStatus.IN_PROGRESS and not _is_deciding(run, ports):
            raise IllegalMoveError(f"The training job {name} has not ended yet. Ask GET /status/{name} until it has.")
        if run is None:
            raise IllegalMoveError(f"The training job {name} made nothing to deploy: {job.reason}")
        return job
    match run.outcome:
        case Outcome.DEPLOYED | Outcome.APPROVED:
            return job
        case Outcome.NEEDS_APPROVAL:
            _approve(run, actor, catalog, ports)
            return training_job(name, ports)
        case Outcome.REJECTED | Outcome.FAILED | Outcome.CANCELLED | Outcome.SKIPPED:
            raise IllegalMoveError(f"The training job {name} made nothing that may be deployed: {run.reason}")
        case _:
            assert_never(run.outcome)


def _is_deciding(run: Run | None, ports: Ports) -> bool:
    """Tell whether a person has let the run's version through, and a worker goes on with it now."""
    if run is None or run.version is None:
        return False
    placement = ports.registry.placement(run.model, run.environment, run.version)
    return placement.approval is not None and placement.standing not in (Standing.PENDING, Standing.REJECTED)


def _approve(run: Run, actor: str, catalog: Catalog, ports: Ports) -> None:
    if run.version is None:
        return
    workspace = catalog.workspace(run.model)
    decision = Decision(version=run.version, approved=True, actor=actor, reason="asked for by POST /deploy")
    keep(decision, environment_of(workspace, run.environment), workspace, ports)
