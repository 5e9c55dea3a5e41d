"""However the bytes of requests are cut, and whatever bytes come, a connection answers the same and never breaks."""

import asyncio
from itertools import accumulate, pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from everfit.serving.http_connection import Connection
from everfit.serving.http_exchange import Budget, Exchange
from everfit.serving.http_heads import Head
from everfit.serving.limits import ConnectionLimits, Limits
from tests.integration.http_service import chunked, get, post

UPGRADE = ("Connection: Upgrade", "Upgrade: h2c")


class Memory(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self, told: dict[str, Any] | None = None) -> None:
        super().__init__(told)
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.written += data

    def pause_reading(self) -> None:
        """Go on: what comes is given by the test."""

    def resume_reading(self) -> None:
        """Go on."""

    def write_eof(self) -> None:
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


class Answering:
    """A service that says what it was asked, the newest first or at once."""

    def __init__(self, *, waits: bool) -> None:
        self.limits = Limits(body=5000, connection=ConnectionLimits(pipelined=3))
        self.budget = Budget(100_000)
        self.heads: dict[bytes, Head] = {}
        self.connections = set[Connection]()
        self.now = 0.0
        self.date = ""
        self.is_leaving = False
        self.waiting = list[Exchange]()
        self._waits = waits

    def admit(self, exchange: Exchange) -> None:
        if exchange.target == b"/refused":
            exchange.fail("AccessDenied", 403, "No.")

    def respond(self, exchange: Exchange) -> None:
        self.waiting.append(exchange)
        if not self._waits:
            self.work_off()

    def work_off(self) -> None:
        while self.waiting:
            exchange = self.waiting.pop()
            exchange.answer(200, b" ".join([exchange.method.encode(), exchange.target, exchange.body]), "text/plain")

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)


def answers(pieces: list[bytes], *, waits: bool = False) -> tuple[bytes, bool]:
    """Return what is answered to the pieces, and whether the connection was closed."""
    service, transport = Answering(waits=waits), Memory()
    connection = Connection(service)
    connection.connection_made(transport)
    for piece in pieces:
        connection.data_received(piece)
    service.work_off()
    connection.connection_lost(None)
    assert service.budget.total == 0
    assert not service.connections
    return transport.written, transport.is_closed


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Return the stream in pieces."""
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(marks) if end > start]


bodies = st.binary(max_size=300)
requests = st.one_of(
    bodies.map(lambda body: post("/p", body)),
    st.lists(bodies.filter(bool), max_size=4).map(lambda pieces: chunked("/c", *pieces)),
    bodies.map(lambda body: post("/refused", body)),
    bodies.map(lambda body: post("/u", body, *UPGRADE)),
    st.lists(bodies.filter(bool), max_size=3).map(
        lambda pieces: chunked("/v", *pieces).replace(
            b"Host: x\r\n", b"Host: x\r\nConnection: upgrade\r\nUpgrade: x\r\n"
        )
    ),
    st.just(get("/g", "X-Empty:", "X-Long: " + "y" * 500)),
    bodies.map(lambda body: b"\r\n" + post("/p", body)),
    st.just(b"\r\n\r\n" + get("/g")),
    st.just(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n"),
    st.just(b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    st.just(post("/large", b"z" * 6000)),
)
endings = st.sampled_from([b"", get("/last", "Connection: close"), b"GET /old HTTP/1.0\r\n\r\n", b"rubbish\r\n\r\n"])


@settings(deadline=None, max_examples=250)
@given(
    stream=st.builds(lambda many, end: b"".join(many) + end, st.lists(requests, min_size=1, max_size=6), endings),
    places=st.lists(st.integers(0, 20_000), max_size=30),
    waits=st.booleans(),
)
def test_requests_are_answered_the_same_however_they_are_cut(stream: bytes, places: list[int], waits: bool) -> None:
    assert answers(cut(stream, places), waits=waits) == answers([stream])


@settings(deadline=None, max_examples=150)
@given(
    many=st.lists(requests, min_size=1, max_size=4),
    again=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 0, 0, 0, -2, -1, 1, 2, 3])), max_size=15),
)
def test_requests_that_come_again_are_answered_the_same(many: list[bytes], again: list[tuple[int, int]]) -> None:
    """A head that is known by its bytes says what it said when it was parsed, also when it comes nearly alone."""
    pieces = [*many, *(many[number % len(many)] for number, _ in again)]
    ends = list(accumulate(len(piece) for piece in pieces))
    shifts = [*(0 for _ in many), *(shift for _, shift in again)]
    places = [end + shift for end, shift in zip(ends, shifts, strict=True)]
    stream = b"".join(pieces)
    assert answers(cut(stream, places)) == answers([stream])


@settings(deadline=None, max_examples=30)
@given(stream=st.lists(requests, min_size=1, max_size=3).map(b"".join))
def test_requests_are_answered_the_same_byte_by_byte(stream: bytes) -> None:
    assert answers([bytes([byte]) for byte in stream]) == answers([stream])


@settings(deadline=None, max_examples=300)
@given(
    stream=st.lists(requests, min_size=1, max_size=4).map(b"".join),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
    places=st.lists(st.integers(0, 5000), max_size=5),
)
def test_damaged_requests_break_nothing(stream: bytes, changes: list[tuple[int, bytes]], places: list[int]) -> None:
    damaged = bytearray(stream)
    for place, change in changes:
        start = place % len(damaged)
        damaged[start : start + len(change)] = change
    written, _ = answers(cut(bytes(damaged), places))
    assert b" 500 " not in written
    assert not written or written.startswith(b"HTTP/1.1 ")
