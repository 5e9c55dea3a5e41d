"""The door of the service: bodies that are too large, too slow, too deep or no JSON stay outside."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everfit.interfaces.api.hub import Limits
from everfit.interfaces.api.problems import Refusal, problem

BODY: Final = "everfit.body"
"""Where in the scope the whole body is."""
BODY_METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")
LOOSE: Final = ("/events",)
"""Paths that take other content types than JSON: their senders choose them."""
_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


class Door:
    """Reads the whole body before the app sees the request, within the limits.

    Args:
        passed: is told of each request: method, path of its route, status, seconds.
    """

    def __init__(self, app: ASGIApp, limits: Limits, seconds: Callable[[], float], passed: "Passed") -> None:
        self._app, self._limits, self._seconds, self._passed = app, limits, seconds, passed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = self._seconds(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._let_in(scope, receive, noting)
        finally:
            self._passed(scope["method"], _route(scope), status, self._seconds() - begun)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await asyncio.wait_for(self._body(scope, receive), self._limits.patience.total_seconds())
            check_query(Request(scope))
            check_body(scope["path"], Headers(scope=scope), body, self._limits.depth)
        except TimeoutError:
            refusal = Refusal(408, "The request took too long to arrive.", {"Connection": "close"})
        except Refusal as error:
            refusal = error
        else:
            scope[BODY] = body
            await self._app(scope, _replaying(body, receive), send)
            return
        await problem(refusal.status, refusal.detail, headers=refusal.headers)(scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > self._limits.body:
            raise self._too_large()
        parts, size, is_more = list[bytes](), 0, True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limits.body:
                raise self._too_large()
            is_more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"A request may have {self._limits.body:,} bytes.", {"Connection": "close"})


Passed = Callable[[str, str, int, float], None]


def check_query(request: Request) -> None:
    """Raise ``Refusal`` when a parameter stands twice: nobody can tell which one is meant."""
    names = [name for name, _ in request.query_params.multi_items()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refusal(422, f"The parameter {twice[:100]!r} stands more than once.")


def check_body(path: str, headers: Headers, body: bytes, depth: int) -> None:
    """Raise ``Refusal`` unless the body is empty or JSON of a bearable depth.

    Args:
        depth: how deep arrays and objects may lie in each other.
    """
    if not body:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    if not is_json and path not in LOOSE:
        raise Refusal(415, "The body must be JSON, with the header Content-Type: application/json.")
    if is_json or "ce-id" not in headers:
        check_json(body, depth)


def check_json(body: bytes, depth: int) -> None:
    """Raise ``Refusal`` for bytes that are no UTF-8, or JSON that is nested too deeply to be read safely."""
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Refusal(400, "The body is not UTF-8.") from None
    if depth_of(body) > depth:
        raise Refusal(400, f"The body is nested too deeply: more than {depth} levels.")


def depth_of(body: bytes) -> int:
    """Return how deep arrays and objects lie in each other."""
    level = deepest = 0
    for byte in _TEXTS.sub(b"", body).translate(None, _NOT_BRACKETS):
        level += 1 if byte in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _replaying(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _route(scope: Scope) -> str:
    """Return the template of the route, so that there are few of them; nothing when there was none."""
    return str(getattr(scope.get("route"), "path", ""))
