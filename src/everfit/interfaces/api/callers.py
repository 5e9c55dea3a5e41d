"""Who calls, and whether they may: the first thing that each route asks."""

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from everfit.domain.access import Caller, Origin, Role, UnknownCallerError, admitted, check_local, check_role, parsed
from everfit.domain.errors import StateError
from everfit.domain.rate import Bucket, Rate, taken
from everfit.domain.reply import LONGEST_KEY
from everfit.domain.words import nearest
from everfit.interfaces.api.hub import Hub
from everfit.interfaces.api.problems import Refusal

USED_EVERY: Final = timedelta(hours=1)
MOST_BUCKETS: Final = 10_000
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

BEARER: Final = HTTPBearer(auto_error=False, scheme_name="token", description="A token of `everfit tokens add`.")


class Pace:
    """How much each caller has left."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def check(self, caller: str, rate: Rate, at: float) -> None:
        """Raise ``Refusal`` when the caller is too fast."""
        self._buckets[caller], early = taken(self._buckets.get(caller), rate, at)
        self._buckets.move_to_end(caller)
        while len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if early > 0:
            seconds = str(ceil(early))
            raise Refusal(429, f"Too many requests. Try again in {seconds} s.", {"Retry-After": seconds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that was let in.

    Args:
        key: of ``Idempotency-Key``; None when the caller gave none.
    """

    hub: Hub
    caller: Caller
    request: Request
    key: str | None = None


def hub_of(request: Request) -> Hub:
    """Return what is behind the routes."""
    hub: Hub = request.app.state.hub
    return hub


def check_pace(request: Request, caller: str | None = None) -> None:
    """Raise ``Refusal`` when the caller is too fast; None means whoever sends from that address."""
    hub, pace = hub_of(request), request.app.state.pace
    address = request.client.host if request.client else "unknown"
    rate = hub.limits.stranger if caller is None else hub.limits.rate
    pace.check(f"address:{address}" if caller is None else caller, rate, hub.seconds())


def check_parameters(request: Request) -> None:
    """Raise ``Refusal`` for a parameter that the route does not know: one that is mistyped must not be ignored."""
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    described = request.app.openapi()["paths"][route.path_format][request.method.lower()]
    known = [each["name"] for each in described.get("parameters", ()) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            near = nearest(name, known)
            hint = f" Did you mean {near}?" if near else ""
            raise Refusal(422, f"There is no parameter {name[:100]!r} here.{hint}")


async def caller_of(request: Request) -> Caller:
    """Return who calls, or raise ``UnknownCallerError``."""
    hub = hub_of(request)
    shown = request.headers.get("authorization")
    if shown is None:
        return _local(request, hub)
    scheme, _, text = shown.partition(" ")
    named = parsed(text.strip()) if scheme.lower() == "bearer" else None
    if named is None:
        check_pace(request)
        raise UnknownCallerError("The header must read: Authorization: Bearer evf_…")
    try:
        return await run_in_threadpool(_with_token, hub, *named)
    except UnknownCallerError:
        check_pace(request)
        raise


def _local(request: Request, hub: Hub) -> Caller:
    if not hub.is_tokenless:
        check_pace(request)
        raise UnknownCallerError("This service wants a token: Authorization: Bearer evf_…")
    headers = request.headers
    check_local(
        Origin(
            host=headers.get("host"),
            origin=headers.get("origin"),
            site=headers.get("sec-fetch-site"),
            is_forwarded=any(name in headers for name in FORWARDED),
        )
    )
    return Caller(name=hub.actor, role=Role.APPROVE)


def _with_token(hub: Hub, name: str, secret: str) -> Caller:
    token, now = hub.tokens.token(name), hub.ports.clock.now()
    caller = admitted(token, secret, now)
    if token is not None and (token.used is None or now - token.used >= USED_EVERY):
        try:
            hub.tokens.used(token.id, now)
        except StateError:
            # A database that can only be read still answers reads; when a token was used is not worth more.
            return caller
    return caller


RETRY: Final = {"Retry-After": "2"}
"""What a service that ends tells: the next one is up soon."""

Ask = Callable[..., Coroutine[Any, Any, Call]]


def needs(role: Role) -> Ask:
    """Return the dependency of a route that only callers of that role reach."""

    async def call(request: Request, _: Annotated[object, Depends(BEARER)]) -> Call:
        return await _call(request, role, None)

    return _marked(call, role)


def changes(role: Role) -> Ask:
    """Return the dependency of a route that changes something, which may be asked for twice under one key."""

    async def call(
        request: Request,
        _: Annotated[object, Depends(BEARER)],
        key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                min_length=1,
                max_length=LONGEST_KEY,
                description="The same key with the same request changes once, and gets the same answer for 48 hours.",
                examples=["6f1c9a52-nightly"],
            ),
        ] = None,
    ) -> Call:
        if hub_of(request).health().is_draining:
            raise Refusal(503, "The service is ending and changes nothing more; ask the next one.", RETRY)
        return await _call(request, role, key)

    return _marked(call, role)


def _marked(call: Ask, role: Role) -> Ask:
    """Write the role where the description of the route finds it."""
    call.role = role  # type: ignore[attr-defined]
    return call


async def _call(request: Request, role: Role, key: str | None) -> Call:
    caller = await caller_of(request)
    check_pace(request, caller.id)
    check_role(caller, role)
    check_parameters(request)
    return Call(hub=hub_of(request), caller=caller, request=request, key=key)


Reads = Annotated[Call, Depends(needs(Role.READ))]
Triggers = Annotated[Call, Depends(changes(Role.TRIGGER))]
Approves = Annotated[Call, Depends(changes(Role.APPROVE))]
