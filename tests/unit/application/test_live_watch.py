"""What serves is watched for the declared time, and left for the last good version when the evidence is clear."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from everfit.application.live_overview import watch_row
from everfit.application.live_watch import Watched, watch_live
from everfit.application.ports import Claim
from everfit.application.releases import roll_back
from everfit.application.retraining import Request, begin, retrain
from everfit.domain.errors import BackendError
from everfit.domain.live import Moved
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.run import Outcome
from everfit.domain.version import Placement, Standing
from everfit.domain.watch import Health
from tests.fakes import AT_ONCE, Behaviour, Killed, World
from tests.stored import START


def deployed(times: int = 2, watch: str = "{for: 1h, roll_back_when: [error_rate > 5%, mae > 50]}") -> World:
    world = World(rollout=AT_ONCE, watch=watch)
    for _ in range(times):
        world.data.rows += 1
        assert retrain(Request(environment="production"), world.workspace, world.ports()).outcome is Outcome.DEPLOYED
    return world


def look(world: World) -> Watched:
    found = {each.environment: each for each in watch_live({"line": world.workspace}, world.ports())}
    return found["production"]


def told(world: World, kind: NoticeKind) -> list[Notice]:
    return [notice for notice in world.outbox.unaddressed(limit=100) if notice.kind is kind]


def fail(world: World, version: int = 2) -> None:
    world.behaviour[version] = Behaviour.FAILING
    world.flow()


def test_a_version_that_breaches_a_rule_is_left_for_the_last_good_one_and_marked() -> None:
    """Breach of the watch: rollback to last good, alert, the bad version marked, and triggers do not bring it back."""
    world = deployed()
    fail(world)
    assert "rolled back from version 2 to 1" in str(look(world).words)
    assert (world.serving(), world.registry.champion("line", "production")) == (1, 1)
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK
    (notice,) = told(world, NoticeKind.ROLLED_BACK)
    assert notice.facts["actor"] == "watch"
    assert "error_rate > 5%: 20% of 100 requests" in str(notice.facts["reason"])
    again = retrain(Request(environment="production"), world.workspace, world.ports())
    assert again.outcome is Outcome.SKIPPED


def test_late_labels_are_judged_as_well() -> None:
    world = deployed()
    world.flow()
    world.traffic.answered_well("line", 2, rows=40, mae=80.0)
    assert "mae > 50" in str(look(world).words)
    assert world.serving() == 1


def test_without_traffic_there_is_no_data_which_is_neither_healthy_nor_failing() -> None:
    """No traffic is "no data", not "healthy" and not "failing"."""
    world = deployed()
    found = look(world)
    assert found.words is None
    assert {finding.health for finding in found.findings} == {Health.NO_DATA}
    row = watch_row(world.environment(), world.workspace, world.ports())
    assert row is not None
    assert row["version"] == 2


def test_the_watch_ends_when_its_time_is_over() -> None:
    world = deployed()
    world.clock.advance(timedelta(hours=2))
    fail(world)
    assert (look(world).findings, world.serving()) == ((), 2)
    assert watch_row(world.environment(), world.workspace, world.ports()) is None


def test_an_environment_without_a_watch_is_not_judged() -> None:
    world = deployed()
    environments = {name: replace(each, watch={}) for name, each in world.workspace.project.environments.items()}
    project = replace(world.workspace.project, environments=environments)
    world.workspace = replace(world.workspace, project=project)
    fail(world)
    assert (look(world).findings, world.serving()) == ((), 2)


def test_where_there_is_no_way_back_people_are_told_once() -> None:
    world = deployed(1)
    fail(world, 1)
    assert "no version to go back to" in str(look(world).words)
    assert look(world).words is None
    assert world.serving() == 1
    assert len(told(world, NoticeKind.TROUBLE)) == 1


def test_what_was_gone_back_to_is_not_left_by_itself() -> None:
    world = deployed(3)
    fail(world, 3)
    look(world)
    fail(world, 2)
    assert "gone back to itself" in str(look(world).words)
    assert world.serving() == 2


def test_what_is_on_its_way_is_judged_by_its_own_rollout() -> None:
    world = deployed()
    world.workspace = World(rollout="{strategy: canary, steps: [10%], bake: 1h}").workspace
    world.data.rows += 1
    run = begin(Request(environment="production"), world.workspace, world.environment(), world.ports())
    world.patience = 0
    with pytest.raises(Killed):
        retrain(Request(environment="production"), world.workspace, world.ports())
    world.lives += 1
    fail(world)
    assert (look(world).findings, look(world).words) == ((), None)
    state = world.endpoints.describe("line")
    assert state is not None
    assert state.weights == {2: 0.9, 3: 0.1}
    assert world.store.run(run.id).ended is None


def moved(before: int = 2, after: int = 1) -> Moved:
    return Moved(before=before, after=after, actor="endpoint host", reason="it crashed 5 times", at=START)


def test_what_the_host_has_moved_is_written_down_and_told() -> None:
    world = deployed()
    world.endpoints.move("line", moved())
    assert "it crashed 5 times" in str(look(world).words)
    assert world.registry.champion("line", "production") == 1
    newest = world.registry.history("line", "production")[0]
    assert (newest.version, newest.is_rollback, newest.actor) == (1, True, "endpoint host")
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK
    state = world.endpoints.describe("line")
    assert state is not None
    assert (dict(state.weights), state.moved) == ({1: 1.0}, None)
    assert look(world).words is None
    assert len(told(world, NoticeKind.ROLLED_BACK)) == 1


@pytest.mark.parametrize("after", [False, True])
def test_what_was_moved_is_written_down_once_whoever_is_killed(after: bool) -> None:
    for call in range(1, 60):
        world = deployed()
        world.endpoints.move("line", moved())
        killed = world.killed_at(call, after=after, act=partial(look, world))
        look(world)
        assert (world.serving(), world.registry.champion("line", "production")) == (1, 1), call
        assert len(world.registry.history("line", "production")) == 3, call
        if not killed:
            return
    pytest.fail("the look never came to its end")


def test_a_rollback_after_an_offline_one_goes_on_from_there() -> None:
    world = deployed(3)
    world.endpoints.move("line", Moved(before=3, after=2, actor="ada", reason="offline", at=START))
    way = roll_back(world.environment(), world.workspace, world.ports(), actor="grace")
    assert (way.before, way.after, world.serving()) == (3, 2, 2)
    assert world.registry.history("line", "production")[0].actor == "ada"


def test_one_endpoint_that_cannot_be_asked_keeps_no_other_from_being_watched() -> None:
    world = deployed()
    retrain(Request(environment="live"), world.workspace, world.ports())
    fail(world)

    class Deaf:
        def __getattr__(self, name: str) -> object:
            return getattr(world.traffic, name)

        def observe(self, name: str) -> object:
            if name == "line-live":
                raise BackendError("It does not answer.")
            return world.traffic.observe(name)

    with pytest.raises(BackendError):
        watch_live({"line": world.workspace}, world.ports(traffic=Deaf()))
    assert world.serving() == 1


class Edited:
    """A registry in which somebody has changed the verdict about version 1."""

    def __init__(self, world: World) -> None:
        self._registry = world.registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def placement(self, model: str, environment: str, number: int) -> Placement:
        found = self._registry.placement(model, environment, number)
        return replace(found, verdict=replace(found.verdict, reason="better")) if number == 1 else found


class Meanwhile:
    """A store whose claim comes when a person has gone back already."""

    def __init__(self, world: World) -> None:
        self._world, self._is_done = world, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.store, name)

    def claim(self, *place: Any, **how: Any) -> Claim:
        if not self._is_done:
            self._is_done = True
            roll_back(self._world.environment(), self._world.workspace, self._world.ports(), actor="ada")
        return self._world.store.claim(*place, **how)


def test_people_are_told_why_a_version_that_breaches_a_rule_could_not_be_left() -> None:
    world = deployed()
    fail(world)
    watch_live({"line": world.workspace}, world.ports(registry=Edited(world)))
    (notice,) = told(world, NoticeKind.TROUBLE)
    assert "it could not be left: Version 1 of line cannot serve" in str(notice.facts["reason"])
    assert "no version to go back to" not in str(notice.facts["reason"])


def test_nobody_is_told_that_a_version_goes_on_serving_that_a_person_has_left_meanwhile() -> None:
    world = deployed()
    fail(world)
    watch_live({"line": world.workspace}, world.ports(store=Meanwhile(world)))
    assert (world.serving(), told(world, NoticeKind.TROUBLE)) == (1, [])
