"""Live traffic of an endpoint as callers meet it: shares, sessions, variants by name, shadows, and what is counted."""

import json
import resource
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.endpoint import ServedVersion, Service
from everfit.domain.errors import StateError
from everfit.domain.live import Observation
from everfit.serving.limits import Limits
from everfit.serving.state_files import replace_file
from tests.integration.host_client import Client, Got, eventually, kill
from tests.integration.served_models import Models, proof

PATH = "/endpoints/solar/invocations"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("endpoint-traffic")


@pytest.fixture(scope="module")
def versions(home: Path) -> list[ServedVersion]:
    """Two of a kind, one that answers slowly, and one that is never released."""
    models = Models(home=home)
    slow = replace(models.version(3, "slow.py"), service=Service(batch=1))
    captured = replace(models.version(1), service=Service(capture=0.25))
    return [captured, models.version(2), slow, models.version(4)]


@pytest.fixture(scope="module")
def endpoints(home: Path, versions: list[ServedVersion]) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None)
    for version in versions:
        adapter.stage("solar", version, fence=1)
    yield adapter
    adapter.stop()


@pytest.fixture
def client(endpoints: LocalEndpoints, home: Path, versions: list[ServedVersion]) -> Client:
    share(endpoints, versions, {1: 1.0})
    return Client(home)


def share(
    endpoints: LocalEndpoints, versions: list[ServedVersion], weights: dict[int, float], *shadows: int
) -> Observation:
    """Give the shares, and return what was counted until then."""
    endpoints.split("solar", weights, [proof(each) for each in versions[:3]], shadows=shadows, fence=1)
    return observed(endpoints)


def observed(endpoints: LocalEndpoints) -> Observation:
    observation = endpoints.observe("solar")
    assert observation is not None
    return observation


def ask(client: Client, data: str, **headers: str) -> Got:
    named = {f"x_amzn_sagemaker_{name}": value for name, value in headers.items()}
    return client.send("POST", PATH, data.encode(), content_type="text/csv", **named)


def answering(client: Client, **headers: str) -> str:
    return ask(client, "7", **headers).headers["x-everfit-version"]


def asked_at_once(home: Path, name: str, count: int) -> Counter[str]:
    """Send many requests without waiting, and return how many each version answered."""
    called = Client(home).connection
    head = f"POST /endpoints/{name}/invocations HTTP/1.1\r\nHost: {called.host}\r\nContent-Type: text/csv\r\n"
    one = f"{head}Content-Length: 1\r\n\r\n7".encode()
    with closing(socket.create_connection((called.host, called.port), timeout=60)) as connection:
        sender = threading.Thread(target=connection.sendall, args=(one * count,))
        sender.start()
        found, stream = Counter[str](), connection.makefile("rb")
        for _ in range(count):
            assert stream.readline().startswith(b"HTTP/1.1 200")
            headers = dict(line.lower().split(": ", 1) for line in iter(lambda: stream.readline().decode().strip(), ""))
            version = headers["x-everfit-version"]
            assert stream.read(int(headers["content-length"])) == f"{version}:7".encode()
            found[version] += 1
        sender.join()
    return found


