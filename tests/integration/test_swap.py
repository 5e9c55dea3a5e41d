"""Swaps under load: nobody notices but by the version that answers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.endpoint import ServedVersion
from tests.integration.host_client import Client, Got, eventually, gone, kill
from tests.integration.served_models import Models, proof

CLIENTS = 4
LEAST_EACH = 60


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(tmp_path, None)
    yield adapter
    adapter.stop()


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(home=tmp_path)


def deploy(endpoints: LocalEndpoints, version: ServedVersion, fence: int) -> None:
    endpoints.stage("solar", version, fence=fence)
    endpoints.shift("solar", {version.version: 1.0}, [proof(version)], fence=fence)


class Load:
    """Clients that ask all the time, each over one connection."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> "Load":
        self._answers: list[list[Got]] = [[] for _ in range(CLIENTS)]
        self._work = [self._pool.submit(self._ask_on, answers) for answers in self._answers]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()

    def _ask_on(self, answers: list[Got]) -> list[Got]:
        client = Client(self._home)
        while not self._over.is_set() or len(answers) < LEAST_EACH:
            answers.append(client.ask("7"))
        client.connection.close()
        return answers

    def goes_on(self) -> None:
        """Wait until every request that is under way has been answered."""
        before = [len(answers) for answers in self._answers]
        eventually(
            lambda: all(len(now) > then for now, then in zip(self._answers, before, strict=True)), "all were answered"
        )

    @property
    def answers(self) -> list[Got]:
        return [got for work in self._work for got in work.result()]


def test_no_request_fails_while_versions_are_swapped(endpoints: LocalEndpoints, models: Models, tmp_path: Path) -> None:
    """During a swap every request is answered, by one whole version (model, preprocessing, labels), and the answer
    says which.
    """
    deploy(endpoints, models.version(1), fence=1)
    with Load(tmp_path) as load:
        for number in range(2, 7):
            deploy(endpoints, models.version(number), fence=number)
            endpoints.settle("solar", [number - 1], fence=number)
    assert len(load.answers) >= CLIENTS * LEAST_EACH
    for got in load.answers:
        version = got.headers["x-everfit-version"]
        assert (got.status, got.body.decode()) == (200, f"{version}:{version}:7")
    assert {got.headers["x-everfit-version"] for got in load.answers} == set("123456")


def test_each_client_sees_the_versions_in_their_order(
    endpoints: LocalEndpoints, models: Models, tmp_path: Path
) -> None:
    deploy(endpoints, models.version(1), fence=1)
    with Load(tmp_path) as load:
        deploy(endpoints, models.version(2), fence=2)
    for work in load._work:
        seen = [got.headers["x-everfit-version"] for got in work.result()]
        assert seen == sorted(seen)


def test_a_worker_that_is_killed_under_load_fails_no_request(
    endpoints: LocalEndpoints, models: Models, tmp_path: Path
) -> None:
    deploy(endpoints, models.version(1, workers=2), fence=1)
    watcher = Client(tmp_path)
    with Load(tmp_path) as load:
        for _ in range(3):
            killed = running(watcher)[0]
            kill(killed)
            eventually(lambda: len({*running(watcher)} - {killed}) == 2, "it was replaced")  # noqa: B023 - used at once
            # A request is not tried a third time.
            load.goes_on()
    assert {got.status for got in load.answers} == {200}


def running(client: Client) -> list[int]:
    processes: list[int] = client.send("GET", "/endpoints/solar").document["versions"]["1"]["processes"]
    return processes


def test_a_request_ends_on_the_version_it_began_on(endpoints: LocalEndpoints, models: Models, tmp_path: Path) -> None:
    deploy(endpoints, models.version(1), fence=1)
    gate, watcher = tmp_path / "gate", Client(tmp_path)
    (old,) = running(watcher)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(Client(tmp_path).ask, f"wait for {gate}")
        eventually(lambda: list(tmp_path.glob("gate.*.started")), "it is being answered")
        deploy(endpoints, models.version(2), fence=2)
        endpoints.settle("solar", [], fence=2)
        assert watcher.ask("7").body == b"2:2:7"
        gate.touch()
        assert asked.result().body == f"1:1:wait for {gate}".encode()
    gone([old])


def test_a_connection_that_stays_open_moves_to_the_new_version(
    endpoints: LocalEndpoints, models: Models, tmp_path: Path
) -> None:
    deploy(endpoints, models.version(1), fence=1)
    client = Client(tmp_path)
    assert client.ask("7").body == b"1:1:7"
    used = client.connection.sock
    deploy(endpoints, models.version(2), fence=2)
    assert client.ask("7").body == b"2:2:7"
    assert client.connection.sock is used


def test_the_way_back_fails_no_request(endpoints: LocalEndpoints, models: Models, tmp_path: Path) -> None:
    old = models.version(1)
    deploy(endpoints, old, fence=1)
    deploy(endpoints, models.version(2), fence=2)
    with Load(tmp_path) as load:
        endpoints.restore("solar", old, proof(old), fence=3)
    assert {got.status for got in load.answers} == {200}
    assert Client(tmp_path).ask("7").body == b"1:1:7"


def test_shares_are_exact(endpoints: LocalEndpoints, models: Models, tmp_path: Path) -> None:
    one, two = models.version(1), models.version(2)
    deploy(endpoints, one, fence=1)
    endpoints.stage("solar", two, fence=1)
    endpoints.shift("solar", {1: 0.9, 2: 0.1}, [proof(one), proof(two)], fence=1)
    client = Client(tmp_path)
    versions = [client.ask("7").headers["x-everfit-version"] for _ in range(50)]
    assert (versions.count("1"), versions.count("2")) == (45, 5)
