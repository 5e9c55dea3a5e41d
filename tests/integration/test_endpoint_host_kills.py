"""The endpoint host when its processes are killed: what is loaded stays loaded, and what must end ends."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.host_process import HostProcess
from everfit.serving.limits import Limits
from tests.integration.host_client import Client, eventually, gone, kill, workers
from tests.integration.pools import made
from tests.integration.served_models import Models, deploy

LIMITS = Limits(request=timedelta(seconds=20))


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


def loads(home: Path, number: int = 1) -> int:
    """Return how many processes have loaded the version: each answers the sample, and prints it."""
    return (home / "host" / "logs" / f"solar.v{number}.log").read_text().count("asked sample")


def test_a_killed_front_leaves_its_workers_and_the_next_one_takes_them_over(client: Client, home: Path) -> None:
    """A restarted front serves the same state within two seconds, however long a model takes to load."""
    before = workers(client)
    kill(front(home))
    again = Client(home)
    assert again.ask("7").body == b"1:1:7"
    assert workers(again) == before
    assert loads(home) == 1


def test_a_front_that_is_killed_again_and_again_loads_nothing_anew(client: Client, home: Path) -> None:
    before = workers(client)
    for _ in range(3):
        kill(front(home))
        assert Client(home).ask("7").status == 200
    assert workers(Client(home)) == before
    assert loads(home) == 1


def test_a_model_that_would_never_load_again_goes_on_serving(endpoints: LocalEndpoints, home: Path) -> None:
    """However long a load takes, a front that comes back does not wait for one."""
    deploy(endpoints, made(home))
    (folder := home / "host" / "work" / "solar.v1").joinpath("closed").touch()
    for _ in range(2):
        kill(front(home))
        assert Client(home).ask("7").body == b"<7>"
    assert len((folder / "loaded").read_text().split()) == 1


def test_a_model_that_is_being_loaded_when_the_front_dies_is_loaded_once(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    version = replace(made(home), version=2)
    folder = home / "host" / "work" / "solar.v2"
    folder.mkdir(parents=True)
    (folder / "closed").touch()
    with ThreadPoolExecutor() as pool:
        staged = pool.submit(endpoints.stage, "solar", version, fence=1)
        eventually((folder / "loaded").exists, "it is being loaded")
        kill(front(home))
        assert Client(home).ask("7").body == b"1:1:7"
        (folder / "closed").unlink()
        staged.result()
    assert len((folder / "loaded").read_text().split()) == 1


def test_whoever_waits_for_the_only_version_is_answered_though_its_process_is_killed_while_it_loads(
    endpoints: LocalEndpoints, home: Path
) -> None:
    deploy(endpoints, made(home))
    endpoints.stop()
    folder = home / "host" / "work" / "solar.v1"
    folder.mkdir(parents=True, exist_ok=True)
    loaded = folder / "loaded"
    loaded.unlink(missing_ok=True)
    (folder / "closed").touch()
    endpoints.start()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(Client(home).ask, "7")
        eventually(lambda: Client(home).send("GET", "/endpoints/solar").document["waiting"] == 1, "it waits")
        eventually(lambda: loaded.exists() and loaded.read_text().strip(), "it is being loaded")
        kill(int(loaded.read_text()))
        eventually(lambda: len(loaded.read_text().split()) == 2, "it is loaded again")
        (folder / "closed").unlink()
        assert (asked.result().status, asked.result().body) == (200, b"<7>")


def test_a_worker_that_nobody_wrote_down_ends_with_its_front(client: Client, home: Path) -> None:
    (before,), process, supervising = workers(client), front(home), supervisor(home)
    os.kill(supervising, signal.SIGSTOP)
    try:
        kill(process)
        for record in (home / "host" / "work" / "solar.v1" / ".workers").iterdir():
            record.unlink()
    finally:
        os.kill(supervising, signal.SIGCONT)
    assert Client(home).ask("7").body == b"1:1:7"
    gone([before])


def test_a_worker_whose_socket_was_cleared_away_ends_with_its_front(client: Client, home: Path) -> None:
    (before,) = workers(client)
    for path in Path((home / "host" / "sockets").read_text()).iterdir():
        path.unlink()
    kill(front(home))
    assert Client(home).ask("7").body == b"1:1:7"
    gone([before])


def test_a_killed_front_under_load_fails_only_what_it_was_answering(client: Client, home: Path) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        lost = 0
        for _ in range(150):
            try:
                answers.append(Client(home).ask("7").body)
            except (ConnectionError, OSError):
                lost += 1
        assert lost <= 1

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        eventually(lambda: len(answers) > 50, "they are being answered")
        kill(front(home))
        for each in asked:
            each.result()
    assert set(answers) == {b"1:1:7"}
    assert loads(home) == 1


def test_a_worker_that_is_stuck_keeps_a_new_front_from_nothing(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    (stuck,) = workers(client)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.ask, "stuck")
        log = home / "host" / "logs" / "solar.v1.log"
        eventually(lambda: "asked stuck" in log.read_text(), "it is stuck")
        kill(front(home))
        assert isinstance(asked.exception(), OSError)
    assert Client(home).ask("7").body == b"1:1:7"
    assert loads(home) == 2
    assert endpoints.stop()
    gone([stuck])


def test_a_busy_worker_answers_the_next_front_when_it_is_done(client: Client, home: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    before = workers(client)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.ask, f"wait for {gate}")
        eventually(lambda: list(tmp_path.glob("gate.*.started")), "it is being answered")
        kill(front(home))
        assert isinstance(asked.exception(), OSError)
        gate.touch()
    assert Client(home).ask("7").body == b"1:1:7"
    assert before[0] in workers(Client(home)) or loads(home) == 2


def test_a_worker_of_a_version_that_is_not_wanted_any_more_ends_with_its_front(
    client: Client, endpoints: LocalEndpoints, models: Models, home: Path
) -> None:
    endpoints.stage("solar", models.version(2), fence=1)
    process, supervising = front(home), supervisor(home)
    old = workers(client)
    os.kill(supervising, signal.SIGSTOP)
    try:
        kill(process)
        path = home / "host" / "desired.json"
        document = json.loads(path.read_bytes())
        del document["endpoints"]["solar"]["versions"]["2"]
        path.write_text(json.dumps(document))
    finally:
        os.kill(supervising, signal.SIGCONT)
    again = Client(home)
    assert again.ask("7").body == b"1:1:7"
    (kept,) = workers(again)
    gone(set(old) - {kept})


def test_a_killed_worker_of_a_front_before_is_replaced(client: Client, home: Path) -> None:
    kill(front(home))
    again = Client(home)
    assert again.ask("7").status == 200
    (worker,) = workers(again)
    kill(worker)
    assert again.ask("7").body == b"1:1:7"
    assert loads(home) == 2


def test_workers_outlive_the_supervisor_and_end_with_the_last_of_both(client: Client, home: Path) -> None:
    before, process = workers(client), front(home)
    kill(supervisor(home))
    assert client.ask("7").body == b"1:1:7"
    assert workers(client) == before
    kill(process)
    gone(before)


def test_a_stuck_worker_ends_when_all_of_the_host_is_killed(client: Client, home: Path) -> None:
    """Native code that never lets go of the interpreter must not keep a process alive for ever."""
    (worker,), process, supervising = workers(client), front(home), supervisor(home)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.ask, "stuck")
        log = home / "host" / "logs" / "solar.v1.log"
        eventually(lambda: "asked stuck" in log.read_text(), "it is stuck")
        kill(supervising)
        kill(process)
        gone([worker])
        assert isinstance(asked.exception(), OSError)


def test_after_everything_was_killed_the_next_start_loads_anew(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    before, process = workers(client), front(home)
    for victim in (supervisor(home), process, *before):
        kill(victim)
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").body == b"1:1:7"
    assert loads(home) == 2
    assert not set(workers(Client(home))) & set(before)


def test_a_stopped_host_leaves_no_worker_no_socket_and_no_folder(
    client: Client, endpoints: LocalEndpoints, home: Path
) -> None:
    kill(front(home))
    assert Client(home).ask("7").status == 200
    before = workers(Client(home))
    sockets = Path((home / "host" / "sockets").read_text())
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert endpoints.stop()
    gone(before)
    assert not sockets.exists()
