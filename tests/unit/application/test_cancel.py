"""A person stops a run: at the next safe point, once, and never in the middle of a deployment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from everfit.application.journal import drive
from everfit.application.loop import LOOP
from everfit.application.ports import Artifact
from everfit.application.releases import Decision, decide
from everfit.application.retraining import Request, is_decided, retrain
from everfit.application.triggering import cancel
from everfit.domain.errors import BackendError, IllegalMoveError
from everfit.domain.job import JobFailure, JobKind
from everfit.domain.run import Outcome, Run, RunId
from everfit.domain.trigger import EventEnd
from everfit.domain.version import Standing
from tests.fakes import World

STEPS = [step.name for step in LOOP]
SETTLING = [step.name for step in LOOP if step.settles]
CANCELLED = "cancelled by ada: wrong data"


class CancelsAt:
    """A person who asks as soon as a step has started."""

    def __init__(self, world: World, step: str) -> None:
        self._world, self._step = world, step

    def step_started(self, name: str, attempt: int) -> None:
        del attempt
        if name == self._step:
            asked(self._world)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None: ...

    def told(self, words: str) -> None: ...

    def printed(self, output: bytes) -> None: ...


def asked(world: World) -> RunId:
    (run,) = world.store.open()
    return cancel(run.id, "ada", "wrong data", replace(world.ports())).id


def run(world: World, step: str | None = None) -> Run:
    ports = world.ports() if step is None else replace(world.ports(), progress=CancelsAt(world, step))
    return retrain(Request(environment="production", actor="tester"), world.workspace, ports)


def ends(world: World) -> list[tuple[EventEnd, str | None]]:
    return [(record.end, record.reason) for record in world.inbox.events()]


@pytest.mark.parametrize("step", [name for name in STEPS if name not in SETTLING])
def test_a_run_stops_after_the_step_in_which_it_was_asked(step: str) -> None:
    world = World()
    stopped = run(world, step)
    assert (stopped.outcome, stopped.reason) == (Outcome.CANCELLED, CANCELLED)
    assert ends(world) == [(EventEnd.SKIPPED, CANCELLED)]
    assert (world.serving(), [record.name for record in world.store.steps(stopped.id)][-1]) == (None, step)


@pytest.mark.parametrize("step", SETTLING)
def test_a_deployment_that_has_begun_is_finished(step: str) -> None:
    world = World()
    assert run(world, step).outcome is Outcome.DEPLOYED
    assert world.serving() == 1


def test_a_training_under_way_is_stopped() -> None:
    world = World()
    world.endless = {JobKind.TRAIN}
    stopped = run(world, "train")
    assert (stopped.outcome, stopped.reason) == (Outcome.CANCELLED, CANCELLED)
    assert [world.jobs.observe(name).failure for name in world.started(JobKind.TRAIN)] == [JobFailure.STOPPED]


class BusyArtifacts:
    """Packs nothing, for a reason that may pass."""

    def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
        raise BackendError(f"The disk is busy with {model}, {code}, {requirements}.", retryable=True)


def test_a_run_that_is_to_stop_is_not_tried_again() -> None:
    world = World()
    ports = replace(world.ports(artifacts=BusyArtifacts()), progress=CancelsAt(world, "train"))
    stopped = retrain(Request(environment="production", actor="tester"), world.workspace, ports)
    assert stopped.outcome is Outcome.CANCELLED
    assert [step.attempt for step in world.store.steps(stopped.id)] == [1] * 4


def test_a_run_that_waits_for_a_person_is_stopped_and_its_version_is_turned_away() -> None:
    world = World("manual")
    waiting = run(world)
    asked(world)
    assert is_decided(world.store.run(waiting.id), world.ports())
    assert drive(waiting.id, world.workspace, world.ports()).outcome is Outcome.CANCELLED
    placement = world.registry.placement("line", "production", 1)
    assert (placement.standing, placement.approval and placement.approval.actor) == (Standing.REJECTED, "ada")
    late = Decision(version=1, approved=True, actor="bob", reason="It is good.")
    with pytest.raises(IllegalMoveError):
        decide(late, world.environment(), world.workspace, world.ports())


def test_a_run_that_nobody_drives_is_stopped_by_whoever_takes_it_up() -> None:
    world = World()
    world.killed_at(20, after=True, act=lambda: run(world))
    name = asked(world)
    assert run(world).id == name
    assert world.store.run(name).outcome is Outcome.CANCELLED
    assert run(world).outcome is Outcome.DEPLOYED


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_is_killed_while_it_stops_ends_once_and_as_cancelled(*, after: bool) -> None:
    for call in range(1, 40):
        world = World("manual")
        waiting = run(world)
        asked(world)
        was_killed = world.killed_at(
            call,
            after=after,
            act=lambda: drive(waiting.id, world.workspace, world.ports()),  # noqa: B023
        )
        assert drive(waiting.id, world.workspace, world.ports()).outcome is Outcome.CANCELLED
        assert ends(world) == [(EventEnd.SKIPPED, CANCELLED)]
        if not was_killed:
            return
    raise AssertionError("it was killed at every call")


def test_a_cancelled_run_leaves_the_place_free_for_the_next() -> None:
    world = World()
    run(world, "train")
    world.clock.advance(timedelta(minutes=1))
    assert run(world).outcome is Outcome.DEPLOYED
