"""One request over HTTP and the answer to it."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

REASONS = {status.value: status.phrase for status in HTTPStatus}
USUAL_TYPE = "application/json"


class Owner(Protocol):
    """The connection that a request came over."""

    def on_answered(self, exchange: "Exchange") -> None:
        """Send the answer when its turn has come."""
        ...

    def is_near(self) -> bool:
        """Whether the caller is on this machine."""
        ...

    def crowd(self) -> int:
        """Return how many connections are open."""
        ...


class Budget:
    """How many bytes of large bodies are held by all requests under way together."""

    __slots__ = ("most", "total")

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = 0


class Exchange:
    """A request and, later, its answer; answered exactly once, from the event loop.

    Args:
        method: in capitals.
        target: as it stands in the request line.
        headers: by name in small letters.
    """

    # What is usual stands in the class: most requests are small, and thousands come in a second.
    body = b""
    held = 0
    budget: Budget | None = None
    keeps_alive = True
    is_old = False
    is_handed_over = False
    work: "Callable[[Exchange], None] | None" = None
    status = 0
    answer_body = b""
    answer_type = USUAL_TYPE
    answer_headers = ""

    def __init__(self, owner: Owner, method: str, target: bytes, headers: dict[bytes, bytes]) -> None:
        self.owner = owner
        self.method = method
        self.target = target
        self.headers = headers

    def header(self, name: bytes) -> str | None:
        """Return the value of a header, given its name in small letters."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def hold(self, budget: Budget, size: int) -> bool:
        """Count its body, now *size* bytes, until it is answered; False when that is too much."""
        budget.total += size - self.held
        self.budget, self.held = budget, size
        return budget.total <= budget.most

    def release(self) -> None:
        """Count its body no more, and let it go."""
        self.body = b""
        if self.budget is not None:
            self.budget.total -= self.held
            self.budget, self.held = None, 0

    def answer(self, status: int, body: bytes, content_type: str = USUAL_TYPE, headers: str = "") -> None:
        """Answer.

        Args:
            content_type: may come from a model, so it is not trusted to be one line.
            headers: whole lines, each with its end.
        """
        if self.status:
            return
        self.status = status
        self.answer_body = body
        self.answer_type = content_type if content_type.isprintable() else "application/octet-stream"
        self.answer_headers = headers
        self.body = b""
        if self.held:
            self.release()
        self.owner.on_answered(self)

    def show(self, document: object, status: int = 200, headers: str = "") -> None:
        """Answer with JSON."""
        self.answer(status, json.dumps(document).encode(), headers=headers)

    def fail(self, kind: str, status: int, message: str, headers: str = "", **more: object) -> None:
        """Answer with an error as SageMaker's runtime would."""
        later = "Retry-After: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        document = {"Code": kind, "Message": message, **more}
        self.show(document, status, f"x-amzn-ErrorType: {kind}\r\n{later}{headers}")

    def head(self, date: str, *, closes: bool) -> bytes:
        """Return the answer down to the empty line."""
        connection = "Connection: close\r\n" if closes else "Connection: keep-alive\r\n" if self.is_old else ""
        return (
            f"HTTP/1.1 {self.status} {REASONS[self.status]}\r\n{date}Content-Type: {self.answer_type}\r\n"
            f"Content-Length: {len(self.answer_body)}\r\n{self.answer_headers}{connection}\r\n"
        ).encode("latin-1", "replace")
