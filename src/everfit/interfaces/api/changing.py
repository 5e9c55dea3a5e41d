"""Routes that change something: ask for runs, stop them, decide, go back."""

from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Response

from everfit.application.inventory import decision_row, pause_row, trigger_row
from everfit.application.overview import run_summary
from everfit.application.releases import Decision, keep, newer_champion, roll_back, to_break_off, waiting_run, way_back
from everfit.application.retraining import environment_of, promoted_version
from everfit.application.triggering import Demand, cancel, pause, request, resume
from everfit.application.workspace import Workspace
from everfit.domain.errors import RefusedError
from everfit.domain.inbox import Pause
from everfit.domain.project import Environment
from everfit.domain.trigger import Wish
from everfit.domain.triggers import Api
from everfit.interfaces.api import examples, requested, shapes
from everfit.interfaces.api.callers import Approves, Call, Triggers
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.once import Change, Key, once
from everfit.interfaces.api.reading import run_of

ROUTES = APIRouter()
ACCEPTED: Final = "Accepted: it is written down, and what follows from it goes on by itself."


@ROUTES.post(
    "/v1/triggers",
    tags=["triggers"],
    status_code=202,
    responses={**problems(404, 409, 415), **shown(ACCEPTED, shapes.TriggerRow, examples.EVENT, 202)},
)
def ask_for_run(body: requested.TriggerRequest, call: Triggers) -> Response:
    """Ask for a run; several requests may become one run. The answer is given once the event is on the disk."""
    workspace = allowed_workspace(body.model, call)
    wish = Wish(force=body.force, accept_schema=body.accept_schema, hold=body.hold)

    def act(key: Key) -> Change:
        demand = Demand(
            actor=call.caller.name,
            id=body.id or key.id,
            environment=body.environment,
            reason=body.reason,
            wish=wish,
        )
        return Change(status=202, content=trigger_row(request(demand, workspace, call.hub.ports)))

    return once(call, act)


@ROUTES.post(
    "/v1/runs/{run}/cancel",
    tags=["runs"],
    status_code=202,
    responses={**problems(404, 409, 415), **shown(ACCEPTED, shapes.RunRow, examples.RUN, 202)},
)
def cancel_run(run: requested.RunPath, body: requested.ReasonGiven, call: Triggers) -> Response:
    """Stop a run; a deployment that has begun is not cut."""

    def act(key: Key) -> Change:
        del key
        found = cancel(run_of(run, call).id, call.caller.name, body.reason, call.hub.ports)
        call.hub.wake()
        return Change(status=202, content=run_summary(found))

    return once(call, act)


@ROUTES.post(
    "/v1/models/{model}/pause",
    tags=["pauses"],
    responses={**problems(404, 415), **shown("Paused.", shapes.PauseRow, examples.PAUSE)},
)
def pause_model(model: requested.ModelPath, body: requested.PauseGiven, call: Triggers) -> Response:
    """Start no runs of a model from now on; what triggers them is kept."""
    workspace = call.hub.catalog.workspace(model)

    def act(key: Key) -> Change:
        del key
        paused = Pause(
            model=workspace.model,
            environment=body.environment,
            actor=call.caller.name,
            reason=body.reason,
            since=call.hub.ports.clock.now(),
        )
        pause(paused, workspace, call.hub.ports)
        return Change(status=200, content=pause_row(paused))

    return once(call, act)


@ROUTES.post(
    "/v1/models/{model}/resume",
    tags=["pauses"],
    responses={**problems(404, 415), **shown("Resumed.", shapes.Resumed, examples.RESUMED)},
)
def resume_model(
    model: requested.ModelPath, call: Triggers, environment: requested.EnvironmentQuery = None
) -> Response:
    """Take back the pause of a model, or that of one environment alone."""
    workspace = call.hub.catalog.workspace(model)

    def act(key: Key) -> Change:
        del key
        was_paused = resume(environment, workspace, call.hub.ports)
        call.hub.wake()
        content = {"model": workspace.model, "environment": environment, "was_paused": was_paused}
        return Change(status=200, content=content)

    return once(call, act)


@ROUTES.post(
    "/v1/models/{model}/versions/{version}/approve",
    tags=["approvals"],
    status_code=202,
    responses={**problems(404, 409, 415), **shown(ACCEPTED, shapes.Decided, examples.DECIDED, 202)},
)
def approve(
    model: requested.ModelPath, version: requested.VersionPath, body: requested.PlaceGiven, call: Approves
) -> Response:
    """Approve a version that waits for it; exactly its bytes are deployed, once."""
    return _decide(model, version, body, call, approved=True)


