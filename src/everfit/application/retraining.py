"""Start a run, or go on with one that was interrupted."""

from dataclasses import dataclass

from everfit.application.journal import drive
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError, Problem, ProjectError, RefusedError
from everfit.domain.project import Backend, Environment
from everfit.domain.run import Run, RunId
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.version import Standing
from everfit.domain.words import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person or a program asks for.

    Args:
        environment: None means the only one, or ``production``.
        force: train even when there is nothing new to learn from.
        accept_schema: learn columns and labels anew instead of turning away data that has others.
        promote: version whose bytes are taken instead of training; None decides by ``promote_from``.
        actor: who asks.
    """

    environment: str | None = None
    force: bool = False
    accept_schema: bool = False
    promote: int | None = None
    actor: str = "unknown"


def environment_of(workspace: Workspace, name: str | None) -> Environment:
    """Return the environment that is meant, or raise ``NotFoundError`` with the nearest name."""
    environments = workspace.project.environments
    if name is None:
        name = next(iter(environments)) if len(environments) == 1 else "production"
    if name not in environments:
        near = nearest(name, environments)
        hint = f"; did you mean {near}?" if near else ""
        raise NotFoundError(f"everfit.yaml has no environment {name!r}; it has {', '.join(environments)}{hint}")
    return environments[name]


def retrain(request: Request, workspace: Workspace, ports: Ports) -> Run:
    """Accept the request as a trigger event, start its run and take it as far as it can go.

    A run of the same model and environment that was interrupted is taken to its end instead.
    """
    environment = environment_of(workspace, request.environment)
    if ports.registry.champion(workspace.model, environment.name) is not None:
        # What serves goes on serving while the next one is made, also when the host was stopped.
        ports.endpoints.start()
    interrupted = unfinished(workspace, environment, ports)
    if interrupted is not None:
        return drive(interrupted.id, workspace, ports)
    return drive(begin(request, workspace, environment, ports).id, workspace, ports)


def unfinished(workspace: Workspace, environment: Environment, ports: Ports) -> Run | None:
    """Return a run that was interrupted; one that waits for a person was not, unless the person has decided by now."""
    waiting = ports.store.waiting(workspace.model, environment.name)
    return ports.store.unfinished(workspace.model, environment.name) or next(
        (run for run in waiting if is_decided(run, ports)), None
    )


def is_decided(run: Run, ports: Ports) -> bool:
    """Tell whether the decision that the run waits for was kept, and whoever kept it was stopped right then."""
    if run.version is None:
        return False
    return ports.registry.placement(run.model, run.environment, run.version).standing is not Standing.PENDING


def begin(request: Request, workspace: Workspace, environment: Environment, ports: Ports) -> Run:
    """Write the trigger event, then the run that it joins; nothing has been done for it yet."""
    if environment.backend is not Backend.LOCAL:
        raise ProjectError(
            [
                Problem(
                    message=f"the environment {environment.name} wants the backend {environment.backend.value}, "
                    "which this release cannot run",
                    expected="backend: local",
                )
            ]
        )
    promote = promoted_version(request, workspace, environment, ports)
    _trim_older_runs(workspace, environment, ports)
    now = ports.clock.now()
    run = ports.ids.run_id(now)
    event = TriggerEvent(
        id=f"api:{run}",
        kind=TriggerKind.API,
        model=workspace.model,
        environment=environment.name,
        actor=request.actor,
        at=now,
    )
    ports.store.accept(event)
    return ports.store.begin(
        Run(
            id=run,
            model=workspace.model,
            environment=environment.name,
            started=now,
            actor=request.actor,
            force=request.force,
            accept_schema=request.accept_schema,
            promote=promote,
        )
    )


def _trim_older_runs(workspace: Workspace, environment: Environment, ports: Ports) -> None:
    """Keep what the newest ended run worked on, for a look at it, and let go of that of the older ones."""
    ended = [run for run in ports.store.runs(workspace.model, environment.name, limit=10) if run.ended is not None]
    for run in ended[1:]:
        ports.jobs.trim(run.id)


def promoted_version(request: Request, workspace: Workspace, environment: Environment, ports: Ports) -> int | None:
    """Return the version whose bytes the run takes; None when it trains.

    Raises:
        RefusedError: the version has not served in the environment it is to be promoted from.
    """
    source = environment.promote_from
    if source is None:
        if request.promote is not None:
            raise RefusedError(
                f"The environment {environment.name} does not promote: it has no promote_from in everfit.yaml."
            )
        return None
    number = request.promote
    if number is None:
        number = ports.registry.champion(workspace.model, source)
    if number is None:
        raise RefusedError(
            f"There is nothing to promote to {environment.name}: no version of {workspace.model} serves in {source} "
            f"yet. Run `everfit run --env {source}` first."
        )
    standing = ports.registry.placement(workspace.model, source, number).standing
    if standing not in (Standing.SERVING, Standing.RETIRED):
        raise RefusedError(
            f"Version {number} cannot be promoted to {environment.name}: in {source} it is {standing.value}, "
            "and only what has served there may be promoted."
        )
    return number


def resume(run: RunId, workspace: Workspace, ports: Ports) -> Run:
    """Go on with a run that was interrupted."""
    return drive(run, workspace, ports)
