"""A rollout is broken off also before its step is taken, and nothing goes back to what was left in need."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from everfit.application.journal import drive
from everfit.application.performing import Patience
from everfit.application.releases import roll_back
from everfit.application.retraining import Request, begin, retrain
from everfit.application.rollout_orders import order
from everfit.domain.errors import BackendError, RefusedError
from everfit.domain.live import Moved
from everfit.domain.notice import NoticeKind
from everfit.domain.rollout import OrderKind
from everfit.domain.run import Outcome, Run, RunState
from everfit.domain.version import Standing
from tests.fakes import AT_ONCE, CANARY, SHADOW, World
from tests.stored import START


class Untaken:
    """An endpoint that never gives version 2 more than its first share.

    Args:
        moved: what its host does instead; None when it is only slow.
    """

    def __init__(self, world: World, moved: Moved | None = None) -> None:
        self._world, self._moved = world, moved

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.traffic, name)

    def split(self, name: str, weights: Mapping[int, float], releases: Any, *, shadows: Any = (), fence: int) -> None:
        if weights.get(2, 0) <= 0.2:
            self._world.traffic.split(name, weights, releases, shadows=shadows, fence=fence)
            return
        if self._moved is not None:
            self._world.traffic.split(name, weights, releases, shadows=shadows, fence=fence)
            self._world.endpoints.move(name, self._moved)
        raise BackendError("Endpoint line does not serve that yet.", retryable=True)


def under_way(rollout: str, before: int) -> tuple[World, Run]:
    """Return a world in which so many versions have served, and the next one is on its way."""
    world = World(rollout=AT_ONCE)
    for _ in range(before):
        world.data.rows += 1
        retrain(Request(environment="production"), world.workspace, world.ports())
    world.workspace = World(rollout=rollout).workspace
    world.data.rows += 1
    begun = begin(Request(environment="production"), world.workspace, world.environment(), world.ports())
    return world, drive(begun.id, world.workspace, world.ports(), patience=Patience.CHANGES)


def go_on(world: World, begun: Run, traffic: object | None = None) -> Run:
    """Look at the rollout as a service does, with traffic in between."""
    found = begun
    for _ in range(40):
        ports = world.ports() if traffic is None else world.ports(traffic=traffic)
        found = drive(begun.id, world.workspace, ports, patience=Patience.CHANGES)
        world.rest(timedelta(seconds=2))
    return found


def serving(world: World) -> tuple[dict[int, float], int | None]:
    state = world.endpoints.describe("line")
    return {} if state is None else dict(state.weights), world.registry.champion("line", "production")


def test_a_version_that_crashes_before_its_step_is_taken_is_not_given_it_again_and_again() -> None:
    world, begun = under_way(CANARY, 1)
    moved = Moved(before=2, after=1, actor="endpoint host", reason="its processes ended 5 times", at=START)
    ended = go_on(world, begun, Untaken(world, moved))
    assert (ended.outcome, serving(world)) == (Outcome.FAILED, ({1: 1.0}, 1))
    assert "its processes ended 5 times" in (ended.reason or "")


def test_a_champion_that_crashes_before_the_step_is_taken_is_not_given_traffic_again() -> None:
    world, begun = under_way(CANARY, 1)
    moved = Moved(before=1, after=2, actor="endpoint host", reason="its processes ended 5 times", at=START)
    ended = go_on(world, begun, Untaken(world, moved))
    assert ended.outcome is Outcome.DEPLOYED
    assert serving(world) == ({2: 1.0}, 2)


def test_a_person_may_abort_a_step_that_the_endpoint_never_takes() -> None:
    world, begun = under_way(CANARY, 1)
    slow = Untaken(world)
    assert go_on(world, begun, slow).state is RunState.WAITING
    order(OrderKind.ABORT, world.environment(), world.workspace, world.ports(traffic=slow), actor="ada", reason="so")
    ended = world.store.run(begun.id)
    assert (ended.outcome, serving(world)) == (Outcome.FAILED, ({1: 1.0}, 1))
    assert "ada aborted it: so" in (ended.reason or "")


@pytest.mark.parametrize("actor", ["ada", "endpoint host"])
def test_a_champion_that_was_left_for_an_older_one_while_it_was_shadowed_is_not_gone_back_to(actor: str) -> None:
    """Nobody undoes what a person did offline, or gives the traffic back to what crashes."""
    world, begun = under_way(SHADOW, 2)
    world.endpoints.move("line", Moved(before=2, after=1, actor=actor, reason="it fails", at=START))
    ended = go_on(world, begun)
    assert (ended.outcome, serving(world)) == (Outcome.FAILED, ({1: 1.0}, 1))
    assert "version 1 serves" in (ended.reason or "")
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK


def test_whoever_leaves_what_serves_leaves_it_also_when_a_rollout_has_begun_meanwhile() -> None:
    """Such as the watch, which found a rule breached a moment before."""
    world, begun = under_way(CANARY, 2)
    way = roll_back(world.environment(), world.workspace, world.ports(), actor="watch", reason="errors", leaves=2)
    assert (way.before, way.after, serving(world)) == (3, 1, ({1: 1.0}, 1))
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK
    assert world.store.run(begun.id).outcome is Outcome.FAILED


def test_what_serves_is_not_left_for_nothing_while_a_rollout_goes_on() -> None:
    world, begun = under_way(CANARY, 1)
    with pytest.raises(RefusedError, match="Version 1 is the only one that has served well"):
        roll_back(world.environment(), world.workspace, world.ports(), actor="watch", reason="errors", leaves=1)
    assert serving(world) == ({1: 0.9, 2: 0.1}, 1)
    assert world.store.run(begun.id).outcome is None


@pytest.mark.parametrize("after", [False, True])
def test_a_rollback_after_an_offline_one_never_leads_forward_again_whoever_is_killed(after: bool) -> None:
    for call in range(1, 90):
        world, begun = under_way(SHADOW, 2)
        world.endpoints.move("line", Moved(before=2, after=1, actor="ada", reason="it fails", at=START))
        act = partial(roll_back, world.environment(), world.workspace, world.ports(), actor="grace")
        killed = world.killed_at(call, after=after, act=act)
        if killed:
            go_on(world, begun)
        assert serving(world) == ({1: 1.0}, 1), call
        assert world.store.run(begun.id).outcome is Outcome.FAILED, call
        if not killed:
            assert world.registry.placement("line", "production", 3).standing is Standing.ROLLED_BACK
            return
    pytest.fail("the rollback never came to its end")


def test_a_rollback_after_an_offline_one_asked_for_again_after_a_kill_does_not_lead_forward() -> None:
    for call in range(1, 90):
        world, _ = under_way(SHADOW, 2)
        world.endpoints.move("line", Moved(before=2, after=1, actor="ada", reason="it fails", at=START))
        act = partial(roll_back, world.environment(), world.workspace, world.ports(), actor="grace")
        killed = world.killed_at(call, after=call % 2 == 0, act=act)
        if killed and world.registry.placement("line", "production", 3).standing is not Standing.ROLLED_BACK:
            act()
        assert serving(world) == ({1: 1.0}, 1), call
        if not killed:
            return
    pytest.fail("the rollback never came to its end")


def test_people_are_told_once_of_a_step_that_the_endpoint_never_takes() -> None:
    world, begun = under_way(CANARY, 1)
    for _ in range(2):
        world.rest(timedelta(hours=2))
        go_on(world, begun, Untaken(world))
    told = [notice for notice in world.outbox.unaddressed(limit=100) if notice.kind is NoticeKind.TROUBLE]
    assert [notice.facts["part"] for notice in told] == ["the rollout of version 2"]
    assert "does not serve that yet" in str(told[0].facts["reason"])


def test_a_version_whose_champion_was_left_has_done_nothing_wrong() -> None:
    world, begun = under_way(SHADOW, 2)
    moved = Moved(before=2, after=1, actor="endpoint host", reason="its processes ended 5 times", at=START)
    world.endpoints.move("line", moved)
    ended = go_on(world, begun)
    assert (ended.outcome, serving(world)) == (Outcome.FAILED, ({1: 1.0}, 1))
    standings = {number: world.registry.placement("line", "production", number).standing for number in (2, 3)}
    assert standings == {2: Standing.ROLLED_BACK, 3: Standing.APPROVED}
