"""A change that is asked for twice under one key happens once, also when the service dies in between."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Response

from everfit.domain.errors import BusyError, RequestError
from everfit.domain.record import instant
from everfit.domain.reply import Asking, Reply, Turn, digest_of
from everfit.interfaces.api.callers import Call
from everfit.interfaces.api.door import BODY
from everfit.interfaces.api.problems import Refusal, answer, written

REPLAYED: Final = {"Idempotency-Replayed": "true"}
KEY_LENGTH: Final = 24
UNDER_WAY: Final = "The request with this Idempotency-Key is under way. Try again for its answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change was, as its answer says.

    Args:
        status: 200 when it has happened, 202 when a worker goes on with it.
    """

    status: int
    content: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What makes a change the same one when it is tried again.

    Args:
        id: made of the caller and the key; None when the caller gave no key.
        plan: what was decided the first time.
        is_again: whether whoever began it was stopped, perhaps after it had happened.
    """

    id: str | None = None
    plan: str | None = None
    is_again: bool = False


def once(call: Call, act: Callable[[Key], Change], plan: Callable[[], str | None] = lambda: None) -> Response:
    """Do what is asked, or give the answer that was given before.

    Args:
        plan: what must be decided before anything is changed, because it cannot be told afterwards.
    """
    if call.key is None:
        change = act(Key(plan=plan()))
        return answer(change.content, change.status)
    asking = _asking(call, call.key)
    flying: set[tuple[str, str]] = call.request.app.state.flying
    place = (asking.caller, asking.key)
    if place in flying:
        raise BusyError(UNDER_WAY)
    flying.add(place)
    try:
        return _once(call, asking, act, plan)
    finally:
        flying.discard(place)


def _once(call: Call, asking: Asking, act: Callable[[Key], Change], plan: Callable[[], str | None]) -> Response:
    replies = call.hub.replies
    turn, reply = replies.begin(asking, plan)
    if turn is Turn.UNDER_WAY and reply.asking.owner == asking.owner:
        # Nobody here has it in hand, so whoever had it could not even write down that it went wrong.
        replies.leave(reply.asking)
        turn, reply = replies.begin(asking, plan)
    match turn:
        case Turn.REPLAY:
            body = reply.body or "null"
            return Response(body, reply.status or 200, headers=REPLAYED, media_type="application/json")
        case Turn.ANOTHER:
            raise Refusal(422, "This Idempotency-Key was used for another request. Take a new key.")
        case Turn.UNDER_WAY:
            raise BusyError(UNDER_WAY)
        case Turn.DO | Turn.DO_AGAIN:
            return _done(call, asking, act, Key(id=_id(reply), plan=reply.plan, is_again=turn is Turn.DO_AGAIN))


def _done(call: Call, asking: Asking, act: Callable[[Key], Change], key: Key) -> Response:
    replies = call.hub.replies
    try:
        change = act(key)
    except (RequestError, Refusal):
        # Nothing was changed, so nothing has to be the same the next time.
        replies.forget(asking)
        raise
    except Exception:
        replies.leave(asking)
        raise
    body = written(change.content)
    replies.answer(asking, change.status, body)
    return Response(body, change.status, media_type="application/json")


def _id(reply: Reply) -> str:
    """Return what stands for the request in ids: the same when it is tried again, another one once it is forgotten."""
    parts = (reply.asking.caller, reply.asking.key, instant(reply.begun))
    return f"key-{digest_of(*(part.encode() for part in parts))[:KEY_LENGTH]}"


def _asking(call: Call, key: str) -> Asking:
    request = call.request
    body: bytes = request.scope[BODY]
    parts = (request.method, request.url.path, request.url.query)
    return Asking(
        caller=call.caller.id,
        key=key,
        digest=digest_of(*(part.encode() for part in parts), body),
        owner=call.hub.ports.owner,
    )
