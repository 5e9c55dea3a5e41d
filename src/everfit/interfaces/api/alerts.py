"""Routes about what people are told: what went through which channel, and a test of the channels."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from everfit.application.alert_list import delivery_row, send_test
from everfit.domain.delivery import DeliveryState
from everfit.interfaces.api import examples, requested, shapes
from everfit.interfaces.api.callers import Reads, Triggers
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.once import Change, Key, once
from everfit.interfaces.api.problems import answer

ROUTES = APIRouter(tags=["alerts"])

AlertPath = Annotated[int, Path(ge=1, le=requested.LARGEST, description="Number of an alert.", examples=[12])]


@ROUTES.get("/v1/alerts", responses={**problems(), **shown("Found.", shapes.Alerts, examples.ALERTS)})
def alerts(
    call: Reads,
    model: requested.ModelQuery = None,
    state: Annotated[DeliveryState | None, Query(description="Only those that stand so.")] = None,
    before: requested.BeforePlace = None,
    limit: requested.Limit = 100,
) -> Response:
    """Return what was told through which channel, newest first, and what could not be told."""
    found = call.hub.ports.outbox.deliveries(model=model, state=state, before=before, limit=limit)
    rows = [delivery_row(delivery) for delivery in found]
    return answer({"alerts": rows, "next": found[-1].id if len(found) == limit else None})


@ROUTES.post(
    "/v1/alerts/{alert}/retry",
    status_code=202,
    responses={**problems(404, 409), **shown("It is tried again.", shapes.AlertRow, examples.ALERT, 202)},
)
def retry_alert(alert: AlertPath, call: Triggers) -> Response:
    """Try an alert that has not arrived anew, from now on."""

    def act(key: Key) -> Change:
        del key
        return Change(status=202, content=delivery_row(call.hub.ports.outbox.retry(alert)))

    return once(call, act)


@ROUTES.post(
    "/v1/models/{model}/alerts/test",
    responses={**problems(404), **shown("What came of each.", shapes.Tested, examples.TESTED)},
)
def try_channels(
    model: requested.ModelPath,
    call: Triggers,
    channel: Annotated[str | None, Query(max_length=100, description="Default: every channel.")] = None,
) -> Response:
    """Send a test through the channels of a model now, and return what came of each."""
    workspace = call.hub.catalog.workspace(model)

    def act(key: Key) -> Change:
        del key
        found = sorted((each.key, words) for each, words in send_test(workspace, call.hub.ports, channel))
        rows = [{"channel": name, "delivered": words is None, "error": words} for name, words in found]
        return Change(status=200, content={"ok": all(row["delivered"] for row in rows), "channels": rows})

    return once(call, act)