@ROUTES.post(
    "/v1/models/{model}/versions/{version}/reject",
    tags=["approvals"],
    status_code=202,
    responses={**problems(404, 409, 415), **shown(ACCEPTED, shapes.Decided, examples.DECIDED, 202)},
)
def reject(
    model: requested.ModelPath, version: requested.VersionPath, body: requested.PlaceGiven, call: Approves
) -> Response:
    """Turn away a version that waits for approval; it can never serve then."""
    return _decide(model, version, body, call, approved=False)


def _decide(model: str, version: int, body: requested.PlaceGiven, call: Call, *, approved: bool) -> Response:
    workspace, environment = place_of(model, body.environment, call)
    ports = call.hub.ports

    def act(key: Key) -> Change:
        del key
        newer = newer_champion(version, environment, workspace, ports) if approved else None
        decision = Decision(version=version, approved=approved, actor=call.caller.name, reason=body.reason)
        placement = keep(decision, environment, workspace, ports)
        call.hub.wake()
        run = waiting_run(version, environment, workspace, ports)
        warning = None if newer is None else f"version {newer} served and is newer; version {version} takes its place"
        content = {**decision_row(placement), "run": None if run is None else run.id, "warning": warning}
        return Change(status=202, content=content)

    return once(call, act)


@ROUTES.post(
    "/v1/models/{model}/versions/{version}/promote",
    tags=["versions"],
    status_code=202,
    responses={**problems(404, 409, 415), **shown(ACCEPTED, shapes.TriggerRow, examples.EVENT, 202)},
)
def promote(
    model: requested.ModelPath, version: requested.VersionPath, body: requested.PromoteGiven, call: Approves
) -> Response:
    """Take a version's very bytes to another environment, judged by its own gate."""
    workspace, environment = place_of(model, body.environment, call)
    ports = call.hub.ports
    promoted_version(version, workspace, environment, ports)

    def act(key: Key) -> Change:
        demand = Demand(
            actor=call.caller.name,
            id=key.id,
            environment=environment.name,
            reason=body.reason or f"promote version {version}",
            wish=Wish(promote=version),
        )
        return Change(status=202, content=trigger_row(request(demand, workspace, ports)))

    return once(call, act)


@ROUTES.post(
    "/v1/models/{model}/rollback",
    tags=["versions"],
    responses={**problems(404, 409, 415), **shown("It serves again.", shapes.RolledBack, examples.ROLLED_BACK)},
)
def rollback(model: requested.ModelPath, body: requested.RollbackGiven, call: Approves) -> Response:
    """Put the last version that served well back behind the endpoint, after verifying its bytes."""
    workspace, environment = place_of(model, body.environment, call)
    hub = call.hub

    def plan() -> str | None:
        # Tried again by itself, a rollback to "the last good one" would go back one further each time.
        return None if call.key is None else str(way_back(environment, workspace, hub.ports, body.to).after)

    def act(key: Key) -> Change:
        to = body.to if key.plan is None else int(key.plan)
        after = _rolled_back(to, environment, workspace, call, body.reason, is_again=key.is_again)
        content = {
            "model": workspace.model,
            "environment": environment.name,
            "endpoint": environment.endpoint,
            "to": after,
        }
        return Change(status=200, content=content)

    return once(call, act, plan)


def _rolled_back(
    to: int | None, environment: Environment, workspace: Workspace, call: Call, reason: str, *, is_again: bool
) -> int:
    ports = call.hub.ports
    is_there = to is not None and ports.registry.champion(workspace.model, environment.name) == to
    # The way back from a version on its way leads to what is the champion all the time.
    if is_again and is_there and to is not None and to_break_off(environment, workspace, ports) is None:
        return to
    # An owner of its own: two rollbacks at once must not take each other for themselves.
    ports = replace(ports, owner=f"{ports.owner}-{ports.ids.run_id(ports.clock.now())}")
    return roll_back(environment, workspace, ports, actor=call.caller.name, reason=reason, to=to).after


def place_of(model: str, environment: str | None, call: Call) -> tuple[Workspace, Environment]:
    """Return the project and the environment that are meant, or raise ``NotFoundError``."""
    workspace = call.hub.catalog.workspace(model)
    return workspace, environment_of(workspace, environment)


def allowed_workspace(model: str, call: Call) -> Workspace:
    """Return the project, or raise ``RefusedError`` when its file lets no program start runs."""
    workspace = call.hub.catalog.workspace(model)
    if any(isinstance(trigger, Api) and not trigger.is_allowed for trigger in workspace.project.triggers):
        raise RefusedError(f"The project of {model} lets no program start runs: its everfit.yaml says api: false.")
    return workspace
