"""A process that was killed between endpoint and registry leaves nothing split for long."""

from dataclasses import replace
from functools import partial

import pytest

from everfit.application.releases import roll_back
from everfit.application.retraining import Request, retrain
from everfit.domain.errors import RefusedError
from everfit.domain.gate import VerdictOutcome
from everfit.domain.job import JobKind
from everfit.domain.run import Outcome, Run
from everfit.domain.trigger import EventEnd
from everfit.domain.version import release
from tests.fakes import Killed, World
from tests.kept import events_of
from tests.stored import a_placement, a_verdict, a_version


class DyingRegistry:
    """Dies when it is told what serves."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> object:
        if name == "served":
            raise Killed
        return getattr(self._world.registry, name)


def run(world: World) -> Run:
    world.data.rows += 1
    return retrain(Request(environment="production"), world.workspace, world.ports())


def killed_run(world: World) -> None:
    world.data.rows += 1
    with pytest.raises(Killed):
        retrain(Request(environment="production"), world.workspace, world.ports(registry=DyingRegistry(world)))
    world.lives += 1


def test_a_rollback_right_after_a_shift_that_was_not_written_down_goes_one_step_back() -> None:
    """It goes to the last version that served, not the newest archived one."""
    world = World()
    run(world)
    killed_run(world)
    assert (world.serving(), world.registry.champion("line", "production")) == (2, 1)
    way = roll_back(world.environment(), world.workspace, world.ports(), actor="ada")
    assert (way.before, way.after) == (2, 1)
    assert (world.serving(), world.registry.champion("line", "production")) == (1, 1)
    assert run(world).outcome is Outcome.FAILED, "the run that was broken off must not undo a person's rollback"
    assert world.serving() == 1


def test_a_rollback_that_was_killed_before_it_was_written_down_is_settled_by_the_next_run() -> None:
    world = World()
    run(world)
    run(world)
    ports = world.ports(registry=DyingRegistry(world))
    with pytest.raises(Killed):
        roll_back(world.environment(), world.workspace, ports, actor="ada")
    world.lives += 1
    assert (world.serving(), world.registry.champion("line", "production")) == (1, 2)
    world.mae = 9.0
    assert run(world).outcome is Outcome.REJECTED
    assert (world.serving(), world.registry.champion("line", "production")) == (1, 1)
    assert world.registry.history("line", "production")[0].is_rollback


def test_a_verdict_that_was_edited_releases_nothing() -> None:
    rejected = a_verdict(VerdictOutcome.REJECTED)
    edited = a_placement(replace(rejected, outcome=VerdictOutcome.APPROVED), version=1)
    with pytest.raises(RefusedError, match="changed after it was made"):
        release(a_version(number=1), edited)


@pytest.mark.parametrize("after", [False, True])
def test_a_rollback_killed_at_any_call_leaves_nothing_split_after_the_next_run(after: bool) -> None:
    for call in range(1, 80):
        world = World()
        run(world)
        run(world)
        act = partial(roll_back, world.environment(), world.workspace, world.ports(), actor="ada")
        killed = world.killed_at(call, after=after, act=act)
        world.mae = 9.0
        run(world)
        assert world.serving() == world.registry.champion("line", "production"), call
        if not killed:
            return
    pytest.fail("the rollback never came to its end")


@pytest.mark.parametrize("after", [False, True])
def test_a_run_killed_at_any_call_deploys_once_and_trains_once(after: bool) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    for call in range(1, 200):
        world = World()
        world.data.rows += 1
        act = partial(retrain, Request(environment="production"), world.workspace, world.ports())
        killed = world.killed_at(call, after=after, act=act)
        retrain(Request(environment="production"), world.workspace, world.ports())
        assert (world.serving(), world.registry.champion("line", "production")) == (1, 1), call
        assert len(list(world.started(JobKind.TRAIN))) == 1, call
        assert len(world.registry.history("line", "production")) == 1, call
        ends = [event.end for event in events_of(world.inbox, "line", "production")]
        assert EventEnd.PENDING not in ends, call
        if not killed:
            return
    pytest.fail("the run never came to its end")


def test_a_champion_whose_bytes_are_gone_is_named_and_the_run_goes_on() -> None:
    world = World()
    run(world)
    world.artifacts.delete(world.registry.version("line", 1).artifact)
    ended = run(world)
    assert ended.outcome in (Outcome.DEPLOYED, Outcome.REJECTED), ended.reason
