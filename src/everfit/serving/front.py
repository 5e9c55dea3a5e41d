"""What the host answers: SageMaker's runtime shape, what it serves and counts, and a door for the control plane."""

from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from everfit.serving.access import HostAccess, is_local_name
from everfit.serving.calls import Answered, Inquiry
from everfit.serving.control_door import ControlDoor
from everfit.serving.exposition import CONTENT_TYPE, exposition
from everfit.serving.frames import Trouble
from everfit.serving.http_exchange import Exchange
from everfit.serving.live import LiveEndpoint, LiveHost

SESSION, INFERENCE_ID = b"x-amzn-sagemaker-session-id", b"x-amzn-sagemaker-inference-id"
TARGET, ATTRIBUTES = b"x-amzn-sagemaker-target-variant", b"x-amzn-sagemaker-custom-attributes"
LONGEST = {SESSION: 256, INFERENCE_ID: 64, TARGET: 63, ATTRIBUTES: 1024}
"""The longest values, in characters, that SageMaker takes."""
ECHOED = (
    (INFERENCE_ID, "X-Amzn-SageMaker-Inference-Id"),
    (ATTRIBUTES, "X-Amzn-SageMaker-Custom-Attributes"),
)
UNUSUAL = frozenset({*LONGEST, b"content-encoding"})
"""Headers that change what is done; most callers send none of them."""
PLAIN = (None, b"identity")


class Front:
    """Routes requests to endpoints.

    Args:
        access: says which tokens callers need; the control door has a secret of its own.
    """

    def __init__(self, host: LiveHost, access: HostAccess, door: ControlDoor) -> None:
        self._host = host
        self._access = access
        self._door = door

    def admit(self, exchange: Exchange) -> None:
        """Find what the request is for; answer it at once when that is wrong or the caller may not have it."""
        parts = parts_of(exchange.target)
        if (
            (self._access.tokens or not is_local(exchange.headers))
            and not is_open(parts)
            and not self._lets_in(exchange)
        ):
            return
        match parts:
            case ("endpoints", name, "invocations" | "feedback" as what) if exchange.method == "POST":
                self._admit_for(exchange, name, self._invoke if what == "invocations" else self._take_labels)
            case ("invocations",) if exchange.method == "POST":
                self._admit_for(exchange, None, self._invoke)
            case ("-", action) if exchange.method == "POST":
                exchange.work = partial(self._door.open, action)
                self._door.admit(exchange)
            case ("invocations",) | ("-", _) | ("endpoints", _, "invocations" | "feedback"):
                not_allowed(exchange, "POST")
            case _:
                exchange.work = self._showing(parts)
                if exchange.work is None:
                    exchange.fail("NotFound", 404, f"There is nothing at /{'/'.join(parts)}.")
                elif exchange.method not in ("GET", "HEAD"):
                    not_allowed(exchange, "GET")

    def respond(self, exchange: Exchange) -> None:
        """Answer a whole request that was admitted."""
        if exchange.work is not None:
            exchange.work(exchange)

    def _lets_in(self, exchange: Exchange) -> bool:
        if not self._access.tokens:
            words = (
                "Without a token, requests are taken that are made to localhost or 127.0.0.1, and by no web page of "
                "another site. Start the host with EVERFIT_SERVE_TOKEN to let in who has it."
            )
            exchange.fail("AccessDenied", 403, words)
            return False
        token = exchange.header(b"x-everfit-token")
        if token is None:
            kind, _, given = (exchange.header(b"authorization") or "").partition(" ")
            token = given.strip() if kind.lower() == "bearer" else None
        if token is None:
            words = "This endpoint host needs a token: send Authorization: Bearer TOKEN, or X-Everfit-Token."
            exchange.fail("AccessDenied", 401, words, 'WWW-Authenticate: Bearer realm="everfit"\r\n')
        elif not self._access.knows(token):
            exchange.fail("AccessDenied", 403, "The token is not one of this endpoint host's.")
        return not exchange.status

    def _admit_for(self, exchange: Exchange, name: str | None, work: Callable[[LiveEndpoint, Exchange], None]) -> None:
        endpoints = self._host.endpoints
        live = endpoints.get(name) if name is not None else None
        if name is None and len(endpoints) == 1:
            (live,) = endpoints.values()
        if live is not None:
            exchange.work = partial(work, live)
        elif name is not None:
            exchange.fail("ValidationError", 400, f"Endpoint {name} not found.")
        else:
            known = ", ".join(sorted(endpoints)) or "none"
            text = f"/invocations needs exactly one endpoint, and there are: {known}. Use /endpoints/NAME/invocations."
            exchange.fail("ValidationError", 400, text)

    def _invoke(self, live: LiveEndpoint, exchange: Exchange) -> None:
        headers = exchange.headers
        inquiry = Inquiry(
            body=exchange.body,
            content_type=headers.get(b"content-type", b"application/json").decode("latin-1"),
            accept=headers.get(b"accept", b"*/*").decode("latin-1"),
        )
        if not UNUSUAL.isdisjoint(headers):
            wrong = objection(headers)
            if wrong is not None:
                exchange.fail("ValidationError", *wrong)
                return
            inquiry.session = exchange.header(SESSION)
            inquiry.inference_id = exchange.header(INFERENCE_ID)
            inquiry.target = exchange.header(TARGET)
        live.dispatch(inquiry, partial(answer, exchange))

    def _take_labels(self, live: LiveEndpoint, exchange: Exchange) -> None:
        content_type = exchange.header(b"content-type") or "application/json"
        self._host.feedback(live.desired.name, exchange.body, content_type, partial(tell_taken, exchange))

    def _showing(self, parts: tuple[str, ...]) -> Callable[[Exchange], None] | None:
        match parts:
            case ("ping",):
                return self._ping
            case ("metrics",):
                return self._count
            case ("endpoints",):
                return lambda exchange: exchange.show([live.report() for live in self._host.endpoints.values()])
            case ("endpoints", name):
                return self._for(name, lambda live, exchange: exchange.show(live.report()))
            case ("endpoints", name, "ping"):
                return self._for(name, lambda live, exchange: tell_health(exchange, [live], shows_names=True))
            case _:
                return None

    def _for(self, name: str, show: Callable[[LiveEndpoint, Exchange], None]) -> Callable[[Exchange], None]:
        live = self._host.endpoints.get(name)
        if live is None:
            return lambda exchange: exchange.fail("NotFound", 404, f"There is no endpoint {name}.")
        return partial(show, live)

    def _ping(self, exchange: Exchange) -> None:
        # Anybody may ask this, so where callers need a token it names nothing.
        tell_health(exchange, list(self._host.endpoints.values()), shows_names=not self._access.tokens)

    def _count(self, exchange: Exchange) -> None:
        reports = [live.report() for live in self._host.endpoints.values()]
        exchange.answer(200, exposition(reports, exchange.owner.crowd()).encode(), CONTENT_TYPE)


