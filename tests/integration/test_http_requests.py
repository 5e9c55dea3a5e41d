"""HTTP/1.1 as callers speak it: what is read, in which order it is answered, and when a connection stays open."""

import gc
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from everfit.serving import http_server
from everfit.serving.http_connection import Connection
from tests.integration.host_client import eventually
from tests.integration.http_service import LARGE, Running, chunked, get, post, running


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(pipelined=4, held=3 * LARGE) as found:
        yield found


def test_a_connection_stays_open_for_the_next_request(service: Running) -> None:
    with service.call() as caller:
        first, second = caller.ask(post("/a", b"1")), caller.ask(get("/b"))
    assert (first.status, first.body, second.body) == (200, b"POST /a 1", b"GET /b ")
    assert "connection" not in first.headers
    assert first.headers["date"].endswith("GMT")


def test_requests_in_one_piece_are_answered_in_their_order(service: Running) -> None:
    """Pipelined requests are answered in request order; one that is ready early waits for its turn."""
    with service.call() as caller:
        caller.send(post("/hold/first"), get("/second"), post("/hold/third"), get("/fourth"))
        service.release("third")
        service.release("first")
        assert [caller.answer().body for _ in range(4)] == [b"first", b"GET /second ", b"third", b"GET /fourth "]


def test_no_more_requests_of_a_connection_are_under_way_than_allowed(service: Running) -> None:
    with service.call() as caller:
        caller.send(*(post(f"/hold/{number}") for number in range(50)))
        eventually(lambda: len(service.application.held) == 4, "four are under way")
        for number in range(50):
            assert len(service.application.held) <= 4
            service.release(str(number))
            assert caller.answer().body == str(number).encode()


