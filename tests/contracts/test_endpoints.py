"""What every implementation of the port ``Endpoints`` promises."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.memory.endpoints import MemoryEndpoints, echo
from everfit.application.ports import Endpoints
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import FencedError, RefusedError, RunFailedError
from everfit.domain.version import Release
from tests.integration.served_models import Models, proof

BROKEN = "raises.py"


def ask(version: ServedVersion, body: bytes) -> bytes:
    if version.script == BROKEN:
        raise ValueError("the weights are gone")
    return echo(version, body)


class Versions(Protocol):
    """Makes versions that the endpoints of one backend can serve."""

    def version(self, number: int, script: str | None = None) -> ServedVersion: ...


@dataclass(frozen=True)
class Backend:
    """Endpoints, and versions for them.

    Args:
        stages: whether staging loads a version; where it does not, what cannot load is found when traffic would move.
    """

    endpoints: Endpoints
    versions: Versions
    stages: bool = True


@pytest.fixture(params=["memory", "local", "sagemaker", "function"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    models = Models(home=tmp_path)
    match request.param:
        case "memory":
            yield Backend(MemoryEndpoints(ask), models)
        case "local":
            local = LocalEndpoints(tmp_path, None)
            yield Backend(local, models)
            local.stop()
        case _:
            yield on_aws(request, models)


def on_aws(request: pytest.FixtureRequest, models: Models) -> Backend:
    bench = request.getfixturevalue("bench")
    clients = request.getfixturevalue("aws_clients")
    from tests.aws.hosted import OWN_IMAGE, Hosted  # noqa: PLC0415 - without boto3 there is no AWS side

    hosted = Hosted(bench=bench, clients=clients, models=models, image=OWN_IMAGE)
    if request.param == "function":
        for name in ("solar", "other"):
            hosted.own_function(name)
        return Backend(hosted.functions(), hosted)
    bench.image(OWN_IMAGE, serve=[sys.executable, "-E", str(Path(__file__).parents[1] / "aws" / "quick_serve.py")])
    return Backend(hosted.endpoints(), hosted, stages=False)


@pytest.fixture
def endpoints(backend: Backend) -> Endpoints:
    return backend.endpoints


@pytest.fixture
def models(backend: Backend) -> Versions:
    return backend.versions


def shift(
    endpoints: Endpoints, shares: dict[int, float], releases: list[Release], fence: int = 1, name: str = "solar"
) -> None:
    """Ask until the traffic is where it should be, as a run does."""
    while not endpoints.shift(name, shares, releases, fence=fence):
        endpoints.wait(name, timedelta(seconds=1))


def restore(endpoints: Endpoints, version: ServedVersion, release: Release, fence: int) -> None:
    while not endpoints.restore("solar", version, release, fence=fence):
        endpoints.wait("solar", timedelta(seconds=1))


def deploy(endpoints: Endpoints, version: ServedVersion, fence: int = 1) -> None:
    endpoints.stage("solar", version, fence=fence)
    shift(endpoints, {version.version: 1.0}, [proof(version)], fence)


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


def test_a_staged_version_takes_no_traffic(endpoints: Endpoints, models: Versions) -> None:
    endpoints.stage("solar", models.version(1), fence=1)
    state = endpoints.describe("solar")
    assert state is not None
    assert (dict(state.weights), state.staged) == ({}, (1,))
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").status == 503


def test_the_version_that_was_shifted_to_answers_and_says_so(endpoints: Endpoints, models: Versions) -> None:
    deploy(endpoints, models.version(1))
    assert answering(endpoints) == 1
    assert weights(endpoints) == {1: 1.0}


def test_the_endpoint_names_the_bytes_it_has_loaded(endpoints: Endpoints, models: Versions) -> None:
    version = models.version(1)
    deploy(endpoints, version, fence=4)
    state = endpoints.describe("solar")
    assert state is not None
    assert (dict(state.artifacts), state.fence) == ({1: version.artifact}, 4)


def test_the_name_and_address_stay_when_the_version_changes(endpoints: Endpoints, models: Versions) -> None:
    """The name that callers use never changes."""
    deploy(endpoints, models.version(1))
    before = endpoints.describe("solar")
    deploy(endpoints, models.version(2))
    after = endpoints.describe("solar")
    assert before is not None
    assert after is not None
    assert before.url == after.url
    assert answering(endpoints) == 2


def test_a_version_that_does_not_load_leaves_the_old_one_untouched(backend: Backend) -> None:
    """A version that does not load, does not answer a sample request, or crashes, never gets traffic; the old one
    is untouched.
    """
    endpoints, broken = backend.endpoints, backend.versions.version(2, BROKEN)
    deploy(endpoints, backend.versions.version(1))
    if backend.stages:
        with pytest.raises(RunFailedError, match="the weights are gone"):
            endpoints.stage("solar", broken, fence=1)
    else:
        with pytest.raises(RunFailedError, match="did not pass the ping health check"):
            deploy(endpoints, broken)
    state = endpoints.describe("solar")
    assert state is not None
    assert state.staged == (1,)
    assert answering(endpoints) == 1


@pytest.mark.parametrize(
    ("shares", "match"),
    [({2: 1.0}, "stage it first"), ({1: 0.5}, "sum to 1"), ({}, "sum to 1"), ({1: 2.0, 2: -1.0}, "sum to 1")],
)
def test_impossible_shares_are_refused(
    endpoints: Endpoints, models: Versions, shares: dict[int, float], match: str
) -> None:
    version = models.version(1)
    deploy(endpoints, version)
    with pytest.raises(RefusedError, match=match):
        endpoints.shift("solar", shares, [proof(version)], fence=1)
    assert weights(endpoints) == {1: 1.0}


@pytest.mark.parametrize("changes", [{"artifact": "sha256:00"}, {"verdict": ""}, {"version": 9}, {"model": "another"}])
def test_no_traffic_without_a_release_for_these_very_bytes(
    endpoints: Endpoints, models: Versions, changes: dict[str, object]
) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    version = models.version(1)
    endpoints.stage("solar", version, fence=1)
    with pytest.raises(RefusedError, match="release"):
        endpoints.shift("solar", {1: 1.0}, [proof(version, **changes)], fence=1)
    assert weights(endpoints) == {}


def test_a_rollback_obeys_the_same_rule_before_it_moves_anything(endpoints: Endpoints, models: Versions) -> None:
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
def test_whoever_was_taken_over_changes_nothing(endpoints: Endpoints, models: Versions, change: str) -> None:
    version, newer = models.version(1), models.version(2)
    deploy(endpoints, version, fence=5)
    deploy(endpoints, newer, fence=5)
    with pytest.raises(FencedError):
        CHANGES[change](endpoints, version)
    state = endpoints.describe("solar")
    assert state is not None
    assert (dict(state.weights), state.staged, state.fence) == ({2: 1.0}, (1, 2), 5)


def test_settling_keeps_what_serves_and_what_is_to_be_kept(endpoints: Endpoints, models: Versions) -> None:
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
    endpoints: Endpoints, models: Versions, keep: list[int]
) -> None:
    old = models.version(1)
    deploy(endpoints, old)
    deploy(endpoints, models.version(2))
    endpoints.settle("solar", keep, fence=1)
    restore(endpoints, old, proof(old), fence=2)
    assert answering(endpoints) == 1
    assert weights(endpoints) == {1: 1.0}


def test_a_way_back_to_what_does_not_load_moves_nothing(endpoints: Endpoints, models: Versions) -> None:
    """`rollback` verifies that the old version exists, has the right digest and loads, before it moves anything; it
    restores all parts together and leaves other environments alone.
    """
    broken = models.version(1, BROKEN)
    deploy(endpoints, models.version(2))
    with pytest.raises((RunFailedError, RefusedError)):
        restore(endpoints, broken, proof(broken), fence=2)
    assert answering(endpoints) == 2


def test_doing_it_again_is_doing_it_once(endpoints: Endpoints, models: Versions) -> None:
    version = models.version(1)
    deploy(endpoints, version)
    deploy(endpoints, version)
    assert answering(endpoints) == 1


def test_a_version_never_changes_its_bytes(endpoints: Endpoints, models: Versions) -> None:
    deploy(endpoints, models.version(1))
    with pytest.raises(RefusedError, match="never changes"):
        endpoints.stage("solar", replace(models.version(2), version=1), fence=1)


def test_endpoints_leave_each_other_alone(endpoints: Endpoints, models: Versions) -> None:
    deploy(endpoints, models.version(1), fence=9)
    endpoints.stage("other", models.version(2), fence=1)
    shift(endpoints, {2: 1.0}, [proof(models.version(2))], name="other")
    assert answering(endpoints) == 1
    assert endpoints.invoke("other", b"7", "text/csv", "*/*").version == 2
