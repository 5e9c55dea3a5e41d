"""Routes of rollouts: how a version takes its traffic, and what a person wants of it."""

from fastapi import APIRouter, Response

from everfit.application.live_overview import rollout_report
from everfit.application.rollout_orders import keep_order
from everfit.interfaces.api import examples, requested, shapes
from everfit.interfaces.api.callers import Approves, Reads
from everfit.interfaces.api.changing import ACCEPTED, place_of
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.once import Change, Key, once
from everfit.interfaces.api.problems import answer

ROUTES = APIRouter()


@ROUTES.get(
    "/v1/models/{model}/rollout",
    tags=["rollouts"],
    responses={**problems(404), **shown("Found.", shapes.Rollout, examples.ROLLOUT)},
)
def rollout(model: requested.ModelPath, call: Reads, environment: requested.EnvironmentQuery = None) -> Response:
    """Return the rollout under way with every decision; the newest one when none is under way."""
    workspace, place = place_of(model, environment, call)
    report = rollout_report(place, workspace, call.hub.ports)
    return answer({"model": workspace.model, "environment": place.name, "rollout": report})


@ROUTES.post(
    "/v1/models/{model}/rollout",
    tags=["rollouts"],
    status_code=202,
    responses={**problems(404, 409, 415), **shown(ACCEPTED, shapes.Rollout, examples.ROLLOUT, 202)},
)
def order_rollout(model: requested.ModelPath, body: requested.OrderGiven, call: Approves) -> Response:
    """Pause, resume, promote or abort the rollout under way; promoting and aborting happen within seconds."""
    workspace, place = place_of(model, body.environment, call)
    ports = call.hub.ports

    def act(key: Key) -> Change:
        del key
        keep_order(body.order, place, workspace, ports, actor=call.caller.name, reason=body.reason)
        call.hub.wake()
        report = rollout_report(place, workspace, ports)
        return Change(status=202, content={"model": workspace.model, "environment": place.name, "rollout": report})

    return once(call, act)