@lru_cache(maxsize=256)
def parts_of(target: bytes) -> tuple[str, ...]:
    """Return the names in the path of a request's target, which may be a whole URL."""
    path = target.partition(b"?")[0].decode("latin-1")
    if not path.startswith("/") and "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return tuple(unquote(part) for part in path.strip("/").split("/"))


def is_local(headers: dict[bytes, bytes]) -> bool:
    """Whether a request was made to this machine by its own name, and by no web page of another site.

    A page that a browser on this machine shows can send requests to it, also under a name that was made to point here.
    """
    if not is_local_name(headers.get(b"host", b"localhost")):
        return False
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host"):
        return False
    return site in (None, b"same-origin", b"none")


def is_open(parts: tuple[str, ...]) -> bool:
    """Whether the path needs no token."""
    return parts == ("ping",) or (len(parts) == 2 and parts[0] == "-")


def not_allowed(exchange: Exchange, allowed: str) -> None:
    """Refuse a method."""
    words = f"Use {allowed} here, not {exchange.method}."
    exchange.fail("MethodNotAllowed", 405, words, f"Allow: {allowed}\r\n")


def objection(headers: dict[bytes, bytes]) -> tuple[int, str] | None:
    """Return the status and the words for what is wrong about the headers of an invocation."""
    if headers.get(b"content-encoding") not in PLAIN:
        return 415, "The body has a Content-Encoding, and none is read here: send it as it is."
    for name, longest in LONGEST.items():
        value = headers.get(name)
        if value is not None and (len(value) > longest or not value.isascii()):
            return 400, f"The header {name.decode()} may have {longest} ASCII characters at most."
    return None


def tell_health(exchange: Exchange, endpoints: list[LiveEndpoint], *, shows_names: bool) -> None:
    """Answer whether endpoints that have a version to serve can answer."""
    ill = [live.desired.name for live in endpoints if live.desired.weights and not live.is_healthy]
    if not ill:
        exchange.show({"status": "ok"})
    elif shows_names:
        exchange.fail("ServiceUnavailable", 503, f"These endpoints cannot answer: {', '.join(ill)}.")
    else:
        exchange.fail("ServiceUnavailable", 503, "Not every endpoint can answer.")


def tell_taken(exchange: Exchange, status: int, document: dict[str, Any]) -> None:
    """Answer what became of labels."""
    if status < HTTPStatus.BAD_REQUEST:
        exchange.show(document, status)
    else:
        more = {name: value for name, value in document.items() if name not in ("Code", "Message")}
        exchange.fail(document["Code"], status, document["Message"], **more)


@lru_cache(maxsize=256)
def lines_of(version: int) -> str:
    """Return the headers that say which version answered."""
    return f"x-Amzn-Invoked-Production-Variant: v{version}\r\nX-Everfit-Version: {version}\r\n"


def answer(exchange: Exchange, answered: Answered) -> None:
    """Send what an endpoint answered, with the version that did, and what the caller wants back."""
    reply, version = answered.reply, answered.version
    headers = f"X-Everfit-Inference-Id: {answered.inference_id}\r\n"
    if version is not None:
        headers += lines_of(version)
    if not UNUSUAL.isdisjoint(exchange.headers):
        for name, echoed in ECHOED:
            value = exchange.headers.get(name)
            if value is not None:
                headers += f"{echoed}: {value.decode('latin-1')}\r\n"
    if reply.trouble is None:
        exchange.answer(200, reply.body, reply.content_type, headers)
        return
    message = reply.body.decode(errors="replace")
    if reply.trouble in (Trouble.UNAVAILABLE, Trouble.OVERLOADED):
        exchange.fail("ServiceUnavailable", 503, message, headers)
    elif version is None:
        exchange.fail("ValidationError", 400, message, headers)
    else:
        text = f'Received server error ({reply.status}) from model with message "{message}".'
        more = {"OriginalStatusCode": reply.status, "OriginalMessage": message, "LogStreamArn": ""}
        exchange.fail("ModelError", 424, text, headers, **more)
