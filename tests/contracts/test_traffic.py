"""What every implementation of the port ``Traffic`` promises."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.host_process import HostProcess
from everfit.adapters.memory.endpoints import MemoryEndpoints
from everfit.adapters.memory.traffic import MemoryTraffic
from everfit.application.ports import Endpoints, Traffic
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import FencedError, RefusedError, RunFailedError
from everfit.domain.live import Observation, Tally
from everfit.serving.limits import Limits
from tests.integration.host_client import kill
from tests.integration.served_models import Models, proof


@dataclass(frozen=True)
class Backend:
    """Endpoints with their traffic.

    Args:
        ask: sends so many requests, as callers do.
        restart: begins counting anew, as after a kill.
    """

    endpoints: Endpoints
    traffic: Traffic
    models: Models
    ask: Callable[[int], object]
    restart: Callable[[], object]

    def stage(self, *numbers: int) -> list[ServedVersion]:
        versions = [self.models.version(number) for number in numbers]
        for version in versions:
            self.endpoints.stage("solar", version, fence=1)
        return versions

    def observed(self) -> Observation:
        observation = self.traffic.observe("solar")
        assert observation is not None
        return observation


@pytest.fixture(params=["memory", "local"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    models = Models(home=tmp_path)
    if request.param == "memory":
        yield in_memory(models)
        return
    local = LocalEndpoints(tmp_path, None)

    def ask(count: int) -> None:
        for _ in range(count):
            local.invoke("solar", b"7", "text/csv", "text/plain")

    def restart() -> None:
        kill(int(HostProcess(tmp_path / "host", None, Limits()).tell("converge")["pid"]))
        local.describe("solar")

    yield Backend(local, local, models, ask, restart)
    local.stop()


def in_memory(models: Models) -> Backend:
    endpoints = MemoryEndpoints()
    traffic = MemoryTraffic(endpoints)

    def ask(count: int) -> None:
        desired = endpoints.desired("solar")
        assert desired is not None
        for number, share in desired.weights.items():
            traffic.did("solar", number, Tally(requests=round(count * share)))

    return Backend(endpoints, traffic, models, ask, traffic.restart)


def test_nothing_is_observed_before_the_first_deployment(backend: Backend) -> None:
    assert backend.traffic.observe("solar") is None


def test_traffic_is_split_and_counted_by_version(backend: Backend) -> None:
    first, second = backend.stage(1, 2)
    backend.traffic.split("solar", {1: 0.75, 2: 0.25}, [proof(first), proof(second)], fence=2)
    backend.ask(8)
    seen = backend.observed()
    assert (dict(seen.weights), seen.shadows) == ({1: 0.75, 2: 0.25}, ())
    assert (seen.totals[1].requests, seen.totals[2].requests) == (6, 2)
    assert seen.recent[1].requests == 6
    assert all(rate >= 0 for rate in seen.rates.values())
    state = backend.endpoints.describe("solar")
    assert state is not None
    assert (dict(state.weights), state.fence, state.moved) == ({1: 0.75, 2: 0.25}, 2, None)


def test_a_shadow_takes_no_traffic(backend: Backend) -> None:
    first, second = backend.stage(1, 2)
    backend.traffic.split("solar", {1: 1.0}, [proof(first), proof(second)], shadows=[2], fence=1)
    seen = backend.observed()
    assert (dict(seen.weights), seen.shadows) == ({1: 1.0}, (2,))
    backend.traffic.split("solar", {1: 1.0}, [proof(first)], fence=1)
    assert backend.observed().shadows == ()


def test_counting_goes_on_over_a_split_and_begins_anew_in_another_epoch(backend: Backend) -> None:
    first, second = backend.stage(1, 2)
    backend.traffic.split("solar", {1: 1.0}, [proof(first)], fence=1)
    backend.ask(4)
    backend.traffic.split("solar", {1: 0.5, 2: 0.5}, [proof(first), proof(second)], fence=1)
    backend.ask(4)
    before = backend.observed()
    assert before.totals[1].requests == 6
    backend.restart()
    after = backend.observed()
    assert after.epoch != before.epoch
    assert after.totals.get(1, Tally()).requests == 0
    assert dict(after.weights) == dict(before.weights)


def test_neither_share_nor_copy_without_a_release_for_these_very_bytes(backend: Backend) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    first, second = backend.stage(1, 2)
    backend.traffic.split("solar", {1: 1.0}, [proof(first)], fence=1)
    other = proof(second, artifact=first.artifact)
    for weights, shadows, shown in (
        ({1: 0.5, 2: 0.5}, [], [proof(first)]),
        ({1: 0.5, 2: 0.5}, [], [proof(first), other]),
        ({1: 1.0}, [2], [proof(first)]),
        ({1: 1.0}, [2], [proof(first), other]),
        ({1: 0.5, 2: 0.6}, [], [proof(first), proof(second)]),
    ):
        with pytest.raises(RefusedError):
            backend.traffic.split("solar", weights, shown, shadows=shadows, fence=1)
    seen = backend.observed()
    assert (dict(seen.weights), seen.shadows) == ({1: 1.0}, ())


def test_a_version_that_is_not_loaded_is_given_nothing(backend: Backend) -> None:
    (first,) = backend.stage(1)
    backend.traffic.split("solar", {1: 1.0}, [proof(first)], fence=1)
    second = backend.models.version(2)
    for weights, shadows in (({1: 0.5, 2: 0.5}, []), ({1: 1.0}, [2])):
        with pytest.raises(RunFailedError, match="Version 2 is not loaded"):
            backend.traffic.split("solar", weights, [proof(first), proof(second)], shadows=shadows, fence=1)
    assert dict(backend.observed().weights) == {1: 1.0}


def test_whoever_was_taken_over_splits_nothing(backend: Backend) -> None:
    first, second = backend.stage(1, 2)
    backend.traffic.split("solar", {1: 1.0}, [proof(first)], fence=5)
    with pytest.raises(FencedError):
        backend.traffic.split("solar", {2: 1.0}, [proof(second)], fence=4)
    assert dict(backend.observed().weights) == {1: 1.0}


def test_a_version_that_listens_as_a_shadow_is_not_let_go(backend: Backend) -> None:
    first, second = backend.stage(1, 2)
    backend.traffic.split("solar", {1: 1.0}, [proof(first), proof(second)], shadows=[2], fence=1)
    backend.endpoints.settle("solar", [], fence=1)
    state = backend.endpoints.describe("solar")
    assert state is not None
    assert state.staged == (1, 2)
    assert backend.observed().shadows == (2,)


def test_no_quality_is_known_before_labels_come(backend: Backend) -> None:
    (first,) = backend.stage(1)
    backend.traffic.split("solar", {1: 1.0}, [proof(first)], fence=1)
    assert dict(backend.traffic.quality("solar", [1], ["mae"], datetime(2026, 1, 1, tzinfo=UTC))) == {}
