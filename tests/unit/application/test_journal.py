"""What the journal promises, whatever a step or a store does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everfit.application.journal import LEASE, drive
from everfit.application.retraining import Request, begin, retrain
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, FencedError, StateError
from everfit.domain.job import JobKind
from everfit.domain.run import Outcome, Run, RunState
from everfit.domain.trigger import EventEnd
from tests.fakes import World
from tests.kept import events_of

REQUEST = Request(environment="production", actor="tester")


class Failing:
    """A port of which one call fails a number of times."""

    def __init__(self, port: Any, call: str, error: BaseException, times: int = 1) -> None:
        self._port, self._call, self._error, self.left = port, call, error, times

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._failing(found) if name == self._call else found

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*arguments: Any, **named: Any) -> Any:
            if self.left > 0:
                self.left -= 1
                raise self._error
            return call(*arguments, **named)

        return failing


def run(world: World, **ports: Any) -> Run:
    return retrain(REQUEST, world.workspace, world.ports(**ports))


def newest(world: World) -> Run:
    return world.store.runs("line", "production")[0]


def test_a_run_deploys_once_and_its_event_ends_once() -> None:
    world = World()
    ended = run(world)
    assert (ended.outcome, world.serving()) == (Outcome.DEPLOYED, 1)
    assert [one.end for one in events_of(world.inbox, "line", "production")] == [EventEnd.RAN]


def test_a_run_that_skips_has_requests_kept_as_the_project_says_now() -> None:
    world = World()
    run(world)
    for monitor in ({"capture": 0.25}, {}):
        world.workspace = replace(world.workspace, project=replace(world.workspace.project, monitor=monitor))
        assert run(world).outcome is Outcome.SKIPPED
        assert world.traffic.kept["line"].capture == monitor.get("capture", 0.0)


@pytest.mark.parametrize(("times", "outcome"), [(2, Outcome.DEPLOYED), (3, Outcome.FAILED)])
def test_what_can_be_mended_is_tried_three_times(times: int, outcome: Outcome) -> None:
    world = World()
    failing = Failing(world.endpoints, "stage", BackendError("The host is busy.", retryable=True), times)
    assert run(world, endpoints=failing).outcome is outcome


def test_what_cannot_be_mended_fails_the_run_at_once() -> None:
    world = World()
    failing = Failing(world.endpoints, "stage", BackendError("The host is gone."), 2)
    ended = run(world, endpoints=failing)
    assert (ended.outcome, failing.left) == (Outcome.FAILED, 1)
    assert "deploy failed: The host is gone." in (ended.reason or "")
    assert world.serving() is None


def test_who_has_lost_the_claim_writes_nothing_more() -> None:
    world = World()

    class TakenOver(Failing):
        def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
            world.store.claim("line", "production", owner="rival", lease=LEASE, take_over=True)
            return call

    with pytest.raises(FencedError):
        run(world, data=TakenOver(world.data, "freeze", FencedError("")))
    assert [step.name for step in world.store.steps(newest(world).id)] == ["snapshot"]
    assert newest(world).state is not RunState.ENDED


def test_a_store_that_cannot_be_written_leaves_the_run_to_be_resumed() -> None:
    """A write error of the journal stops the worker; it is never recorded as "the run failed"."""
    world = World()
    with pytest.raises(StateError):
        run(world, store=Failing(world.store, "finish_step", StateError("The disk is full.")))
    assert newest(world).state is not RunState.ENDED
    world.lives += 1
    assert run(world).outcome is Outcome.DEPLOYED
    assert len(world.store.runs("line", "production")) == 1


def test_an_environment_that_is_gone_ends_the_run_with_words() -> None:
    world = World()
    begun = begin(REQUEST, world.workspace, world.environment(), world.ports())
    project = world.workspace.project
    object.__setattr__(project, "environments", {"live": project.environments["live"]})
    ended = drive(begun.id, Workspace(folder="/nowhere", project=project), world.ports())
    assert ended.reason == "everfit.yaml has no environment 'production' any more"


def test_the_keyboard_stops_a_run_for_good_before_anything_serves() -> None:
    world = World()
    with pytest.raises(KeyboardInterrupt):
        run(world, data=Failing(world.data, "freeze", KeyboardInterrupt()))
    assert newest(world).outcome is Outcome.FAILED


def test_the_keyboard_leaves_a_run_that_moves_the_endpoint_to_be_resumed() -> None:
    world = World()
    with pytest.raises(KeyboardInterrupt):
        run(world, registry=Failing(world.registry, "served", KeyboardInterrupt()))
    assert newest(world).state is not RunState.ENDED
    assert run(world).outcome is Outcome.DEPLOYED


@pytest.mark.parametrize("kind", [JobKind.PREPARE, JobKind.EVALUATE])
def test_a_lost_job_of_our_own_is_made_anew(kind: JobKind) -> None:
    world = World()
    world.lose[kind] = 2
    assert run(world).outcome is Outcome.DEPLOYED
    assert len(list(world.started(kind))) == 3


def test_a_lost_training_is_never_started_again() -> None:
    world = World()
    world.lose[JobKind.TRAIN] = 1
    assert run(world).outcome is Outcome.FAILED
    assert len(list(world.started(JobKind.TRAIN))) == 1


@pytest.mark.parametrize("mae", [None, float("nan"), 5.01])
def test_what_was_not_measured_or_is_worse_never_serves(mae: float | None) -> None:
    """NaN, infinity, a missing metric, an empty slice or too few rows is inconclusive: it never approves."""
    world = World()
    world.mae = mae
    assert run(world).outcome is Outcome.REJECTED
    assert world.serving() is None


def test_a_step_that_its_process_never_survives_ends_the_run_at_last() -> None:
    world = World()
    deadly = Failing(world.data, "freeze", ZeroDivisionError("a fault of ours"), 100)
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            run(world, data=deadly)
    ended = run(world, data=deadly)
    assert ended.outcome is Outcome.FAILED
    assert "never came to an end" in (ended.reason or "")


def test_an_update_that_was_silently_rolled_back_is_no_success() -> None:
    """Success is what the endpoint serves, not what the API returned: a silent rollback is reported as one."""
    world = World()

    class Lying(Failing):
        def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *_, **__: True

    ended = run(world, endpoints=Lying(world.endpoints, "shift", BackendError("")))
    assert ended.outcome is Outcome.FAILED
    assert "does not serve version 1" in (ended.reason or "")
    assert world.registry.champion("line", "production") is None
