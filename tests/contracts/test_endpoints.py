"""What every implementation of the port ``Endpoints`` promises."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.memory.endpoints import MemoryEndpoints, echo
from everfit.application.ports import Endpoints
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import FencedError, RefusedError, RunFailedError
from tests.integration.served_models import Models, proof

BROKEN = "raises.py"


def ask(version: ServedVersion, body: bytes) -> bytes:
    if version.script == BROKEN:
        raise ValueError("the weights are gone")
    return echo(version, body)


@pytest.fixture(params=["memory", "local"])
def endpoints(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoints]:
    adapter: Endpoints = MemoryEndpoints(ask)
    if request.param == "local":
        adapter = LocalEndpoints(tmp_path, None)
    yield adapter
    adapter.stop()


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(home=tmp_path)


def deploy(endpoints: Endpoints, version: ServedVersion, fence: int = 1) -> None:
    endpoints.stage("solar", version, fence=fence)
    endpoints.shift("solar", {version.version: 1.0}, [proof(version)], fence=fence)


def weights(endpoints: Endpoints) -> dict[int, float]:
    state = endpoints.describe("solar")
    assert state is not None
    return dict(state.weights)


def answering(endpoints: Endpoints) -> int | None:
    answer = endpoints.invoke("solar", b"7", "text/csv", "text/plain")
    assert answer.status == 200
    assert answer.body.startswith(f"{answer.version}:".encode())
    return answer.version


def test_an_endpoint_is_nothing_before_its_first_deployment(endpoints: Endpoints) -> None:
    assert endpoints.describe("solar") is None
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").status == 400


def test_a_staged_version_takes_no_traffic(endpoints: Endpoints, models: Models) -> None:
    endpoints.stage("solar", models.version(1), fence=1)
    state = endpoints.describe("solar")
    assert state is not None
    assert (dict(state.weights), state.staged) == ({}, (1,))
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").status == 503


def test_the_version_that_was_shifted_to_answers_and_says_so(endpoints: Endpoints, models: Models) -> None:
    deploy(endpoints, models.version(1))
    assert answering(endpoints) == 1
    assert weights(endpoints) == {1: 1.0}


def test_the_endpoint_names_the_bytes_it_has_loaded(endpoints: Endpoints, models: Models) -> None:
    version = models.version(1)
    deploy(endpoints, version, fence=4)
    state = endpoints.describe("solar")
    assert state is not None
    assert (dict(state.artifacts), state.fence) == ({1: version.artifact}, 4)


def test_the_name_and_address_stay_when_the_version_changes(endpoints: Endpoints, models: Models) -> None:
    """The name that callers use never changes."""
    deploy(endpoints, models.version(1))
    before = endpoints.describe("solar")
    deploy(endpoints, models.version(2))
    after = endpoints.describe("solar")
    assert before is not None
    assert after is not None
    assert before.url == after.url
    assert answering(endpoints) == 2


def test_a_version_that_does_not_load_leaves_the_old_one_untouched(endpoints: Endpoints, models: Models) -> None:
    """A version that does not load, does not answer a sample request, or crashes, never gets traffic; the old one
    is untouched.
    """
    deploy(endpoints, models.version(1))
    with pytest.raises(RunFailedError, match="the weights are gone"):
        endpoints.stage("solar", models.version(2, BROKEN), fence=1)
    state = endpoints.describe("solar")
    assert state is not None
    assert state.staged == (1,)
    assert answering(endpoints) == 1


@pytest.mark.parametrize(
    ("shares", "match"),
    [({2: 1.0}, "stage it first"), ({1: 0.5}, "sum to 1"), ({}, "sum to 1"), ({1: 2.0, 2: -1.0}, "sum to 1")],
)
def test_impossible_shares_are_refused(
    endpoints: Endpoints, models: Models, shares: dict[int, float], match: str
) -> None:
    version = models.version(1)
    deploy(endpoints, version)
    with pytest.raises(RefusedError, match=match):
        endpoints.shift("solar", shares, [proof(version)], fence=1)
    assert weights(endpoints) == {1: 1.0}


@pytest.mark.parametrize("changes", [{"artifact": "sha256:00"}, {"verdict": ""}, {"version": 9}, {"model": "another"}])
def test_no_traffic_without_a_release_for_these_very_bytes(
    endpoints: Endpoints, models: Models, changes: dict[str, object]
) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    version = models.version(1)
    endpoints.stage("solar", version, fence=1)
    with pytest.raises(RefusedError, match="release"):
        endpoints.shift("solar", {1: 1.0}, [proof(version, **changes)], fence=1)
    assert weights(endpoints) == {}


def test_a_rollback_obeys_the_same_rule_before_it_moves_anything(endpoints: Endpoints, models: Models) -> None:
    old, new = models.version(1), models.version(2)
    deploy(endpoints, old)
    deploy(endpoints, new)
    with pytest.raises(RefusedError):
        endpoints.restore("solar", old, proof(old, artifact=new.artifact), fence=1)
    assert answering(endpoints) == 2


CHANGES: dict[str, Callable[[Endpoints, ServedVersion], object]] = {
    "stage": lambda endpoints, version: endpoints.stage("solar", version, fence=4),
    "shift": lambda endpoints, version: endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=4),
    "settle": lambda endpoints, _: endpoints.settle("solar", [], fence=4),
    "restore": lambda endpoints, version: endpoints.restore("solar", version, proof(version), fence=4),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_whoever_was_taken_over_changes_nothing(endpoints: Endpoints, models: Models, change: str) -> None:
    version, newer = models.version(1), models.version(2)
    deploy(endpoints, version, fence=5)
    deploy(endpoints, newer, fence=5)
    with pytest.raises(FencedError):
        CHANGES[change](endpoints, version)
    state = endpoints.describe("solar")
    assert state is not None
    assert (dict(state.weights), state.staged, state.fence) == ({2: 1.0}, (1, 2), 5)


def test_settling_keeps_what_serves_and_what_is_to_be_kept(endpoints: Endpoints, models: Models) -> None:
    """The configuration in use is never deleted; what is no longer needed is removed by policy, and the last good
    version never is.
    """
    for number in (1, 2, 3):
        deploy(endpoints, models.version(number))
    endpoints.settle("solar", [2], fence=1)
    state = endpoints.describe("solar")
    assert state is not None
    assert state.staged == (2, 3)
    assert answering(endpoints) == 3


@pytest.mark.parametrize("keep", [[1], []])
def test_the_way_back_works_whether_or_not_the_old_version_was_kept(
    endpoints: Endpoints, models: Models, keep: list[int]
) -> None:
    old = models.version(1)
    deploy(endpoints, old)
    deploy(endpoints, models.version(2))
    endpoints.settle("solar", keep, fence=1)
    endpoints.restore("solar", old, proof(old), fence=2)
    assert answering(endpoints) == 1
    assert weights(endpoints) == {1: 1.0}


def test_a_way_back_to_what_does_not_load_moves_nothing(endpoints: Endpoints, models: Models) -> None:
    """`rollback` verifies that the old version exists, has the right digest and loads, before it moves anything; it
    restores all parts together and leaves other environments alone.
    """
    broken = models.version(1, BROKEN)
    deploy(endpoints, models.version(2))
    with pytest.raises((RunFailedError, RefusedError)):
        endpoints.restore("solar", broken, proof(broken), fence=2)
    assert answering(endpoints) == 2


def test_doing_it_again_is_doing_it_once(endpoints: Endpoints, models: Models) -> None:
    version = models.version(1)
    deploy(endpoints, version)
    deploy(endpoints, version)
    assert answering(endpoints) == 1


def test_a_version_never_changes_its_bytes(endpoints: Endpoints, models: Models) -> None:
    deploy(endpoints, models.version(1))
    with pytest.raises(RefusedError, match="never changes"):
        endpoints.stage("solar", replace(models.version(2), version=1), fence=1)


def test_endpoints_leave_each_other_alone(endpoints: Endpoints, models: Models) -> None:
    deploy(endpoints, models.version(1), fence=9)
    endpoints.stage("other", models.version(2), fence=1)
    endpoints.shift("other", {2: 1.0}, [proof(models.version(2))], fence=1)
    assert answering(endpoints) == 1
    assert endpoints.invoke("other", b"7", "text/csv", "*/*").version == 2
