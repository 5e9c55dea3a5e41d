"""The host's HTTP side with an application of a few lines behind it, and a caller that speaks in bytes."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Any, TypeVar

import uvloop

from everfit.serving.http_exchange import Exchange
from everfit.serving.http_server import HttpServer
from everfit.serving.limits import ConnectionLimits, Limits
from tests.integration.host_client import PATIENCE, eventually

Found = TypeVar("Found")
LARGE = 8 * 1024 * 1024


class Echo:
    """Says what it was asked, at once or when it is told to.

    ``/hold/NAME`` waits for ``release``, ``/large`` answers a lot, ``/refused`` does not want a body, ``/crash``
    raises.
    """

    def __init__(self) -> None:
        self.held: dict[str, Exchange] = {}
        self.bodies = list[bytes]()

    def admit(self, exchange: Exchange) -> None:
        if exchange.target == b"/refused":
            exchange.fail("AccessDenied", 403, "No.")

    def respond(self, exchange: Exchange) -> None:
        self.bodies.append(exchange.body)
        target = exchange.target.decode()
        if target.startswith("/hold/"):
            self.held[target.removeprefix("/hold/")] = exchange
        elif target == "/large":
            exchange.answer(200, b"x" * LARGE, "text/plain")
        elif target == "/crash":
            raise KeyError(target)
        else:
            exchange.answer(200, f"{exchange.method} {target} ".encode() + exchange.body, "text/plain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


class Caller:
    """A connection that sends bytes and reads answers."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def line(self) -> bytes:
        """Read one line."""
        return self._file.readline()

    def answer(self, method: str = "POST") -> Answer:
        """Read one answer."""
        response = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]  # asks it for a file only
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, body=response.read(), headers=headers)

    def makefile(self, _mode: str) -> Any:
        return Unclosed(self._file)

    def ask(self, *pieces: bytes) -> Answer:
        self.send(*pieces)
        return self.answer()

    def is_closed(self) -> bool:
        """Whether nothing comes any more; waits for that."""
        return self._file.read(1) == b""

    def is_reset(self) -> bool:
        """Whether the connection ends without a word, by whichever way; waits for that."""
        try:
            return self.is_closed()
        except ConnectionError:
            return True


class Unclosed:
    """A file that stays open when an answer has been read from it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Leave it open."""

    def flush(self) -> None:
        """Leave it as it is."""


class Running:
    """The service in a thread of its own."""

    def __init__(self, limits: Limits) -> None:
        self.application = Echo()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        self.port: int = listener.getsockname()[1]
        # As the parent of the host does.
        self._kept = listener.dup()
        self.server = self.inside(self._start, listener, limits)

    async def _start(self, listener: socket.socket, limits: Limits) -> HttpServer:
        server = HttpServer(self.application, limits)
        await server.start(listener)
        return server

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Future[None]:
        """Begin something where the service runs."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def inside(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, or await a coroutine function, where the service runs."""

        async def do() -> Any:
            found = work(*arguments)
            return await found if asyncio.iscoroutine(found) else found

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(PATIENCE)

    def call(self) -> Caller:
        return Caller(self.port)

    def release(self, name: str, body: bytes = b"") -> None:
        """Answer what is held."""
        eventually(lambda: name in self.application.held, f"{name} is there")
        self.inside(self.application.held.pop(name).answer, 200, body or name.encode(), "text/plain")

    def waits_for(self, part: str) -> None:
        """Wait until some connection has sent so much that this part is expected next."""
        eventually(lambda: self.inside(self._expects, part), f"{part} is expected")

    def _expects(self, part: str) -> bool:
        return any(connection._reader.part.value == part for connection in self.server.connections)

    def received(self) -> int:
        """Return how much of bodies that are not complete has come, in bytes."""
        return sum(connection._reader.received for connection in self.server.connections if connection._reader.exchange)

    def unsent(self) -> int:
        """Return how many bytes of answers wait for their callers."""

        def count() -> int:
            transports = [connection._transport for connection in self.server.connections]
            return sum(transport.get_write_buffer_size() for transport in transports if transport is not None)

        found: int = self.inside(count)
        return found

    def pass_time(self, seconds: float) -> None:
        """Let the service believe that time has passed."""
        for _ in range(ceil(seconds / self.server.limits.connection.look) + 1):
            self.inside(self.server.look)

    def close(self) -> None:
        self.inside(self.server.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        self._kept.close()


@contextmanager
def running(
    body: int = 64 * 1024 * 1024, request: timedelta = timedelta(seconds=60), **connection: Any
) -> Iterator[Running]:
    """Run the service with some limits of its own."""
    service = Running(Limits(body=body, request=request, connection=replace(ConnectionLimits(), **connection)))
    try:
        yield service
    finally:
        service.close()


def post(target: str, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of a request."""
    lines = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def get(target: str, *headers: str) -> bytes:
    """Return the bytes of a request without a body."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def chunked(target: str, *pieces: bytes) -> bytes:
    """Return the bytes of a request with a body in chunks."""
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
