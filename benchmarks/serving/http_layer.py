"""What the HTTP layer alone costs: a trivial answer by several servers, each alone in one process on one core.

Run with: .venv/bin/python benchmarks/serving/http_layer.py [SECONDS [ROUNDS]]
Prints one JSON object: server -> requests a second, and requests for each second of the server's processor time,
which other load on the machine disturbs less; medians of rounds that take turns. The load is one process that sends
raw bytes over 16 connections: one request at a time, and 16 at a time in one piece.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop
from httptools import HttpRequestParser

from everfit.serving.http_exchange import Exchange
from everfit.serving.http_server import HttpServer
from everfit.serving.limits import Limits

CONNECTIONS = 16
BODY = json.dumps({"instances": [[0.1 * number for number in range(30)]]}).encode()
REQUEST = (
    b"POST /endpoints/solar/invocations HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n"
    b"User-Agent: load\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
ANSWER = b'{"predictions": [1.25]}'
RAW = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Everfit-Version: 7\r\n\r\n%s" % (
    len(ANSWER),
    ANSWER,
)


class Trivial:
    """Answers every request at once."""

    def admit(self, exchange: Exchange) -> None:
        exchange.work = self.respond

    def respond(self, exchange: Exchange) -> None:
        exchange.answer(200, ANSWER, headers="X-Everfit-Version: 7\r\n")


async def serve_own(listener: socket.socket) -> None:
    await HttpServer(Trivial(), Limits()).start(listener)
    await asyncio.Event().wait()


class LeastParsed(asyncio.Protocol):
    """The least that can be done with httptools: no limits, no order, no errors."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.parser, self.headers = transport, HttpRequestParser(self), dict[bytes, bytes]()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, piece: bytes) -> None:
        self.body = piece

    def on_message_complete(self) -> None:
        self.transport.write(RAW)


class LeastPython(asyncio.Protocol):
    """The least that can be done without a parser: heads are split in Python, bodies have a length."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        data = self.data + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            line, *lines = data[:end].split(b"\r\n")
            self.method, self.url, self.protocol = line.split(b" ")
            headers = dict[bytes, bytes]()
            for each in lines:
                name, _, value = each.partition(b":")
                headers[name.lower()] = value.strip()
            size = int(headers.get(b"content-length", b"0"))
            if len(data) < end + 4 + size:
                break
            self.body, data = data[end + 4 : end + 4 + size], data[end + 4 + size :]
            self.transport.write(RAW)
        self.data = data


async def serve_protocol(kind: type[asyncio.Protocol], listener: socket.socket) -> None:
    await asyncio.get_running_loop().create_server(kind, sock=listener, backlog=2048)
    await asyncio.Event().wait()


Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def asgi(_scope: Any, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], send: Send) -> None:
    """Answer as an ASGI application without any framework."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"23"), (b"x-everfit-version", b"7")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


async def serve_asgi(parser: str, listener: socket.socket) -> None:
    config = uvicorn.Config(
        asgi,
        http=parser,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,  # type: ignore[arg-type]
    )
    await uvicorn.Server(config).serve(sockets=[listener])


SERVERS: dict[str, tuple[bool, Callable[[socket.socket], Any]]] = {
    "Everfit's, uvloop": (True, serve_own),
    "Everfit's, asyncio": (False, serve_own),
    "least with httptools, uvloop": (True, lambda listener: serve_protocol(LeastParsed, listener)),
    "least in Python, uvloop": (True, lambda listener: serve_protocol(LeastPython, listener)),
    "uvicorn, httptools, uvloop": (True, lambda listener: serve_asgi("httptools", listener)),
    "uvicorn, h11, asyncio": (False, lambda listener: serve_asgi("h11", listener)),
}


class Caller(asyncio.Protocol):
    """Sends so many requests in one piece as soon as those before are answered."""

    def __init__(self, depth: int) -> None:
        self.piece, self.depth = REQUEST * depth, depth
        self.answered, self.waiting, self.rest = 0, 0, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.waiting = self.depth
        self.transport.write(self.piece)

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        found = data.count(ANSWER)
        self.rest = data[data.rfind(ANSWER) + len(ANSWER) :] if found else data
        self.answered += found
        self.waiting -= found
        if not self.waiting:
            self.ask()


async def ask(port: int, depth: int, seconds: float, process: int) -> tuple[float, float]:
    """Return requests a second, and a second of the server's processor time."""
    loop, callers = asyncio.get_running_loop(), [Caller(depth) for _ in range(CONNECTIONS)]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)
    await asyncio.sleep(0.2)
    before, used, start = sum(caller.answered for caller in callers), processor_time(process), time.perf_counter()
    await asyncio.sleep(seconds)
    answered = sum(caller.answered for caller in callers) - before
    elapsed, used = time.perf_counter() - start, processor_time(process) - used
    for caller in callers:
        caller.transport.abort()
    return answered / elapsed, answered / used


def processor_time(process: int) -> float:
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, depth: int, seconds: float) -> tuple[float, float]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        command = [sys.executable, __file__, "serve", name, str(listener.fileno())]
        with subprocess.Popen(command, pass_fds=[listener.fileno()]) as server:
            try:
                return uvloop.run(ask(listener.getsockname()[1], depth, seconds, server.pid))
            finally:
                server.kill()


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        fast, serve = SERVERS[sys.argv[2]]
        work = serve(socket.socket(fileno=int(sys.argv[3])))
        if fast:
            uvloop.run(work)
        else:
            asyncio.run(work)
        return
    seconds, rounds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0, int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name in SERVERS:
            for depth in (1, 16):
                found.setdefault((name, depth), []).append(measure(name, depth, seconds))
    shown: dict[str, dict[str, int]] = {}
    for (name, depth), results in found.items():
        rates, costs = (round(statistics.median(column)) for column in zip(*results, strict=True))
        shown.setdefault(name, {}).update(
            {f"{depth} at a time: a second": rates, f"{depth} at a time: a CPU second": costs}
        )
    print(json.dumps(shown, indent=2))


if __name__ == "__main__":
    main()
