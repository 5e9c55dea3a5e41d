"""The endpoint host when things go wrong around it: killed, damaged, stopped, started twice, kept from its port."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.host_process import HostProcess
from everfit.domain.errors import BackendError, RefusedError, RunFailedError, StateError
from everfit.serving.limits import Limits
from everfit.serving.live import KEPT_OF_LOG, LARGEST_LOG, trim_log
from everfit.serving.supervisor import own
from tests.integration.host_client import Client, eventually, gone, kill, workers
from tests.integration.served_models import Models, deploy, proof, tamper_file

LIMITS = Limits(body=10_000, request=timedelta(seconds=20))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None, LIMITS)
    yield adapter
    adapter.stop()


@pytest.fixture
def models(home: Path) -> Models:
    return Models(home=home)


@pytest.fixture
def client(endpoints: LocalEndpoints, models: Models, home: Path) -> Client:
    deploy(endpoints, models.version(1))
    return Client(home)


def front(home: Path) -> int:
    """Return the process that accepts HTTP."""
    return int(HostProcess(home / "host", None, LIMITS).tell("converge")["pid"])


def supervisor(home: Path) -> int:
    return int(json.loads((home / "host" / "host.json").read_bytes())["pid"])


def test_invocations_without_a_name_need_exactly_one_endpoint(
    client: Client, endpoints: LocalEndpoints, models: Models
) -> None:
    assert client.send("POST", "/invocations", b"7", content_type="text/csv").body == b"1:1:7"
    deploy(endpoints, models.version(2), "lunar")
    refused = client.send("POST", "/invocations", b"7")
    assert refused.status == 400
    assert "lunar, solar" in refused.document["Message"]


def test_a_crash_loop_is_reported_and_does_not_hang(client: Client) -> None:
    for _ in range(2):
        client.ask("crash")
    got = client.ask("7")
    if got.status != 200:
        assert got.headers["x-amzn-errortype"] == "ServiceUnavailable"
    message = client.send("GET", "/endpoints/solar").document["versions"]["1"]["message"]
    assert "exit code 7" in message
    eventually(lambda: client.ask("7").status == 200, "the version answers again")


def test_a_version_answers_as_many_requests_at_once_as_it_has_workers(
    endpoints: LocalEndpoints, models: Models, home: Path, tmp_path: Path
) -> None:
    deploy(endpoints, models.version(1, workers=2))
    gate = tmp_path / "gate"
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(Client(home).ask, f"wait for {gate}") for _ in range(2)]
        eventually(lambda: len(list(tmp_path.glob("gate.*.started"))) == 2, "both are being answered")
        gate.touch()
        assert {each.result().status for each in asked} == {200}


def test_a_model_that_was_mended_can_be_staged_again(endpoints: LocalEndpoints, models: Models) -> None:
    version = models.version(1)
    tamper_file(Path(version.model))
    with pytest.raises(RunFailedError):
        endpoints.stage("solar", version, fence=1)
    deploy(endpoints, models.version(1))
    state = endpoints.describe("solar")
    assert state is not None
    assert state.weights == {1: 1.0}


def test_the_host_itself_refuses_shares_that_nobody_released(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    endpoints.stage("solar", models.version(2), fence=1)
    path = home / "host" / "desired.json"
    document = json.loads(path.read_bytes())
    document["endpoints"]["solar"]["weights"] = {"2": 1.0}
    path.write_text(json.dumps(document))
    report = HostProcess(home / "host", None, LIMITS).tell("converge")["endpoints"][0]
    assert "no release" in report["refusal"]
    assert client.ask("7").body == b"1:1:7"


def test_a_damaged_desired_state_stops_nothing_that_serves(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    (home / "host" / "desired.json").write_text("{")
    with pytest.raises(StateError, match=r"desired\.json is damaged"):
        endpoints.stage("solar", models.version(2), fence=1)
    assert client.ask("7").body == b"1:1:7"


def test_a_desired_state_of_a_newer_everfit_is_left_alone(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    path = home / "host" / "desired.json"
    newer = path.read_text().replace('"format": 2', '"format": 3')
    path.write_text(newer)
    with pytest.raises(StateError, match="newer Everfit"):
        endpoints.settle("solar", [], fence=1)
    assert path.read_text() == newer
    assert client.ask("7").status == 200


def test_a_killed_worker_is_replaced_and_no_request_fails(client: Client) -> None:
    for _ in range(3):
        (worker,) = workers(client)
        kill(worker)
        assert client.ask("7").body == b"1:1:7"
        eventually(lambda: workers(client), "another process stands there")


def test_a_killed_front_comes_back_with_the_same_versions(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    before, port, old_workers = endpoints.describe("solar"), supervisor(home), workers(client)
    kill(front(home))
    assert Client(home).ask("7").body == b"1:1:7"
    assert endpoints.describe("solar") == before
    assert supervisor(home) == port
    assert workers(Client(home)) == old_workers


def test_a_killed_host_is_started_again_and_serves_the_same(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    endpoints.stage("solar", models.version(2), fence=3)
    before, old_workers = endpoints.describe("solar"), workers(client)
    process = front(home)
    kill(supervisor(home))
    kill(process)
    gone(old_workers)
    eventually(lambda: endpoints.describe("solar") == before, "the same versions are loaded")
    assert Client(home).ask("7").body == b"1:1:7"


def test_a_host_without_its_supervisor_goes_on_serving(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    kill(supervisor(home))
    deploy(endpoints, models.version(2))
    assert client.ask("7").body == b"2:2:7"


def test_a_change_that_nobody_told_the_host_of_happens_all_the_same(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    """A command that was killed between writing its wish and telling the host still gets it."""
    endpoints.stage("solar", models.version(2), fence=1)
    path = home / "host" / "desired.json"
    document = json.loads(path.read_bytes())
    release = document["endpoints"]["solar"]["releases"].pop("1")
    artifact = document["endpoints"]["solar"]["versions"]["2"]["artifact"]
    document["endpoints"]["solar"]["releases"]["2"] = {**release, "version": 2, "artifact": artifact}
    document["endpoints"]["solar"]["weights"] = {"2": 1.0}
    path.with_suffix(".new").write_text(json.dumps(document))
    os.replace(path.with_suffix(".new"), path)
    eventually(lambda: client.ask("7").body == b"2:2:7", "the host notices")


def test_a_host_that_starts_with_a_changed_model_serves_nothing_and_says_why(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    endpoints.stop()
    tamper_file(Path(models.home / "models" / proof_folder(home)))
    got = endpoints.invoke("solar", b"7", "text/csv", "*/*")
    assert got.status == 503
    assert b"was changed" in got.body
    state = endpoints.describe("solar")
    assert state is not None
    assert state.weights == {}
    models.version(1)
    eventually(lambda: Client(home).ask("7").status == 200, "the mended model is loaded")


def test_a_start_that_is_killed_is_tried_again(
    endpoints: LocalEndpoints, models: Models, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ -e {killed} ] || {{ touch {killed}; kill -9 $$; }}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    deploy(endpoints, models.version(1))
    assert killed.exists()
    assert Client(home).ask("7").body == b"1:1:7"


def test_a_host_that_cannot_start_is_given_up_with_its_last_words(
    endpoints: LocalEndpoints, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no memory is left >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(BackendError, match=r"it ended with 3\. no memory is left See .*host\.log"):
        deploy(endpoints, models.version(1))


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"host\.lock cannot be opened"):
        own(tmp_path / "absent")


def proof_folder(home: Path) -> str:
    document = json.loads((home / "host" / "desired.json").read_bytes())
    artifact: str = document["endpoints"]["solar"]["versions"]["1"]["artifact"]
    return artifact.partition(":")[2]


def test_a_stopped_host_leaves_no_process_and_starts_with_the_next_request(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    processes = [*workers(client), front(home), supervisor(home)]
    assert endpoints.is_running()
    assert endpoints.stop()
    gone(processes)
    assert not endpoints.is_running()
    state = endpoints.describe("solar")
    assert state is not None
    assert state.weights == {}
    assert not endpoints.stop()
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").body == b"1:1:7"


def test_a_host_whose_state_folder_was_deleted_ends(client: Client, endpoints: LocalEndpoints, home: Path) -> None:
    processes = [*workers(client), front(home), supervisor(home)]
    shutil.rmtree(home)
    gone(processes)
    assert not endpoints.is_running()


def test_stopping_answers_first_what_was_asked(client: Client, endpoints: LocalEndpoints, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.ask, f"wait for {gate}")
        eventually(lambda: list(tmp_path.glob("gate.*.started")), "it is being answered")
        stopped = pool.submit(endpoints.stop)
        gate.touch()
        assert asked.result().status == 200
        assert stopped.result()


def test_two_commands_that_need_the_host_at_once_start_one(home: Path, models: Models) -> None:
    version = models.version(1)
    adapters = [LocalEndpoints(home, None, LIMITS) for _ in range(4)]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda adapter: adapter.stage("solar", version, fence=1), adapters))
        assert len(workers(Client(home))) == 1
    finally:
        assert [adapter.stop() for adapter in adapters] == [True, False, False, False]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_given_port_that_is_taken_is_an_error_that_names_it(home: Path, models: Models, taken: int) -> None:
    adapter = LocalEndpoints(home, taken)
    with pytest.raises(StateError, match=f"Port {taken} .* taken"):
        adapter.stage("solar", models.version(1), fence=1)
    assert not adapter.is_running()


def test_the_port_is_remembered_and_never_silently_another(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    """The name that callers use never changes."""
    port = client.connection.port
    endpoints.stop()
    client.connection.close()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(StateError, match=f"Port {port} .* taken"):
            endpoints.invoke("solar", b"7", "text/csv", "*/*")
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").status == 200
    assert Client(home).connection.port == port


def test_another_port_than_that_of_the_running_host_is_an_error(client: Client, home: Path, taken: int) -> None:
    with pytest.raises(StateError, match=f"runs on port {client.connection.port}, not {taken}"):
        LocalEndpoints(home, taken).describe("solar")


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path, models: Models) -> None:
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(StateError, match="file/host cannot be used"):
        LocalEndpoints(home, None).stage("solar", models.version(1), fence=1)


def test_a_log_that_grows_without_end_is_cut_and_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "solar.v1.log"
    log.touch()
    os.truncate(log, LARGEST_LOG + 1)
    with log.open("ab") as file:
        file.write(b"last words")
    trim_log(log)
    assert log.stat().st_size == KEPT_OF_LOG
    assert log.read_bytes().endswith(b"last words")


def test_a_refused_change_starts_no_host(home: Path, models: Models) -> None:
    adapter = LocalEndpoints(home, None)
    with pytest.raises(RefusedError):
        adapter.shift("solar", {1: 1.0}, [proof(models.version(1))], fence=1)
    assert not adapter.is_running()
    shutil.rmtree(home)
