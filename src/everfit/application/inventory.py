"""The read side: rows of lists, as plain JSON, the same for programs that call over HTTP and for ``--json``."""

from collections.abc import Sequence

from everfit.application.overview import Json, run_summary
from everfit.application.ports import Catalog, Ports
from everfit.application.training_jobs import TrainingJob
from everfit.application.workspace import Workspace
from everfit.domain.access import Token
from everfit.domain.inbox import Pause
from everfit.domain.project import Environment
from everfit.domain.run import Run
from everfit.domain.trigger import EventRecord
from everfit.domain.version import Placement, Standing, Version


def trigger_row(record: EventRecord) -> Json:
    """Return one row of ``triggers``."""
    event = record.event
    return {
        "id": event.id,
        "place": record.place,
        "kind": event.kind.value,
        "trigger": event.trigger,
        "model": event.model,
        "environment": event.environment,
        "actor": event.actor,
        "subject": event.subject,
        "at": event.at.isoformat(),
        "accepted": None if record.accepted is None else record.accepted.isoformat(),
        "end": record.end.value,
        "run": record.run,
        "reason": record.reason,
        "ended": None if record.ended is None else record.ended.isoformat(),
    }


def project_row(workspace: Workspace) -> Json:
    """Return one project: what it keeps, where, and what starts its runs."""
    project = workspace.project
    return {
        "model": project.model,
        "task": project.task.value,
        "environments": [_environment_row(each) for each in project.environments.values()],
        "triggers": [
            {"trigger": trigger.key, "environments": list(trigger.environments)} for trigger in project.triggers
        ],
    }


def _environment_row(environment: Environment) -> Json:
    return {
        "environment": environment.name,
        "endpoint": environment.endpoint,
        "promote_from": environment.promote_from,
    }


def trouble_rows(catalog: Catalog) -> list[Json]:
    """Return what is wrong with project files now; the folder is named as its owner knows it, without where it lies."""
    return [
        {"project": folder.rstrip("/").rpartition("/")[2], "trouble": words.replace(f"{folder.rstrip('/')}/", "")}
        for folder, words in sorted(catalog.troubles().items())
    ]


def pause_row(pause: Pause) -> Json:
    """Return one pause."""
    return {
        "model": pause.model,
        "environment": pause.environment,
        "actor": pause.actor,
        "reason": pause.reason,
        "since": pause.since.isoformat(),
    }


def version_row(version: Version) -> Json:
    """Return one version; ``why VERSION`` tells all of it."""
    return {
        "model": version.model,
        "version": version.number,
        "artifact": version.artifact,
        "size": version.size,
        "run": version.run,
        "snapshot": version.snapshot,
        "created": version.created.isoformat(),
    }


def approval_rows(catalog: Catalog, ports: Ports) -> list[Json]:
    """Return what waits for a person, of all models, oldest first."""
    kept = catalog.workspaces()
    waiting = [run for run in ports.store.open() if run.outcome is not None and run.model in kept]
    return [row for run in waiting if (row := _approval_row(run, ports)) is not None]


def _approval_row(run: Run, ports: Ports) -> Json | None:
    if run.version is None:
        return None
    placement = ports.registry.placement(run.model, run.environment, run.version)
    if placement.standing is not Standing.PENDING:
        return None
    return {**decision_row(placement), "run": run.id, "champion": ports.registry.champion(run.model, run.environment)}


def decision_row(placement: Placement) -> Json:
    """Return how a version stands and on what evidence."""
    return {
        "model": placement.model,
        "environment": placement.environment,
        "version": placement.version,
        "standing": placement.standing.value,
        "verdict": placement.verdict.id,
        "reason": placement.verdict.reason,
    }


def endpoint_rows(workspace: Workspace, ports: Ports) -> list[Json]:
    """Return what each endpoint of a project serves, by the record."""
    return [endpoint_row(environment, workspace, ports) for environment in workspace.project.environments.values()]


def endpoint_row(environment: Environment, workspace: Workspace, ports: Ports) -> Json:
    """Return what an endpoint serves and since when; before the first deployment it says so."""
    state = ports.endpoints.describe(environment.endpoint)
    serving = ports.registry.history(workspace.model, environment.name, limit=1)
    since = serving[0].since.isoformat() if serving else None
    words = "no version has been deployed yet" if not serving else f"version {serving[0].version} serves since {since}"
    return {
        "model": workspace.model,
        "environment": environment.name,
        "endpoint": environment.endpoint,
        "status": "InService" if serving else "NotDeployed",
        "version": serving[0].version if serving else None,
        "url": None if state is None else state.url,
        "weights": {} if state is None else {str(version): share for version, share in state.weights.items()},
        "last_modified_time": since,
        "message": words,
    }


def job_row(job: TrainingJob) -> Json:
    """Return how a training job stands, in the words of SageMaker and in ours."""
    event, run = job.record.event, job.run
    return {
        "training_job_name": job.name,
        "status": job.status.value,
        "model": event.model,
        "environment": event.environment,
        "auto_deploy": event.detail.get("hold") is not True,
        "outcome": None if run is None or run.outcome is None else run.outcome.value,
        "run": job.record.run,
        "version": None if run is None else run.version,
        "reason": job.reason,
        "created": event.at.isoformat(),
    }


def run_rows(runs: Sequence[Run]) -> list[Json]:
    """Return the rows of ``runs``."""
    return [run_summary(run) for run in runs]


def token_row(token: Token) -> Json:
    """Return one token, without what is kept of its secret."""
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat() if token.expires else None,
        "revoked": token.revoked.isoformat() if token.revoked else None,
        "used": token.used.isoformat() if token.used else None,
    }