def test_a_caller_that_sends_on_without_reading_is_not_read_further(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/hold/gate"))
        caller.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            caller.socket.sendall(get("/x") * 1_000_000)
        caller.socket.settimeout(30)
        service.release("gate")
        assert caller.answer().body == b"gate"
        assert caller.answer().body == b"GET /x "


def test_a_body_in_chunks_is_put_together(service: Running) -> None:
    with service.call() as caller:
        assert caller.ask(chunked("/c", b"one ", b"two ", b"three")).body == b"POST /c one two three"


def test_chunks_may_have_extensions_and_trailers_that_say_nothing(service: Running) -> None:
    head = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with service.call() as caller:
        assert caller.ask(head, b"3;a=b\r\nabc\r\n0\r\nHost: y\r\nExpires: never\r\n\r\n").body == b"POST /c abc"
        assert caller.ask(get("/next")).body == b"GET /next "


def test_a_large_body_and_a_large_answer_go_through(service: Running) -> None:
    body = bytes(range(256)) * 8192
    with service.call() as caller:
        assert caller.ask(post("/up", body)).body == b"POST /up " + body
        assert len(caller.ask(get("/large")).body) == LARGE


def test_a_caller_that_reads_slowly_gets_all_of_its_answers(service: Running) -> None:
    with service.call() as caller:
        caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        caller.send(get("/large"), get("/large"), get("/after"))
        assert [len(caller.answer().body) for _ in range(2)] == [LARGE, LARGE]
        assert caller.answer().body == b"GET /after "


@pytest.mark.parametrize(
    ("lines", "kept", "said"),
    [
        ("GET /a HTTP/1.0\r\n\r\n", False, "close"),
        ("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, "keep-alive"),
        ("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False, "close"),
        ("GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", True, None),
    ],
)
def test_a_connection_is_closed_when_the_caller_wants_it(
    service: Running, lines: str, kept: bool, said: str | None
) -> None:
    with service.call() as caller:
        answer = caller.ask(lines.encode())
        assert (answer.status, answer.headers.get("connection")) == (200, said)
        if kept:
            assert caller.ask(get("/again")).body == b"GET /again "
        else:
            assert caller.is_closed()


def test_nothing_behind_the_last_request_is_answered(service: Running) -> None:
    with service.call() as caller:
        assert caller.ask(get("/last", "Connection: close"), get("/late")).body == b"GET /last "
        assert caller.is_closed()


def test_an_answer_to_head_has_no_body(service: Running) -> None:
    with service.call() as caller:
        caller.send(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n", get("/next"))
        head = caller.answer("HEAD")
        assert (head.headers["content-length"], head.body) == ("8", b"")
        assert caller.answer().body == b"GET /next "


def test_a_caller_that_asks_first_is_told_to_send_its_body(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/e", b"abc", "Expect: 100-continue")[:-3])
        assert (caller.line(), caller.line()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        assert caller.ask(b"abc").body == b"POST /e abc"


def test_a_caller_that_asks_first_waits_for_the_answers_before(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/hold/before"), post("/e", b"abc", "Expect: 100-continue")[:-3])
        service.waits_for("body")
        service.release("before")
        assert caller.answer().body == b"before"
        assert (caller.line(), caller.line()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        assert caller.ask(b"abc").body == b"POST /e abc"


def test_a_body_that_nobody_wants_is_not_asked_for(service: Running) -> None:
    with service.call() as caller:
        answer = caller.ask(post("/refused", b"abc", "Expect: 100-continue")[:-3])
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        assert caller.is_closed()


def test_a_short_body_that_nobody_wants_is_read_over(service: Running) -> None:
    with service.call() as caller:
        assert caller.ask(post("/refused", b"x" * 1000)).status == 403
        assert caller.ask(get("/next")).body == b"GET /next "


def test_a_long_body_that_nobody_wants_is_not_waited_for(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/refused", b"x" * 100_000)[:1000])
        answer = caller.answer()
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        caller.send(b"x" * 1000)
        assert caller.is_closed()


def test_a_caller_may_end_its_side_and_still_be_answered(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/hold/half"), get("/whole"))
        caller.socket.shutdown(socket.SHUT_WR)
        service.release("half")
        assert [caller.answer().body, caller.answer().body] == [b"half", b"GET /whole "]
        assert caller.is_closed()


def test_a_request_that_is_cut_off_is_never_answered(service: Running) -> None:
    service.application.bodies.clear()
    with service.call() as caller:
        caller.send(get("/before"), post("/cut", b"0123456789")[:-5])
        caller.socket.shutdown(socket.SHUT_WR)
        assert caller.answer().body == b"GET /before "
        assert caller.is_closed()
    assert service.application.bodies == [b""]


def test_an_answer_to_a_caller_that_has_gone_is_dropped(service: Running) -> None:
    with service.call() as caller:
        caller.send(post("/hold/gone", b"x" * 200_000))
        eventually(lambda: "gone" in service.application.held, "it is under way")
        caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    eventually(lambda: service.inside(lambda: len(service.server.connections)) == 0, "the connection is gone")
    assert service.server.budget.total == 200_000
    service.release("gone")
    assert service.server.budget.total == 0


def test_a_caller_that_wants_another_protocol_is_answered_in_this_one(service: Running) -> None:
    wanted = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    with service.call() as caller:
        caller.send(get("/u", *wanted), post("/v", b"a body", *wanted), get("/w"))
        assert [caller.answer().body for _ in range(3)] == [b"GET /u ", b"POST /v a body", b"GET /w "]
        head, _, body = chunked("/x", b"in ", b"chunks").partition(b"\r\n\r\n")
        caller.send(head, b"\r\n", "\r\n".join(wanted).encode(), b"\r\n\r\n", body)
        assert caller.answer().body == b"POST /x in chunks"
        caller.send(get("/y", *wanted) * 3000)
        assert {caller.answer().body for _ in range(3000)} == {b"GET /y "}


def test_a_mistake_of_the_host_is_an_answer_too(service: Running, capfd: pytest.CaptureFixture[str]) -> None:
    with service.call() as caller:
        answer = caller.ask(get("/crash"))
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (500, "InternalFailure")
        assert caller.ask(get("/next")).status == 200
    assert "KeyError: '/crash'" in capfd.readouterr().err


def test_answers_that_are_due_are_given_before_the_service_ends() -> None:
    with running() as service, service.call() as busy, service.call() as idle:
        busy.send(post("/hold/due"))
        eventually(lambda: service.application.held, "it is under way")
        stopping = service.begin(service.server.stop)
        assert idle.is_closed()
        busy.send(get("/late"))
        service.release("due")
        assert busy.answer().body == b"due"
        late = busy.answer()
        assert (late.status, late.headers["retry-after"], late.headers["connection"]) == (503, "1", "close")
        assert busy.is_closed()
        stopping.result(30)


def test_a_request_that_comes_while_the_service_stops_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "GRACE", 30)
    with running() as service, service.call() as caller:
        assert caller.ask(get("/first")).status == 200
        stopping = service.begin(service.server.stop)
        eventually(lambda: service.server.is_leaving, "it stops")
        answer = caller.ask(get("/just/so"))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        stopping.result(30)


def test_who_connects_while_the_service_stops_is_refused_though_its_parent_has_the_port_too() -> None:
    with running() as service, service.call() as busy:
        busy.send(post("/hold/due"))
        eventually(lambda: service.application.held, "it is under way")
        stopping = service.begin(service.server.stop)
        eventually(lambda: service.server.is_leaving, "it stops")
        with pytest.raises(ConnectionRefusedError):
            service.call()
        service.release("due")
        assert busy.answer().body == b"due"
        stopping.result(30)


@pytest.mark.parametrize("sent", [b"GET /half HTTP/1.1\r\n", post("/half", b"body")[:-1]])
def test_a_request_that_was_sent_by_half_is_told_that_the_service_stops(sent: bytes) -> None:
    with running() as service, service.call() as caller, service.call() as busy:
        busy.send(post("/hold/due"), sent)
        caller.send(sent)
        eventually(lambda: service.application.held, "one is under way")
        service.waits_for("head" if sent.startswith(b"GET") else "body")
        stopping = service.begin(service.server.stop)
        refused = caller.answer()
        assert (refused.status, refused.headers["retry-after"], refused.headers["connection"]) == (503, "1", "close")
        service.release("due")
        assert busy.answer().body == b"due"
        assert busy.answer().status == 503
        for each in (caller, busy):
            each.socket.shutdown(socket.SHUT_WR)
        stopping.result(30)


def test_a_service_that_stops_waits_no_longer_than_a_request_may_take() -> None:
    # The service waits a second more than that.
    with running(request=timedelta(seconds=-0.9)) as service, service.call() as caller:
        caller.send(post("/hold/for"))
        eventually(lambda: service.application.held, "it is under way")
        service.begin(service.server.stop).result(30)
        assert caller.is_closed()
        service.release("for")


def test_connections_leave_nothing_behind() -> None:
    """However a connection ends, its memory is given back at once, without a search for cycles."""
    whole, cut = get("/a"), post("/b", b"cut")[:-1]
    # What other tests of this process have left is none of this one's: only what is its own can be told for certain.
    gc.collect()
    others = connections()
    with running() as service:
        gc.disable()
        try:
            for sent in (whole, get("/a", "Connection: close"), cut, whole + cut, b"GET /", b"rubbish\r\n\r\n"):
                with service.call() as caller:
                    caller.send(sent)
                    caller.socket.shutdown(socket.SHUT_WR)
                    while caller.line():
                        pass
            eventually(lambda: not [each for each in connections() if each not in others], "nothing is left")
        finally:
            gc.enable()
        assert service.server.budget.total == 0


def connections() -> list[Connection]:
    return [each for each in gc.get_objects() if isinstance(each, Connection)]
