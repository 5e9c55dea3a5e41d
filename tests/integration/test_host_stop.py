"""The endpoint host is told to end by a signal while it is being asked."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.serving.host import OWN_FILES, fitting
from everfit.serving.limits import Limits, from_document, to_document
from tests.integration.host_client import Client, eventually, gone, workers
from tests.integration.http_service import Caller, post
from tests.integration.served_models import Models, deploy


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None)
    try:
        deploy(adapter, Models(home=home).version(1, workers=2))
        yield adapter
    finally:
        adapter.stop()


@pytest.mark.parametrize("told", ["supervisor", "front"])
def test_a_host_that_is_told_to_end_answers_first_what_it_has(
    endpoints: LocalEndpoints, home: Path, tmp_path: Path, told: str
) -> None:
    """Graceful drain at SIGTERM: what was accepted is answered, with Connection: close, then everything ends."""
    client, gate = Client(home), tmp_path / "gate"
    record = json.loads((home / "host" / "host.json").read_bytes())
    front = endpoints._host.tell("converge")["pid"]
    processes = [*workers(client), front, record["pid"]]
    with Caller(record["port"]) as pipelined, ThreadPoolExecutor() as pool:
        asked = pool.submit(Client(home).ask, f"wait for {gate}")
        pipelined.send(
            post("/invocations", f"wait for {gate}".encode(), "Content-Type: text/csv").replace(b"x", b"localhost", 1)
        )
        eventually(lambda: len(list(tmp_path.glob("gate.*.started"))) == 2, "both are being answered")
        os.kill(record["pid"] if told == "supervisor" else front, signal.SIGTERM)
        # An idle connection is closed, which tells that the host has begun to end.
        assert client.connection.sock is not None
        assert client.connection.sock.recv(1) == b""
        gate.touch()
        answers = [asked.result().headers, pipelined.answer().headers]
        assert [headers["connection"] for headers in answers] == ["close", "close"]
        assert [headers["x-everfit-version"] for headers in answers] == ["1", "1"]
        assert pipelined.is_closed()
    gone(processes)
    assert not endpoints.is_running()


def test_a_command_that_waits_for_a_load_does_not_keep_the_host_from_ending(
    endpoints: LocalEndpoints, home: Path
) -> None:
    models, hold = Models(home=home), home / "host" / "work" / "solar.v2" / "hold"
    hold.parent.mkdir(parents=True)
    hold.touch()
    secret = json.loads((home / "host" / "host.json").read_bytes())["secret"]
    version = models.version(2, "slow.py")
    with ThreadPoolExecutor() as pool:
        staged = pool.submit(endpoints.stage, "solar", version, fence=2)
        eventually(
            lambda: "2" in Client(home).send("GET", "/endpoints/solar").document["versions"], "it is being loaded"
        )
        waiting, client = Client(home), Client(home)
        try:
            waiting.send("GET", "/ping")
            waiting.connection.request(
                "POST",
                "/-/await",
                body=b'{"endpoint": "solar", "versions": [2]}',
                headers={"Authorization": f"Bearer {secret}"},
            )
            # Whatever was sent before this answer is in the host's hands by then.
            client.send("GET", "/ping")
            assert client.send("POST", "/-/stop", b"", authorization=f"Bearer {secret}").status == 200
            found = json.loads(waiting.connection.getresponse().read())
            assert found["endpoints"][0]["versions"]["2"]["state"] == "loading"
        finally:
            hold.unlink()
        staged.result()


def test_limits_are_handed_on_as_they_are() -> None:
    limits = Limits(body=5)
    assert from_document(json.loads(json.dumps(to_document(limits)))) == limits


def test_there_are_no_more_connections_than_files() -> None:
    assert fitting(Limits(), 65536) == Limits()
    assert fitting(Limits(), 1024).connection.connections == 1024 - OWN_FILES
    assert fitting(Limits(), 20).connection.connections == 1