def comparers(home: Path) -> list[int]:
    """Return the processes of the host that compare answers."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        # Processes come and go while this looks.
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().split(b"\0")
            if b"everfit.serving.comparer" in line and str(home / "host").encode() in line:
                found.append(int(entry.name))
    return found


def test_a_tenth_of_ten_thousand_requests_is_a_thousand(home: Path, endpoints: LocalEndpoints) -> None:
    both = [Models(home=home).version(number, "slow.py") for number in (1, 2)]
    for version in both:
        endpoints.stage("exact", version, fence=1)
    endpoints.split("exact", {1: 0.9, 2: 0.1}, [proof(each) for each in both], fence=1)
    found = asked_at_once(home, "exact", 10_000)
    assert found.total() == 10_000
    assert abs(found["2"] - 1_000) <= 1


def test_a_session_stays_on_its_version_and_leaves_the_other_shares_exact(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    share(endpoints, versions, {1: 0.5, 2: 0.5})
    names = [f"session-{number}" for number in range(30)]
    others = Counter[str]()
    seen: dict[str, set[str]] = {name: set() for name in names}
    for _ in range(2):
        for name in names:
            seen[name].add(answering(client, session_id=name))
            others[answering(client)] += 1
    assert all(len(found) == 1 for found in seen.values())
    assert {version for found in seen.values() for version in found} == {"1", "2"}
    assert others == {"1": 30, "2": 30}


def test_a_growing_share_moves_sessions_only_to_its_version(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    names = [f"session-{number}" for number in range(40)]
    before: dict[str, str] = {}
    for part in (0.1, 0.5, 1.0):
        share(endpoints, versions, {1: 1 - part, 2: part})
        after = {name: answering(client, session_id=name) for name in names}
        assert all(after[name] == "2" for name in names if before.get(name) == "2")
        before = after
    assert set(before.values()) == {"2"}


def test_a_variant_that_takes_traffic_or_is_the_way_back_answers_by_its_name(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    share(endpoints, versions, {1: 0.99, 2: 0.01})
    assert answering(client, target_variant="v2") == "2"
    share(endpoints, versions, {2: 1.0})
    endpoints.settle("solar", [1, 2, 3, 4], fence=1, back=1)
    assert answering(client, target_variant="v1") == "1"


@pytest.mark.parametrize("target", ["v3", "v4", "v9", "champion"])
def test_a_variant_that_takes_no_traffic_is_refused_with_what_there_is(client: Client, target: str) -> None:
    """A staged version without a share answers nobody, released or not."""
    got = ask(client, "7", target_variant=target)
    assert (got.status, got.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert target in got.document["Message"]
    assert "there are: v1" in got.document["Message"]
    assert "x-everfit-version" not in got.headers


def test_a_shadow_answers_nobody_and_is_compared(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    before = share(endpoints, versions, {1: 1.0}, 2).totals[2]
    assert {answering(client) for _ in range(6)} == {"1"}
    # Both answer this with nothing at all.
    for _ in range(4):
        assert ask(client, "nothing").status == 200

    def compared() -> int:
        return observed(endpoints).totals[2].since(before).compared

    eventually(lambda: compared() == 10, "all copies are compared")
    found = observed(endpoints).totals[2].since(before)
    assert (found.requests, found.errors, found.disagreed) == (10, 0, 6)
    assert sum(found.latency.values()) == 10


def test_whatever_becomes_of_the_comparing_process_callers_are_answered_and_it_goes_on(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion], home: Path
) -> None:
    before = share(endpoints, versions, {1: 1.0}, 2).totals[2]
    eventually(lambda: answering(client) and comparers(home), "answers are compared")
    kill(comparers(home)[0])
    assert answering(client) == "1"
    known = observed(endpoints).totals[2].compared
    eventually(
        lambda: answering(client) and observed(endpoints).totals[2].compared > known, "answers are compared again"
    )
    assert observed(endpoints).totals[2].since(before).errors == 0


def test_copies_for_a_shadow_that_is_too_slow_are_dropped_and_no_caller_waits(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion], tmp_path: Path
) -> None:
    share(endpoints, versions, {1: 1.0}, 3)
    gate = tmp_path / "gate"
    for _ in range(20):
        assert ask(client, f"hold {gate}").body == f"1:1:hold {gate}".encode()

    def shadow() -> dict[str, Any]:
        found: dict[str, Any] = client.send("GET", "/endpoints/solar").document["versions"]["3"]["shadow"]
        return found

    eventually(lambda: shadow()["dropped"] > 0, "copies are dropped")
    gate.touch()
    eventually(lambda: shadow()["dropped"] + shadow()["totals"]["requests"] == 20, "the others are answered")


def test_what_a_version_fails_at_and_what_it_turns_away_is_counted(client: Client, endpoints: LocalEndpoints) -> None:
    before = observed(endpoints).totals[1]
    assert ask(client, "raise").status == 424
    assert ask(client, "7").status == 200
    found = observed(endpoints).totals[1].since(before)
    assert (found.requests, found.errors, found.refused) == (2, 1, 0)


def test_a_version_that_comes_back_is_not_judged_by_what_it_did_before(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    """Else what a rollback left for its errors would be left for the same ones again, whatever was mended meanwhile."""
    assert ask(client, "raise").status == 424
    share(endpoints, versions, {2: 1.0})
    live = share(endpoints, versions, {1: 0.5, 2: 0.5})
    assert (live.recent[1].errors, live.totals[1].errors) == (0, 0)
    share(endpoints, versions, {2: 1.0}, 1)
    eventually(lambda: answering(client) == "2" and observed(endpoints).totals[1].compared, "answers are compared")
    share(endpoints, versions, {2: 1.0})
    assert share(endpoints, versions, {2: 1.0}, 1).totals[1].compared == 0


def test_an_exact_share_of_the_requests_is_captured(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    endpoints.stage("captured", versions[0], fence=1)
    endpoints.shift("captured", {1: 1.0}, [proof(versions[0])], fence=1)
    for _ in range(40):
        client.ask("7", "captured")

    def captured() -> int:
        return int(client.send("GET", "/endpoints/captured").document["capture"]["captured"])

    assert eventually(captured, "it is captured") <= 10
    eventually(lambda: captured() == 10, "a quarter is captured")


def test_labels_for_an_endpoint_are_taken_and_for_no_endpoint_refused(client: Client) -> None:
    name = ask(client, "7", inference_id="r-1").headers["x-amzn-sagemaker-inference-id"]
    labels = json.dumps({"inference_id": name, "label": 3})
    got = client.send("POST", "/endpoints/solar/feedback", labels, content_type="application/json")
    assert got.status == 202
    assert client.send("POST", "/endpoints/lunar/feedback", labels, content_type="application/json").status == 400


WISHES: list[dict[str, Any]] = [
    {"weights": {"4": 1.0}},
    {"weights": {"1": 0.5, "4": 0.5}},
    {"weights": {"1": 1.0}, "shadows": [4]},
    {"weights": {"4": 1.0}, "releases": {"4": "of version 1"}},
    {"weights": {"1": 1.0}, "fallback": 4, "champion": 4},
    {"weights": {"1": 0.5, "2": 0.6}},
    {"weights": {"1": 0.5, "7": 0.5}},
]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_a_version_without_a_release_answers_nobody_whatever_is_written_by_hand(
    client: Client, home: Path, wish: dict[str, Any]
) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    path = home / "host" / "desired.json"
    before = path.read_bytes()
    document = json.loads(before)
    solar = document["endpoints"]["solar"]
    releases = dict.fromkeys(wish.get("releases", {}), solar["releases"]["1"])
    solar |= {**wish, "releases": {**solar["releases"], **releases}, "fence": solar["fence"] + 1}
    replace_file(path, document)
    try:
        eventually(lambda: client.send("GET", "/endpoints/solar").document["fence"] == solar["fence"], "it is read")
        shown = client.send("GET", "/endpoints/solar").document
        assert (shown["weights"], shown["shadows"]) == ({"1": 1.0}, [])
        assert ask(client, "7", target_variant="v4").status == 400
        assert {answering(client) for _ in range(4)} == {"1"}
    finally:
        path.write_bytes(before)


def test_other_bytes_under_the_same_number_never_answer(
    client: Client, home: Path, versions: list[ServedVersion]
) -> None:
    """A version that serves goes on with the bytes that it has; another one is nothing that those were released for."""
    path = home / "host" / "desired.json"
    before = path.read_bytes()
    document = json.loads(before)
    solar = document["endpoints"]["solar"]
    for changed in (solar["versions"]["1"], solar["releases"]["1"]):
        changed["artifact"] = versions[3].artifact
    solar["versions"]["1"]["model"] = versions[3].model
    solar["fence"] += 1
    replace_file(path, document)
    try:
        eventually(lambda: client.send("GET", "/endpoints/solar").document["fence"] == solar["fence"], "it is read")
        assert {ask(client, "7").body for _ in range(4)} == {b"1:1:7"}
    finally:
        path.write_bytes(before)


def test_a_full_disk_leaves_what_was_desired_and_what_serves(
    client: Client, endpoints: LocalEndpoints, versions: list[ServedVersion], home: Path
) -> None:
    path = home / "host" / "desired.json"
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(StateError, match=r"desired\.json cannot be written"):
            endpoints.split("solar", {2: 1.0}, [proof(versions[1])], fence=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.glob(".desired.json*")] == []
    assert answering(client) == "1"


def test_whoever_comes_before_the_first_version_is_loaded_waits_and_not_for_ever(tmp_path: Path) -> None:
    home = tmp_path / "home"
    version = Models(home=home).version(1, "slow.py")
    endpoints = LocalEndpoints(home, None, Limits(request=timedelta(seconds=1)))
    try:
        endpoints.stage("solar", version, fence=1)
        endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=1)
        endpoints.stop()
        hold = home / "host" / "work" / "solar.v1" / "hold"
        hold.parent.mkdir(parents=True, exist_ok=True)
        hold.touch()
        endpoints.start()
        got = Client(home).ask("7")
        assert (got.status, got.headers["x-amzn-errortype"]) == (503, "ServiceUnavailable")
        assert "still being loaded" in got.document["Message"]
        hold.unlink()
        eventually(lambda: Client(home).ask("7").status == 200, "it answers")
    finally:
        endpoints.stop()
