"""What callers do wrong, by mistake or on purpose: each gets one clear answer, and costs the host little."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from everfit.serving import http_connection, http_server
from tests.integration.host_client import eventually
from tests.integration.http_service import LARGE, Running, chunked, get, post, running


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(body=200_000, held=300_000, connections=50) as found:
        yield found


IN_CHUNKS = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length and chunks": IN_CHUNKS.replace(b"Transfer", b"Content-Length: 3\r\nTransfer") + b"\r\n0\r\n\r\n",
    "chunks and a length": IN_CHUNKS + b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
    "a length below zero": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
    "a length with a sign": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    "a length beyond all": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "a chunk size that is none": IN_CHUNKS + b"\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a chunk size beyond all": IN_CHUNKS + b"\r\nffffffffffffffffff\r\n",
    "a chunk longer than it says": IN_CHUNKS + b"\r\n2\r\nabc\r\n0\r\n\r\n",
    "chunks that are not the last coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, x\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a space before a colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "lines without CR": b"GET / HTTP/1.1\nHost: x\n\n",
    "CR within a header": b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
}
REFUSED = {
    "a coding that is not known": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "HTTP/2": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "a tunnel": (b"CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "an unknown expectation": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: tea\r\n\r\n", 417),
    "too large a header": (get("/", "A: " + "x" * 40_000), 431),
    "too long a target": (get("/" + "x" * 40_000), 431),
    "too many headers": (get("/", *(f"A{number}: x" for number in range(200))), 431),
    "many small headers of one name": (get("/", *("A: x" for _ in range(20_000))), 431),
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_http_is_refused_and_nothing_behind_it_is_read(service: Running, sent: bytes) -> None:
    """Request smuggling: whatever two programs could read differently is answered 400 and the connection closed."""
    service.application.bodies.clear()
    with service.call() as caller:
        answer = caller.ask(sent, get("/smuggled"))
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.headers["x-amzn-errortype"] == "ValidationError"
        caller.socket.shutdown(socket.SHUT_WR)
        assert caller.is_closed()
    assert service.application.bodies == []


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_done_here_is_told_so(service: Running, sent: bytes, status: int) -> None:
    with service.call() as caller:
        answer = caller.ask(sent)
        assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_requests_before_a_malformed_one_are_answered(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/hold/good"), b"rubbish\r\n\r\n")
        service.release("good")
        assert [caller.answer().status for _ in range(2)] == [200, 400]
        assert caller.is_closed()


def test_a_header_without_end_is_refused_before_it_ends(service: Running) -> None:
    with service.call() as caller:
        caller.send(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
        service.waits_for("head")
        caller.send(b"x" * 40_000)
        assert caller.answer().status == 431
    with service.call() as caller:
        assert caller.ask(b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"x" * 40_000).status == 431


def test_headers_behind_the_body_are_not_without_end(service: Running) -> None:
    with service.call() as caller:
        head, end, _ = chunked("/c").partition(b"0\r\n\r\n")
        caller.send(head, end[:3], b"".join(b"A%d: x\r\n" % number for number in range(20_000)))
        assert caller.answer().status == 431


@pytest.mark.parametrize("sent", [post("/b", b"x" * 200_001), chunked("/b", *[b"x" * 10_000] * 21)])
def test_a_body_that_is_too_large_is_refused_and_the_caller_reads_why(service: Running, sent: bytes) -> None:
    """Huge bodies: 413 while the body is still being sent, and the answer is not lost in a reset."""
    with service.call() as caller:
        answer = caller.ask(sent)
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert b"200000 bytes" in answer.body
    assert service.server.budget.total == 0


def test_bodies_that_are_too_large_together_are_refused(service: Running) -> None:
    with service.call() as first, service.call() as second:
        first.send(post("/hold/large", b"x" * 190_000))
        eventually(lambda: service.server.budget.total == 190_000, "the first is held")
        refused = second.ask(post("/b", b"x" * 190_000))
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        service.release("large")
        assert first.answer().status == 200
    with service.call() as third:
        assert third.ask(post("/b", b"x" * 190_000)).status == 200


def test_more_connections_than_allowed_are_told_so(service: Running) -> None:
    with service.call() as first:
        others = [service.call() for _ in range(49)]
        assert [other.ask(get("/a")).status for other in others] == [200] * 49
        with service.call() as late:
            answer = late.answer()
            assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")
        assert first.ask(get("/a")).status == 200
        for other in others:
            other.__exit__()


def test_a_flood_of_connections_is_just_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "TURNED_AWAY", 1)
    with running(connections=1) as service, service.call() as first, service.call() as second:
        assert first.ask(get("/a")).status == 200
        assert second.answer().status == 503
        with service.call() as third:
            assert third.is_reset()
        assert first.ask(get("/a")).status == 200


def test_a_slow_head_is_not_waited_for(service: Running) -> None:
    """Slow clients (slowloris): a head that comes letter by letter has its time as a whole."""
    with service.call() as caller:
        caller.send(b"GET / HTTP/1.1\r\nHo")
        service.waits_for("head")
        service.pass_time(6)
        caller.send(b"st: x\r\nA")
        service.pass_time(6)
        answer = caller.answer()
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (408, "RequestTimeout")
        assert caller.is_closed()


def test_a_slow_body_is_not_waited_for(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/b", b"x" * 10_000)[:-5_000])
        service.waits_for("body")
        service.pass_time(10)
        assert not service.application.bodies.count(b"x" * 10_000)
        service.pass_time(10)
        assert caller.answer().status == 408


def has_come(service: Running, size: int) -> bool:
    return service.received() in (size, 0)


def test_a_body_that_makes_progress_may_take_its_time(service: Running) -> None:
    with service.call() as caller:
        request = post("/b", b"x" * 60_000)
        caller.send(request[:-48_000])
        service.waits_for("body")
        for part in range(4):
            service.pass_time(10)
            start = len(request) - 48_000 + part * 12_000
            caller.send(request[start : start + 12_000])
            eventually(partial(has_come, service, 24_000 + part * 12_000), "it has come")
        assert caller.answer().body == b"POST /b " + b"x" * 60_000


def test_a_connection_without_a_request_is_closed_in_the_end(service: Running) -> None:
    with service.call() as idle, service.call() as busy:
        assert idle.ask(get("/a")).status == 200
        busy.send(post("/hold/long"))
        eventually(lambda: "long" in service.application.held, "it is under way")
        service.pass_time(60)
        assert idle.ask(get("/a")).status == 200
        service.pass_time(76)
        assert idle.is_closed()
        service.release("long")
        assert busy.answer().body == b"long"


def test_a_caller_that_reads_nothing_is_let_go(service: Running) -> None:
    with service.call() as caller:
        caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        caller.send(get("/large"), get("/large"))
        eventually(lambda: service.unsent() > LARGE // 2, "it does not read")
        service.pass_time(31)
        service.pass_time(31)
        eventually(lambda: service.unsent() == 0, "it is let go")


def test_a_clock_that_jumps_closes_no_connection(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clock jumps: limits are counted in what the host does, not in what a clock says."""
    with service.call() as caller:
        caller.send(b"GET /a HTTP/1.1\r\n")
        service.waits_for("head")
        for clock in ("time", "monotonic"):
            now = getattr(time, clock)
            monkeypatch.setattr(time, clock, lambda now=now: now() + 1e6)
        service.inside(service.server.look)
        monkeypatch.undo()
        caller.send(b"Host: x\r\n\r\n")
        assert caller.answer().status == 200


def test_many_connections_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "AT_ONCE", 2)
    with running() as service:
        callers = [service.call() for _ in range(7)]
        assert [caller.ask(get("/a")).status for caller in callers] == [200] * 7
        service.pass_time(76)
        assert all(caller.is_closed() for caller in callers)
        for caller in callers:
            caller.__exit__()


def test_limits_hold_without_anybody_looking_on() -> None:
    with running(head_time=timedelta(milliseconds=50)) as service, service.call() as caller:
        caller.send(b"GET / HTTP/1.1\r\n")
        assert caller.answer().status == 408
        assert caller.is_closed()
