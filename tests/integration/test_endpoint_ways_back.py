"""The way back of an endpoint: taken by the host itself from a version that crashes, and by a person offline."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.host_process import HostProcess
from everfit.adapters.local.offline import rolled_back_offline
from everfit.domain.endpoint import EndpointState, ServedVersion
from everfit.domain.errors import FencedError, NotFoundError, RefusedError, RunFailedError
from everfit.domain.live import Moved
from everfit.serving.limits import Limits
from tests.integration.host_client import Client, eventually, kill
from tests.integration.served_models import Models, proof, tamper_file
from tests.small_disk import mounted

LIMITS = Limits(request=timedelta(seconds=20))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None, LIMITS)
    yield adapter
    adapter.stop()


@pytest.fixture
def versions(home: Path) -> list[ServedVersion]:
    return [Models(home=home).version(number) for number in (1, 2, 3)]


def deploy(endpoints: LocalEndpoints, *versions: ServedVersion, fence: int = 1) -> None:
    """Deploy one after the other, the one before being the way back."""
    back = None
    for version in versions:
        endpoints.stage("solar", version, fence=fence)
        endpoints.shift("solar", {version.version: 1.0}, [proof(version)], fence=fence)
        endpoints.settle("solar", [version.version], fence=fence, back=back)
        back = version.version


def state_of(endpoints: LocalEndpoints) -> EndpointState:
    state = endpoints.describe("solar")
    assert state is not None
    return state


def crash(home: Path, version: int) -> None:
    """Have the version crash by different requests until others answer."""
    client = Client(home)
    for number in range(40):
        if client.ask(f"crash now {number}").headers.get("x-everfit-version") != str(version):
            return
    raise AssertionError(f"Version {version} goes on serving.")


def is_healthy(client: Client, version: int) -> bool:
    return bool(client.send("GET", "/endpoints/solar").document["versions"][str(version)]["is_healthy"])


def front(home: Path) -> int:
    return int(HostProcess(home / "host", None, LIMITS).tell("converge")["pid"])


def test_a_version_that_crashes_in_a_loop_makes_room_for_the_last_good_one(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    """A version that does not load, does not answer a sample request, or crashes, never gets traffic; the old one
    serves again.
    """
    deploy(endpoints, versions[0], versions[1])
    crash(home, 2)
    state = state_of(endpoints)
    assert dict(state.weights) == {1: 1.0}
    assert state.moved is not None
    assert (state.moved.before, state.moved.after, state.moved.actor) == (2, 1, "endpoint host")
    assert "Version 2 crashes again and again" in state.moved.reason
    assert Client(home).ask("7").body == b"1:1:7"


def test_what_the_host_moved_stays_moved_until_the_control_plane_gives_shares_anew(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0], versions[1])
    crash(home, 2)
    before = state_of(endpoints)
    kill(front(home))
    assert eventually(lambda: state_of(endpoints).weights, "it serves again") == {1: 1.0}
    assert state_of(endpoints).moved == before.moved
    endpoints.stop()
    assert state_of(endpoints).moved == before.moved
    endpoints.start()
    # Holding other versions, or fewer, is no change of shares; only these end it.
    endpoints.stage("solar", versions[2], fence=7)
    endpoints.settle("solar", [3], fence=7)
    state = state_of(endpoints)
    assert (dict(state.weights), state.staged, state.moved) == ({1: 1.0}, (1, 2, 3), before.moved)
    endpoints.restore("solar", versions[0], proof(versions[0]), fence=8)
    state = state_of(endpoints)
    assert (dict(state.weights), state.moved) == ({1: 1.0}, None)
    assert json.loads((home / "host" / "moved.json").read_text()) == {}


def test_the_share_of_a_version_that_crashes_in_a_loop_goes_to_the_others(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0])
    endpoints.stage("solar", versions[1], fence=2)
    endpoints.split("solar", {1: 0.5, 2: 0.5}, [proof(each) for each in versions[:2]], fence=2)
    client = Client(home)
    for number in range(20):
        client.send(
            "POST",
            "/endpoints/solar/invocations",
            f"crash now {number}",
            content_type="text/csv",
            x_amzn_sagemaker_target_variant="v2",
        )
        if state_of(endpoints).moved is not None:
            break
    state = state_of(endpoints)
    assert dict(state.weights) == {1: 1.0}
    assert state.moved is not None
    assert (state.moved.before, state.moved.after) == (2, 1)
    observed = endpoints.observe("solar")
    assert observed is not None
    assert dict(observed.weights) == {1: 1.0}
    assert observed.totals[2].errors > 0


def test_a_version_that_crashes_in_a_loop_keeps_its_traffic_when_nothing_else_may_have_it(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0])
    endpoints.stage("solar", versions[1], fence=1)
    client = Client(home)
    for number in range(4):
        client.ask(f"crash now {number}")
    state = state_of(endpoints)
    assert (dict(state.weights), state.moved) == ({1: 1.0}, None)
    eventually(lambda: client.ask("7").status == 200, "it answers again")


def test_a_version_that_does_not_load_after_a_restart_makes_room_for_the_last_good_one(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0], versions[1])
    endpoints.stop()
    tamper_file(Path(versions[1].model))
    endpoints.start()
    client = Client(home)
    eventually(lambda: client.ask("7").status == 200, "the last good one answers")
    assert client.ask("7").body == b"1:1:7"
    moved = state_of(endpoints).moved
    assert moved is not None
    assert "does not load" in moved.reason


def test_whoever_waits_for_a_version_that_crashes_in_a_loop_is_answered_by_the_next(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    """Only what the crashing processes had in their hands again and again fails; nothing that waited does."""
    exits = replace(Models(home=home).version(4, "exits_when_asked.py"), sample=None)
    deploy(endpoints, versions[0], exits)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda number: Client(home).ask(str(number)), range(60)))
    failed = [got for got in answers if got.status != 200]
    assert len(failed) <= 3
    assert all(got.headers["x-everfit-version"] == "4" for got in failed)
    assert {got.headers["x-everfit-version"] for got in answers if got.status == 200} == {"1"}


def test_a_version_that_crashes_again_and_again_is_given_nothing(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0])
    exits = Models(home=home).version(4, "exits_when_asked.py")
    endpoints.stage("solar", replace(exits, sample=None), fence=1)
    both = [proof(versions[0]), proof(exits)]
    endpoints.split("solar", {1: 0.5, 4: 0.5}, both, fence=1)
    client = Client(home)
    for number in range(12):
        client.ask(str(number))
    assert dict(state_of(endpoints).weights) == {1: 1.0}
    # While it is kept from coming back, nobody is sent there.
    (home / "host" / "work" / "solar.v4" / "hold").touch()
    eventually(lambda: not is_healthy(client, 4), "its processes are gone")
    with pytest.raises(RunFailedError, match="Version 4 on solar crashes again and again"):
        endpoints.split("solar", {1: 0.5, 4: 0.5}, both, fence=1)
    assert client.ask("7").body == b"1:1:7"


def test_a_version_whose_rollout_met_a_restart_keeps_nobody_waiting(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    """While the challenger is loaded again, the champion has all of the traffic; then each has its own share."""
    deploy(endpoints, versions[0])
    slow = Models(home=home).version(4, "slow.py")
    endpoints.stage("solar", slow, fence=1)
    endpoints.split("solar", {1: 0.5, 4: 0.5}, [proof(versions[0]), proof(slow)], fence=1)
    endpoints.stop()
    hold = home / "host" / "work" / "solar.v4" / "hold"
    hold.parent.mkdir(parents=True, exist_ok=True)
    hold.touch()
    endpoints.start()
    client = Client(home)
    assert {client.ask("7").body for _ in range(4)} == {b"1:1:7"}
    hold.unlink()
    eventually(lambda: dict(state_of(endpoints).weights) == {1: 0.5, 4: 0.5}, "both have their shares")
    assert {client.ask("7").headers["x-everfit-version"] for _ in range(2)} == {"1", "4"}


def test_a_person_goes_back_without_the_control_plane(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    """`rollback` verifies that the old version exists, has the right digest and loads, before it moves anything; it
    restores all parts together and leaves other environments alone.
    """
    deploy(endpoints, versions[0], versions[1], fence=4)
    (home / "state.db").write_bytes(b"this was a database once")
    moved = rolled_back_offline(home, "solar", "ann", "it answers nonsense", NOW)
    assert moved == Moved(before=2, after=1, actor="ann", reason="it answers nonsense", at=NOW)
    assert Client(home).ask("7").body == b"1:1:7"
    state = state_of(endpoints)
    assert (dict(state.weights), state.moved, state.fence) == ({1: 1.0}, moved, 4)
    assert rolled_back_offline(home, "solar", "bob", "once more", NOW) == moved
    with pytest.raises(FencedError):
        endpoints.shift("solar", {2: 1.0}, [proof(versions[1])], fence=3)
    endpoints.restore("solar", versions[0], proof(versions[0]), fence=5)
    assert state_of(endpoints).moved is None


def test_a_person_goes_back_while_the_host_is_down(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0], versions[1])
    endpoints.stop()
    rolled_back_offline(home, "solar", "ann", "it answers nonsense", NOW)
    assert Client(home).ask("7").body == b"1:1:7"


def test_going_back_in_a_rollout_leads_to_what_served_before_it(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0], versions[1])
    endpoints.stage("solar", versions[2], fence=2)
    endpoints.split("solar", {2: 0.5, 3: 0.5}, [proof(each) for each in versions[1:]], fence=2)
    moved = rolled_back_offline(home, "solar", "ann", "it answers nonsense", NOW)
    assert (moved.before, moved.after) == (3, 2)
    assert dict(state_of(endpoints).weights) == {2: 1.0}


def test_a_way_back_that_was_changed_on_the_disk_is_not_gone(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    deploy(endpoints, versions[0], versions[1])
    tamper_file(Path(versions[0].model))
    with pytest.raises(RunFailedError, match="other content"):
        rolled_back_offline(home, "solar", "ann", "it answers nonsense", NOW)
    assert Client(home).ask("7").body == b"2:2:7"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MB."""
    with mounted(tmp_path / "small", "8m") as place:
        yield place


