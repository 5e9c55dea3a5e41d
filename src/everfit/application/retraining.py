"""Start a run, or go on with one that was interrupted."""

from dataclasses import dataclass, replace

from everfit.application.journal import LEASE, drive
from everfit.application.ports import Ports
from everfit.application.tagged import tagged_version
from everfit.application.workspace import Workspace
from everfit.domain.errors import BusyError, NotFoundError, Problem, ProjectError, RefusedError
from everfit.domain.project import Environment
from everfit.domain.run import Run, RunId
from everfit.domain.trigger import TriggerEvent, TriggerKind, Wish
from everfit.domain.triggers import BY_API, FORCED
from everfit.domain.version import Standing
from everfit.domain.wish import detail_of, together, wish_of
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
        kind: what made them ask, for the records; it changes nothing in the run.
    """

    environment: str | None = None
    force: bool = False
    accept_schema: bool = False
    promote: int | None = None
    actor: str = "unknown"
    kind: TriggerKind = TriggerKind.API


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
    name = ports.ids.run_id(ports.clock.now())
    # Held before the run is written, so that no service beside this process takes it up.
    claim = ports.store.reserve(workspace.model, environment.name, owner=ports.owner, lease=LEASE, run=name)
    try:
        begun = begin(request, workspace, environment, ports, name=name).id
    except BaseException:
        ports.store.release(claim)
        raise
    if begun != name:
        ports.store.release(claim)
    return drive(begun, workspace, ports)


def unfinished(workspace: Workspace, environment: Environment, ports: Ports) -> Run | None:
    """Return a run that was interrupted; one that waits for a person was not, unless the person has decided by now."""
    waiting = ports.store.waiting(workspace.model, environment.name)
    return ports.store.unfinished(workspace.model, environment.name) or next(
        (run for run in waiting if is_decided(run, ports)), None
    )


def is_decided(run: Run, ports: Ports) -> bool:
    """Tell whether the run that waited for a person can go on: the decision was kept, or the run is to stop."""
    if run.cancellation is not None:
        return True
    if run.version is None:
        return False
    return ports.registry.placement(run.model, run.environment, run.version).standing is not Standing.PENDING


def begin(
    request: Request, workspace: Workspace, environment: Environment, ports: Ports, *, name: RunId | None = None
) -> Run:
    """Write the trigger event, then the run that it and all that waits join; nothing has been done for it yet.

    Args:
        name: of the run; None makes one.
    """
    promoted_version(request.promote, workspace, environment, ports)
    now = ports.clock.now()
    run = name or ports.ids.run_id(now)
    wish = Wish(force=request.force, accept_schema=request.accept_schema, promote=request.promote)
    event = TriggerEvent(
        id=f"api:{run}",
        kind=request.kind,
        trigger=FORCED if request.force else BY_API,
        model=workspace.model,
        environment=environment.name,
        actor=request.actor,
        at=now,
        subject="everfit run",
        detail=detail_of(wish),
    )
    ports.inbox.accept((event,))
    started = start(run, workspace, environment, ports, by=event)
    if started is not None:
        return started
    # A service was quicker: its run took the event along, or the event waits for the run after it.
    taken = ports.inbox.event(workspace.model, environment.name, event.id).run
    return _unfinished(workspace, environment, ports) if taken is None else ports.store.run(RunId(taken))


def _unfinished(workspace: Workspace, environment: Environment, ports: Ports) -> Run:
    found = ports.store.unfinished(workspace.model, environment.name)
    if found is None:
        raise BusyError(f"{workspace.model} in {environment.name} was taken just now; try again.")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the waiting events ask for together.

    Args:
        oldest: of them; None when none waits.
        seen: place of the newest of them.
    """

    wish: Wish
    oldest: TriggerEvent | None
    seen: int


def _asked(model: str, environment: str, ports: Ports) -> _Asked:
    """Read what waits, a page at a time, however much there is."""
    asked = _Asked(wish=Wish(), oldest=None, seen=0)
    before: int | None = None
    while True:
        page = ports.inbox.joining(model, environment, before=before)
        if not page:
            return asked
        asked = _Asked(
            wish=together(asked.wish, wish_of([record.event for record in page])),
            oldest=page[-1].event,
            seen=asked.seen or page[0].place,
        )
        before = page[-1].place


def start(
    run: RunId, workspace: Workspace, environment: Environment, ports: Ports, *, by: TriggerEvent | None = None
) -> Run | None:
    """Write the run that everything joins that waits now; None when nothing does, or another run has not ended.

    What can never start ends as skipped, with the reason.

    Args:
        by: what started it; None means the oldest of what waits.

    Raises:
        ProjectError: this release cannot run in the environment.
        RefusedError: there is nothing to promote.
    """
    asked = _asked(workspace.model, environment.name, ports)
    if asked.oldest is None:
        return None
    try:
        queued = _queued(run, asked, workspace, environment, ports, by=by or asked.oldest)
    except (RefusedError, NotFoundError, ProjectError) as error:
        ports.inbox.skip(workspace.model, environment.name, str(error), seen=asked.seen)
        raise
    _trim_older_runs(workspace, environment, ports)
    try:
        return ports.inbox.start(queued, seen=asked.seen)
    except BusyError:
        return None


def _queued(
    run: RunId, asked: _Asked, workspace: Workspace, environment: Environment, ports: Ports, *, by: TriggerEvent
) -> Run:
    _check_backend(environment, ports)
    wish = asked.wish
    if wish.promote is not None:
        # A version that was named is not deployed under the name of a tag that joins the same run.
        wish = replace(wish, commit=None, release=None)
    wanted = wish.promote if wish.promote is not None else tagged_version(wish, workspace, environment, ports)
    return Run(
        id=run,
        model=workspace.model,
        environment=environment.name,
        started=ports.clock.now(),
        actor=by.actor,
        cause=by.kind.value,
        force=wish.force,
        accept_schema=wish.accept_schema,
        hold=wish.hold,
        commit=wish.commit,
        release=wish.release,
        promote=promoted_version(wanted, workspace, environment, ports),
    )


def _check_backend(environment: Environment, ports: Ports) -> None:
    if environment.backend is not ports.backend:
        raise ProjectError(
            [
                Problem(
                    message=f"the environment {environment.name} wants the backend {environment.backend.value}, "
                    f"and this service works with {ports.backend.value}",
                    expected=f"backend: {ports.backend.value}, or everfit up --backend {environment.backend.value}",
                )
            ]
        )


def _trim_older_runs(workspace: Workspace, environment: Environment, ports: Ports) -> None:
    """Keep what the newest ended run worked on, for a look at it, and let go of that of the older ones."""
    ended = [run for run in ports.store.runs(workspace.model, environment.name, limit=10) if run.ended is not None]
    for run in ended[1:]:
        ports.jobs.trim(run.id)


def promoted_version(wanted: int | None, workspace: Workspace, environment: Environment, ports: Ports) -> int | None:
    """Return the version whose bytes the run takes; None when it trains.

    Raises:
        RefusedError: the version has not served in the environment it is to be promoted from.
    """
    source = environment.promote_from
    if source is None:
        if wanted is not None:
            raise RefusedError(
                f"The environment {environment.name} does not promote: it has no promote_from in everfit.yaml."
            )
        return None
    number = wanted
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
