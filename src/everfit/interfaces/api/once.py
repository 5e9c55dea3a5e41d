"""A change that is asked for twice under one key happens once, also when the service dies in between."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Response

from everfit.domain.errors import BusyError, RequestError
from everfit.domain.reply import Asking, Turn, digest_of
from everfit.interfaces.api.callers import Call
from everfit.interfaces.api.door import BODY
from everfit.interfaces.api.problems import Refusal, answer, written

REPLAYED: Final = {"Idempotency-Replayed": "true"}
KEY_LENGTH: Final = 24


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
    turn, reply = call.hub.replies.begin(asking, plan)
    match turn:
        case Turn.REPLAY:
            body = reply.body or "null"
            return Response(body, reply.status or 200, headers=REPLAYED, media_type="application/json")
        case Turn.ANOTHER:
            raise Refusal(422, "This Idempotency-Key was used for another request. Take a new key.")
        case Turn.UNDER_WAY:
            raise BusyError("The request with this Idempotency-Key is under way. Try again for its answer.")
        case Turn.DO | Turn.DO_AGAIN:
            key = Key(id=key_id(call), plan=reply.plan, is_again=turn is Turn.DO_AGAIN)
            return _done(call, asking, act, key)


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


def key_id(call: Call) -> str | None:
    """Return what stands for the key in ids; nobody else's key gives the same."""
    if call.key is None:
        return None
    return f"key-{digest_of(call.caller.id.encode(), call.key.encode())[:KEY_LENGTH]}"


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
