"""The API behind a real server: what is streamed, slow, or left in the middle."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from everfit.adapters.memory.jobs import Ended
from everfit.domain.job import JobState, JobStatus
from everfit.domain.run import Run
from everfit.interfaces.api.hub import Limits
from everfit.interfaces.service.serving import HttpServer, taken_address
from tests.served import Served
from tests.service import until

SOON = 20.0


class Live:
    """A service that answers at an address of its own, and a run whose training is under way."""

    def __init__(self, served: Served, listening: socket.socket) -> None:
        self.served = served
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self.url = "http://{}:{}".format(*self.address)

    def training(self, printed: bytes) -> Run:
        served = self.served
        served.post("/bootstrap?environment=production&auto_deploy=true")
        (run,) = served.work()
        self.prints(run, printed, JobState.RUNNING)
        return run

    def prints(self, run: Run, printed: bytes, state: JobState) -> None:
        jobs = self.served.world.jobs
        jobs._jobs[f"{run.id}-train"] = (run.id, Ended(status=JobStatus(state=state), printed=printed))

    def said(self, request: bytes) -> bytes:
        """Send bytes and return all that is answered until the other side hangs up."""
        with socket.create_connection(self.address, timeout=SOON) as sending:
            sending.sendall(request)
            found = b""
            while part := sending.recv(65_536):
                found += part
            return found


@contextmanager
def live(**limits: object) -> Iterator[Live]:
    served = Served(limits=replace(Limits(), **limits))  # type: ignore[arg-type]
    ended: list[bool] = []
    with taken_address("127.0.0.1", 0) as listening:
        server = HttpServer(served.app, listening, lambda: ended.append(True))
        server.start()
        try:
            yield Live(served, listening)
        finally:
            server.stop()
    assert ended == [True]


def test_what_a_job_prints_is_followed_to_its_last_word() -> None:
    with live() as found:
        run = found.training(b"epoch 1\n")
        with httpx.stream("GET", f"{found.url}/v1/runs/{run.id}/logs?follow=true", timeout=SOON) as answer:
            parts = answer.iter_bytes()
            assert next(parts) == b"epoch 1\n"
            found.prints(run, b"epoch 1\nepoch 2\n", JobState.SUCCEEDED)
            assert b"".join(parts) == b"epoch 2\n"
        assert answer.headers["content-type"].startswith("text/plain")
        assert found.served.app.state.followers.count == 0


def test_without_following_only_what_there_is_is_given() -> None:
    with live() as found:
        run = found.training(b"epoch 1\n" * 50_000)
        assert len(httpx.get(f"{found.url}/v1/runs/{run.id}/logs").content) == 400_000


def test_a_follower_that_leaves_gives_its_place_to_the_next() -> None:
    with live(followers=1) as found:
        run = found.training(b"epoch 1\n")
        path = f"{found.url}/v1/runs/{run.id}/logs?follow=true"
        with httpx.stream("GET", path, timeout=SOON) as first:
            parts = first.iter_bytes()
            next(parts)
            assert httpx.get(path).status_code == 429
        until(lambda: found.served.app.state.followers.count == 0)
        with httpx.stream("GET", path, timeout=SOON) as second:
            assert second.status_code == 200


def test_a_service_that_drains_lets_go_of_its_followers() -> None:
    with live() as found:
        run = found.training(b"epoch 1\n")
        with httpx.stream("GET", f"{found.url}/v1/runs/{run.id}/logs?follow=true", timeout=SOON) as answer:
            parts = answer.iter_bytes()
            next(parts)
            found.served.health.is_draining = True
            assert list(parts) == []


def test_the_logs_of_a_step_that_never_started_are_not_found() -> None:
    with live() as found:
        run = found.training(b"")
        found.served.world.jobs._jobs.pop(f"{run.id}-evaluate")
        for follow in ("false", "true"):
            path = f"{found.url}/v1/runs/{run.id}/logs?step=evaluate&follow={follow}"
            assert httpx.get(path, timeout=SOON).status_code == 404


HEAD = b"POST /v1/triggers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    with live(patience=timedelta(seconds=0.2)) as found:
        answer = found.said(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in answer


def test_a_body_that_grows_beyond_the_limit_is_cut_off() -> None:
    with live() as found:
        body = b"%x\r\n" % 2_000_000 + b"x" * 1_000_001
        answer = found.said(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("request_", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\0" * 100 + b"\r\n\r\n"])
def test_what_is_no_http_is_turned_away(request_: bytes) -> None:
    with live() as found:
        assert found.said(request_).startswith((b"HTTP/1.1 400", b"HTTP/1.1 505", b""))
        assert httpx.get(f"{found.url}/healthz").status_code == 200
