"""The HTTP side of the host: SageMaker's runtime shape, and a door for the control plane; a plain ASGI application."""

import asyncio
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from everfit.serving.calls import Answered, Inquiry
from everfit.serving.frames import Reply, Trouble
from everfit.serving.limits import Limits
from everfit.serving.live import LiveEndpoint, LiveHost

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# A caller that waits longer asks again, so that a lost connection never leaves it waiting.
LONGEST_WAIT = 20.0


class ClientGoneError(Exception):
    """The client went away before it had sent its whole request."""


class BodyTooLargeError(Exception):
    """The body of a request is larger than the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def document(value: object, status: int = 200) -> Response:
    """Return JSON."""
    return Response(status=status, body=json.dumps(value).encode())


def failure(kind: str, status: int, message: str, **more: object) -> Response:
    """Return an error as SageMaker's runtime would."""
    body = json.dumps({"Code": kind, "Message": message, **more}).encode()
    return Response(status=status, body=body, headers={"x-amzn-ErrorType": kind})


def answer(reply: Reply) -> Response:
    """Return what the model said."""
    if reply.trouble is None:
        return Response(status=200, body=reply.body, content_type=reply.content_type)
    message = reply.body.decode(errors="replace")
    if reply.trouble in (Trouble.UNAVAILABLE, Trouble.OVERLOADED):
        return failure("ServiceUnavailable", 503, message)
    text = f'Received server error ({reply.status}) from model with message "{message}".'
    return failure("ModelError", 424, text, OriginalStatusCode=reply.status, OriginalMessage=message, LogStreamArn="")


def not_allowed(allowed: str, method: str) -> Response:
    """Return the refusal of a method."""
    refused = failure("MethodNotAllowed", 405, f"Use {allowed} here, not {method}.")
    return Response(status=405, body=refused.body, headers={**refused.headers, "allow": allowed})


class Front:
    """Routes requests to endpoints."""

    def __init__(self, host: LiveHost, limits: Limits, secret: str, stop: Callable[[], None]) -> None:
        self._host = host
        self._limits = limits
        self._secret = secret
        self._stop = stop

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._respond(scope, receive)
        except ClientGoneError:
            return
        except BodyTooLargeError:
            response = failure(
                "ValidationError", 413, f"The body is larger than {self._limits.body} bytes; send smaller batches."
            )
        headers = {
            "content-type": response.content_type,
            "content-length": str(len(response.body)),
            **response.headers,
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, scope: Mapping[str, Any], receive: Receive) -> Response:
        parts = [unquote(part) for part in scope["raw_path"].decode("latin-1").split("?")[0].strip("/").split("/")]
        method = scope["method"]
        match parts:
            case ["endpoints", name, "invocations"] if method == "POST":
                return await self._invoke(name, scope, receive)
            case ["invocations"] if method == "POST":
                return await self._invoke(None, scope, receive)
            case ["-", action] if method == "POST":
                return await self._control(action, scope, receive)
            case ["invocations"] | ["-", _] | ["endpoints", _, "invocations"]:
                return not_allowed("POST", method)
            case _:
                return self._show(parts, method)

    def _show(self, parts: list[str], method: str) -> Response:
        endpoints = list(self._host.endpoints.values())
        match parts:
            case ["ping"]:
                shown = self._ping(*endpoints)
            case ["endpoints"]:
                shown = document([live.report() for live in endpoints])
            case ["endpoints", name]:
                shown = self._named(name, lambda live: document(live.report()))
            case ["endpoints", name, "ping"]:
                shown = self._named(name, self._ping)
            case _:
                return failure("NotFound", 404, f"There is nothing at /{'/'.join(parts)}.")
        return shown if method in ("GET", "HEAD") else not_allowed("GET", method)

    def _named(self, name: str, show: Callable[[LiveEndpoint], Response]) -> Response:
        live = self._host.endpoints.get(name)
        return show(live) if live is not None else failure("NotFound", 404, f"There is no endpoint {name}.")

    def _ping(self, *endpoints: LiveEndpoint) -> Response:
        ill = [live.desired.name for live in endpoints if live.desired.weights and not live.is_healthy]
        if not ill:
            return document({"status": "ok"})
        return failure("ServiceUnavailable", 503, f"These endpoints cannot answer: {', '.join(ill)}.")

    async def _invoke(self, name: str | None, scope: Mapping[str, Any], receive: Receive) -> Response:
        headers = headers_of(scope)
        body = await self._body(headers, receive)
        found = self._find(name)
        if isinstance(found, Response):
            return found
        inquiry = Inquiry(
            body=body,
            content_type=headers.get("content-type", "application/json"),
            accept=headers.get("accept", "*/*"),
            session=headers.get("x-amzn-sagemaker-session-id"),
            inference_id=headers.get("x-amzn-sagemaker-inference-id"),
        )
        answered: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()

        def keep(given: Answered) -> None:
            # A caller that has gone away waits for nothing any more.
            if not answered.done():
                answered.set_result(given)

        found.dispatch(inquiry, keep)
        return signed(await answered, headers)

    def _find(self, name: str | None) -> LiveEndpoint | Response:
        endpoints = self._host.endpoints
        if name is None and len(endpoints) != 1:
            known = ", ".join(sorted(endpoints)) or "none"
            text = f"/invocations needs exactly one endpoint, and there are: {known}. Use /endpoints/NAME/invocations."
            return failure("ValidationError", 400, text)
        if name is None:
            return next(iter(endpoints.values()))
        live = endpoints.get(name)
        return live if live is not None else failure("ValidationError", 400, f"Endpoint {name} not found.")

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limits.body:
            raise BodyTooLargeError
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > self._limits.body:
                raise BodyTooLargeError
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def _control(self, action: str, scope: Mapping[str, Any], receive: Receive) -> Response:
        headers = headers_of(scope)
        if not hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {self._secret}".encode()):
            return failure("AccessDenied", 403, "This door is for Everfit's own commands.")
        body = await self._body(headers, receive)
        if action == "stop":
            self._stop()
            return document({})
        if action not in ("converge", "stage", "await"):
            return failure("NotFound", 404, f"There is no action {action}.")
        self._host.converge()
        if action == "stage":
            self._host.load_again(**json.loads(body))
        if action == "await":
            await self._settled(**json.loads(body))
        reports = [live.report() for live in self._host.endpoints.values()]
        return document({"pid": os.getpid(), "problem": self._host.problem, "endpoints": reports})

    async def _settled(self, endpoint: str, versions: list[int]) -> None:
        live = self._host.endpoints.get(endpoint)
        pools = [] if live is None else [live.pools[number] for number in versions if number in live.pools]
        waits = [asyncio.create_task(pool.settled.wait()) for pool in pools]
        if waits:
            _, late = await asyncio.wait(waits, timeout=LONGEST_WAIT)
            for wait in late:
                wait.cancel()


def signed(answered: Answered, asked: Mapping[str, str]) -> Response:
    """Return the response with the version that gave it, and what the caller wants back."""
    response = answer(answered.reply)
    if answered.version is None:
        return response
    number = answered.version
    headers = {"x-Amzn-Invoked-Production-Variant": f"v{number}", "X-Everfit-Version": str(number)}
    for name in ("x-amzn-sagemaker-inference-id",):
        if name in asked:
            headers[name] = asked[name]
    return Response(
        status=response.status,
        body=response.body,
        content_type=response.content_type,
        headers={**response.headers, **headers},
    )


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request, names in small letters."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
