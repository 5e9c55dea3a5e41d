"""The endpoint host keeps requests and takes labels: real processes, real HTTP."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.live_quality import LiveQuality, Matching
from everfit.domain.endpoint import Service
from everfit.serving.capture_keeper import keep
from everfit.serving.capture_settings import read_settings
from tests.integration.captured import rows_of
from tests.integration.host_client import Client, eventually, gone
from tests.integration.served_models import Models, deploy


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[LocalEndpoints]:
    """Serve a version that keeps every request."""
    adapter = LocalEndpoints(tmp_path, None)
    deploy(adapter, replace(Models(home=tmp_path).version(1), service=Service(capture=1.0, keep=3600.0)))
    yield adapter
    adapter.stop()


def process_of(home: Path, module: str) -> int:
    """Return the process of the host that runs the module."""
    wanted = [module.encode(), str(home / "host").encode()]

    def look() -> int | None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[3:5] == wanted:
                    return int(entry.name)
        return None

    return eventually(look, f"{module} runs") or 0


def test_requests_are_captured_and_labelled_over_http(endpoints: LocalEndpoints, tmp_path: Path) -> None:
    """Labels that arrive late are joined to the predictions they belong to, from one end to the other."""
    half = replace(Models(home=tmp_path).version(2), service=Service(capture=0.5, keep=3600.0))
    deploy(endpoints, half, fence=2)
    client = Client(tmp_path)
    for number in range(20):
        got = client.send(
            "POST",
            "/endpoints/solar/invocations",
            f"{number}".encode(),
            content_type="text/csv",
            x_amzn_sagemaker_inference_id=f"order-{number}",
        )
        assert (got.status, got.headers["x-everfit-inference-id"]) == (200, f"order-{number}")
    labels = [{"inference_id": f"order-{number}", "label": "2:2:7"} for number in range(20)]
    got = client.send("POST", "/endpoints/solar/feedback", json.dumps(labels), content_type="application/json")
    assert (got.status, got.document) == (202, {"requests": 20, "labels": 20})
    assert client.send("POST", "/endpoints/lunar/feedback", b"{}").status == 400
    assert client.send("GET", "/endpoints/solar/feedback").status == 405
    assert client.send("POST", "/endpoints/solar/feedback", b"{").document["Code"] == "ValidationError"
    assert read_settings(tmp_path / "host").of("solar").keep == 3600.0
    assert endpoints.stop()
    assert LiveQuality(tmp_path).matching("solar") == Matching(requests=20, unmatched=10)
    assert len(requests(tmp_path, 10)) == 10
    rows = rows_of(tmp_path / "host", "version, inference_id, request, status, answer")
    for version, name, request, status, answer in rows:
        number = name.removeprefix("order-")
        assert (version, request.decode(), status, answer.decode()) == (2, number, 200, f"2:2:{number}")


def test_what_is_kept_follows_the_settings_whichever_version_answers(endpoints: LocalEndpoints, tmp_path: Path) -> None:
    client = Client(tmp_path)
    for share, words in ((0.0, "nothing"), (1.0, "kept"), (0.0, "nothing")):
        endpoints.keep_requests("solar", Service(capture=share, keep=3600.0))
        assert {client.ask(f"{words} {number}").status for number in range(5)} == {200}
    endpoints.stop()
    endpoints.start()
    assert Client(tmp_path).ask("nothing after a restart").status == 200
    endpoints.keep_requests("lunar", Service(capture=1.0))
    assert "lunar" not in (tmp_path / "host" / "capture.json").read_text()
    assert endpoints.stop()
    assert requests(tmp_path, 5) == [b"kept %d" % number for number in range(5)]


def test_a_writer_that_stands_still_holds_no_request_up(endpoints: LocalEndpoints, tmp_path: Path) -> None:
    assert endpoints.is_running()
    client = Client(tmp_path)
    assert client.ask("1").status == 200
    eventually(lambda: captured(client)["captured"] == 1, "the first request was captured")
    writer = process_of(tmp_path, "everfit.serving.capture_writer")
    os.kill(writer, signal.SIGSTOP)
    try:
        body = "x" * 900_000
        assert {client.ask(body).status for _ in range(30)} == {200}
        assert captured(client)["dropped"]["slow writer"] > 0
    finally:
        os.kill(writer, signal.SIGCONT)
    eventually(lambda: captured(client)["captured"] > 1, "capture goes on")
    words = 'everfit_capture_dropped_total{endpoint="solar",reason="slow writer"}'
    assert words in client.send("GET", "/metrics").body.decode()


def test_what_was_captured_outlives_a_front_that_is_killed(endpoints: LocalEndpoints, tmp_path: Path) -> None:
    client = Client(tmp_path)
    assert [client.ask(f"{number}").status for number in range(5)] == [200] * 5
    eventually(lambda: captured(client)["captured"] == 5, "the requests were captured")
    writer, front = process_of(tmp_path, "everfit.serving.capture_writer"), endpoints._host.tell("converge")["pid"]
    os.kill(front, signal.SIGKILL)
    gone([writer, front])
    again = Client(tmp_path)
    assert [again.ask(f"{number}").status for number in range(5, 10)] == [200] * 5
    assert endpoints.stop()
    assert requests(tmp_path, 10) == [b"%d" % number for number in range(10)]


def captured(client: Client) -> dict[str, Any]:
    """Return what the host says of its capture."""
    report: dict[str, Any] = client.send("GET", "/endpoints/solar").document["capture"]
    return report


def requests(home: Path, count: int) -> list[bytes]:
    """Return what was captured, as soon as all of it is in Parquet files."""

    def look() -> list[Any]:
        # One that the host started may still be at it, and then this one leaves it to that.
        keep(home / "host", time.time())
        rows = rows_of(home / "host", "request")
        return rows if len(rows) >= count else []

    return sorted(request for (request,) in eventually(look, "all requests became Parquet"))
