"""Routes that other programs send events to."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from everfit.application.events import Taken, take_events, take_sns
from everfit.application.webhooks import Receipt, take_webhook
from everfit.domain.access import Role, UnknownCallerError
from everfit.domain.errors import RefusedError
from everfit.domain.trigger import TriggerEvent
from everfit.domain.webhook import UNGUARDED, Webhook, is_signed
from everfit.interfaces.api import examples, shapes
from everfit.interfaces.api.callers import Call, changes, check_pace, check_parameters, hub_of
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.door import BODY
from everfit.interfaces.api.once import Change, Key, once
from everfit.interfaces.api.problems import Refusal, answer

ROUTES = APIRouter(tags=["events"])
SNS: Final = "x-amz-sns-message-type"
MOST_NAMED: Final = 1_000

_sender = changes(Role.TRIGGER)
_EVENTS: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {}, "example": examples.EVENTBRIDGE},
            "application/cloudevents+json": {"schema": {"type": "object"}, "example": examples.CLOUD_EVENT},
            "application/cloudevents-batch+json": {"schema": {"type": "array"}, "example": [examples.CLOUD_EVENT]},
        },
    }
}


async def sender(request: Request) -> Call | None:
    """Return who sends, or None for SNS, whose signature is its proof."""
    if SNS in request.headers:
        check_pace(request)
        check_parameters(request)
        return None
    return await _sender(request, None, request.headers.get("idempotency-key"))


@ROUTES.post(
    "/events",
    status_code=202,
    openapi_extra={**_EVENTS, "security": [{"token": []}], "x-role": Role.TRIGGER.value},
    responses={**problems(409), **shown("Written down.", shapes.Delivered, examples.DELIVERED, 202)},
)
def events(request: Request, call: Annotated[Call | None, Depends(sender)]) -> Response:
    """Take events of EventBridge, CloudEvents (structured, binary, batch), and messages of SNS.

    An event that nobody listens to is recorded nowhere: `accepted` is 0. SNS needs no token: its signature is checked.
    """
    hub, body = hub_of(request), bytes(request.scope[BODY])
    if call is None:
        return answer(_content(take_sns(body, hub.topics, hub.catalog, hub.ports)), 202)
    actor = call.caller.name

    def act(key: Key) -> Change:
        del key
        headers = dict(request.headers)
        return Change(status=202, content=_content(take_events(body, headers, actor, hub.catalog, hub.ports)))

    return once(call, act)


async def signed_webhook(request: Request) -> Webhook:
    """Return the webhook once its signature is known to be right."""
    hub, body = hub_of(request), bytes(request.scope[BODY])
    check_pace(request)
    check_parameters(request)
    if not hub.webhook_secrets:
        raise RefusedError(UNGUARDED[0].upper() + UNGUARDED[1:] + ".")
    if not is_signed(hub.webhook_secrets, body, request.headers.get("x-hub-signature-256")):
        raise UnknownCallerError("The signature of the webhook is missing or wrong; compare both sides' secrets.")
    if not body:
        raise Refusal(400, "The webhook has no body.")
    return Webhook(
        event=request.headers.get("x-github-event", ""),
        delivery=request.headers.get("x-github-delivery", ""),
        body=body,
    )


@ROUTES.post(
    "/webhooks/github",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"ref": "refs/heads/main"}}},
        }
    },
    responses={**problems(409, 415), **shown("Written down.", shapes.Delivered, examples.DELIVERED, 202)},
)
async def github(request: Request, webhook: Annotated[Webhook, Depends(signed_webhook)]) -> Response:
    """Take a webhook of GitHub; its signature is checked, so that it needs no token."""
    hub = hub_of(request)
    workspaces = hub.catalog.workspaces().values()
    ports = hub.ports
    receipt = await run_in_threadpool(take_webhook, webhook, workspaces, hub.repositories, ports.inbox, ports.clock)
    return answer(_received(receipt), 202)


def _content(taken: Taken) -> dict[str, object]:
    named = [*taken.accepted, *taken.known][:MOST_NAMED]
    return {
        "accepted": len(taken.accepted),
        "known": len(taken.known),
        "refused": 0,
        "events": [_named(event) for event in named],
        "note": taken.note,
    }


def _received(receipt: Receipt) -> dict[str, object]:
    reasons = [reason for _, reason in receipt.refused]
    return {
        "accepted": len(receipt.accepted),
        "known": 0,
        "refused": len(receipt.refused),
        "events": [_named(event) for event in (*receipt.accepted, *(each for each, _ in receipt.refused))][:MOST_NAMED],
        "note": receipt.reason or ("; ".join(reasons[:5]) or None),
    }


def _named(event: TriggerEvent) -> dict[str, str]:
    return {"model": event.model, "environment": event.environment, "id": event.id}