def test_a_full_disk_does_not_stand_in_the_way_back(small_disk: Path) -> None:
    endpoints, models = LocalEndpoints(small_disk, None, LIMITS), Models(home=small_disk)
    try:
        deploy(endpoints, models.version(1), models.version(2))
        with pytest.raises(OSError, match="No space left"):
            (small_disk / "filler").write_bytes(bytes(16 * 1024 * 1024))
        rolled_back_offline(small_disk, "solar", "ann", "it answers nonsense", NOW)
        assert Client(small_disk).ask("7").body == b"1:1:7"
    finally:
        (small_disk / "filler").unlink()
        endpoints.stop()


def test_where_there_is_no_way_back_it_is_said_so(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    with pytest.raises(NotFoundError, match="Nothing was deployed"):
        rolled_back_offline(home, "solar", "ann", "", NOW)
    endpoints.stage("solar", versions[0], fence=1)
    with pytest.raises(NotFoundError, match=r"There is no endpoint lunar .* there are: solar"):
        rolled_back_offline(home, "lunar", "ann", "", NOW)
    with pytest.raises(RefusedError, match="Nothing serves"):
        rolled_back_offline(home, "solar", "ann", "", NOW)
    deploy(endpoints, versions[0])
    with pytest.raises(RefusedError, match="no version to go back to"):
        rolled_back_offline(home, "solar", "ann", "", NOW)


def test_requests_go_on_while_a_person_goes_back(
    home: Path, endpoints: LocalEndpoints, versions: list[ServedVersion]
) -> None:
    """During a swap every request is answered, by one whole version, and the answer says which."""
    deploy(endpoints, versions[0], versions[1])

    def ask(number: int) -> tuple[int, bytes, str]:
        got = Client(home).ask(str(number))
        return got.status, got.body, got.headers["x-everfit-version"]

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask, number) for number in range(200)]
        rolled_back_offline(home, "solar", "ann", "it answers nonsense", NOW)
        answers = [each.result() for each in asked]
    assert all(
        status == 200 and body == f"{version}:{version}:{number}".encode()
        for number, (status, body, version) in enumerate(answers)
    )
