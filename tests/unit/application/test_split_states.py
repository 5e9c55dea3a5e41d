"""What a kill, or somebody who is quicker, leaves half done: nothing passes there that would not pass elsewhere."""

from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from everfit.application.dispatch import dispatch
from everfit.application.journal import LEASE, drive
from everfit.application.ports import Catalog
from everfit.application.releases import Decision, WayBack, decide, keep, roll_back
from everfit.application.retraining import Request, retrain, start
from everfit.application.training_jobs import deploy, job_name
from everfit.application.triggering import Demand, cancel, request
from everfit.domain.errors import BackendError, IllegalMoveError, RefusedError
from everfit.domain.run import Outcome, Run
from everfit.domain.trigger import EventEnd, TriggerEvent, TriggerKind, Wish
from everfit.domain.version import Standing
from tests.fakes import World
from tests.stored import MINUTE, START, a_run

LIVE = Request(environment="live", actor="ada")


def asking(world: World, place: str = "production", **policy: Any) -> World:
    """Have a person decide in the place, by that policy."""
    environments = dict(world.workspace.project.environments)
    environment = environments[place]
    approval = replace(environment.approval, mode="manual", **policy)
    environments[place] = replace(environment, approval=approval)
    world.workspace = replace(world.workspace, project=replace(world.workspace.project, environments=environments))
    return world


def is_judged_but_not_waiting(world: World) -> bool:
    placements = world.registry.placements("line", "production")
    return bool(placements) and not world.store.waiting("line", "production")


def between_register_and_approve(**policy: Any) -> World:
    """Return a world whose process was killed when its version was judged and nobody had been asked yet."""
    for call in range(1, 200):
        world = asking(World(), **policy)
        run = Request(environment="production", actor="ada")
        world.killed_at(call, after=True, act=partial(retrain, run, world.workspace, world.ports()))
        if is_judged_but_not_waiting(world):
            return world
    pytest.fail("it was never judged")


@pytest.mark.parametrize(
    ("policy", "actor"), [({"four_eyes": True}, "ada"), ({"approvers": ("grace",)}, "mallory")], ids=["eyes", "name"]
)
def test_who_may_not_approve_may_not_do_so_before_the_run_asks(policy: dict[str, Any], actor: str) -> None:
    world = between_register_and_approve(**policy)
    with pytest.raises(RefusedError):
        keep(
            Decision(version=1, approved=True, actor=actor, reason="x"),
            world.environment(),
            world.workspace,
            world.ports(),
        )
    assert world.registry.placement("line", "production", 1).standing is Standing.PENDING


def test_a_starter_among_very_many_may_not_approve_either() -> None:
    world = asking(World(), four_eyes=True)
    event = TriggerEvent(
        id="0", kind=TriggerKind.DATA, model="line", environment="production", actor="bucket", at=START
    )
    starters = [replace(event, id="mallory", actor="mallory"), *(replace(event, id=f"{n}") for n in range(1_000))]
    world.inbox.accept([event, *starters])
    retrain(Request(environment="production", actor="ada"), world.workspace, world.ports())
    with pytest.raises(RefusedError, match="somebody else"):
        decide(
            Decision(version=1, approved=True, actor="mallory", reason="x"),
            world.environment(),
            world.workspace,
            world.ports(),
        )


def test_a_promotion_that_was_cancelled_can_be_asked_for_again() -> None:
    world = asking(World(), "live")
    retrain(Request(environment="production"), world.workspace, world.ports())
    waiting = retrain(LIVE, world.workspace, world.ports())
    cancel(waiting.id, "ada", "not today", world.ports())
    assert drive(waiting.id, world.workspace, world.ports()).outcome is Outcome.CANCELLED
    again = retrain(LIVE, world.workspace, world.ports())
    assert again.outcome is Outcome.NEEDS_APPROVAL
    ended = decide(
        Decision(version=1, approved=True, actor="grace", reason="now"),
        world.environment("live"),
        world.workspace,
        world.ports(),
    )
    assert ended is not None
    assert (ended.id, ended.outcome, world.serving("line-live")) == (again.id, Outcome.DEPLOYED, 1)


def test_a_version_that_was_named_is_not_promoted_under_the_name_of_a_tag_that_joins_its_run() -> None:
    world = World()
    retrain(Request(environment="production"), world.workspace, world.ports())
    for number, wish in enumerate([Wish(promote=1), Wish(commit="abc", release="1.2.0")]):
        demand = Demand(actor="ada", id=f"{number}", environment="live", wish=wish)
        request(demand, world.workspace, world.ports())
    run = dispatch("line", "live", world.workspace, world.ports())
    assert isinstance(run, Run)
    assert (run.promote, run.commit, run.release) == (1, None, None)


def test_nobody_is_told_that_a_rejected_version_will_be_deployed_while_its_run_ends() -> None:
    world = World()
    record = request(
        Demand(actor="ada", environment="production", wish=Wish(hold=True)), world.workspace, world.ports()
    )
    run = dispatch("line", "production", world.workspace, world.ports())
    assert isinstance(run, Run)
    drive(run.id, world.workspace, world.ports())
    keep(
        Decision(version=1, approved=False, actor="grace", reason="x"),
        world.environment(),
        world.workspace,
        world.ports(),
    )
    world.store.claim("line", "production", owner=world.owner, lease=LEASE, run=run.id)
    with pytest.raises(IllegalMoveError):
        deploy(job_name(record), "ada", cast("Catalog", None), world.ports())


class Quicker:
    """An inbox beside which another service has started and ended a run for all that waits."""

    def __init__(self, world: World) -> None:
        self._world, self._is_done = world, False

    def start(self, run: Run, seen: int | None = None) -> Run:
        if not self._is_done:
            self._is_done = True
            self._world.inbox.start(replace(a_run("of-the-other", "line")))
            drive(a_run("of-the-other").id, self._world.workspace, self._world.ports())
        return self._world.inbox.start(run, seen)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.inbox, name)


def test_a_run_is_not_started_twice_for_what_another_service_has_dealt_with_meanwhile() -> None:
    world = World()
    request(Demand(actor="ada", environment="production"), world.workspace, world.ports())
    ports = world.ports(inbox=Quicker(world))
    name = ports.ids.run_id(START)
    assert start(name, world.workspace, world.environment(), ports) is None
    assert [run.id for run in world.store.runs()] == ["of-the-other"]


def gone_back(world: World) -> WayBack:
    return roll_back(world.environment(), world.workspace, world.ports(), actor="ada")


@pytest.mark.parametrize("after", [False, True])
def test_a_rollback_that_was_killed_and_is_asked_for_again_goes_one_step_back_and_not_two(after: bool) -> None:
    for call in range(1, 60):
        world = World()
        for _ in range(3):
            world.data.rows += 1
            retrain(Request(environment="production"), world.workspace, world.ports())
        killed = world.killed_at(call, after=after, act=partial(gone_back, world))
        if world.registry.champion("line", "production") == 3:
            way = gone_back(world)
            assert (way.before, way.after) == (3, 2), call
        assert (world.serving(), world.registry.champion("line", "production")) == (2, 2), call
        if not killed:
            return
    pytest.fail("the rollback never came to its end")


def test_a_rollback_goes_back_from_a_deployment_of_an_old_version_that_was_killed() -> None:
    """What the endpoint serves then was put there by a run, and is what is to be left."""
    for call in range(1, 300):
        world = World()
        for _ in range(2):
            world.data.rows += 1
            retrain(Request(environment="production"), world.workspace, world.ports())
            retrain(LIVE, world.workspace, world.ports())
            world.clock.advance(MINUTE)
        older = Request(environment="live", promote=1)
        killed = world.killed_at(call, after=True, act=partial(retrain, older, world.workspace, world.ports()))
        if (world.serving("line-live"), world.registry.champion("line", "live")) == (1, 2):
            roll_back(world.environment("live"), world.workspace, world.ports(), actor="ada")
            assert (world.serving("line-live"), world.registry.champion("line", "live")) == (2, 2)
            return
        assert killed
    pytest.fail("it never was in between")


def unsettled() -> World:
    """Return a world whose endpoint serves what the registry does not say, and whose champion is gone from the disk."""
    world = World()
    for _ in range(2):
        world.data.rows += 1
        retrain(Request(environment="production"), world.workspace, world.ports())
    ports = world.ports()
    for call in range(1, 60):
        world.killed_at(
            call, after=True, act=lambda: roll_back(world.environment(), world.workspace, ports, actor="ada")
        )
        if world.serving() == 1:
            break
    assert (world.serving(), world.registry.champion("line", "production")) == (1, 2)
    # Somebody had the claim in between and was stopped at once, so nobody can tell any more who shifted.
    world.store.release(world.store.claim("line", "production", owner=world.owner, lease=LEASE))
    world.artifacts.kept.discard(world.registry.version("line", 2).artifact)
    return world


def test_a_run_ends_also_where_what_serves_cannot_be_settled() -> None:
    world = unsettled()
    request(Demand(actor="ada", environment="production"), world.workspace, world.ports())
    begun = dispatch("line", "production", world.workspace, world.ports())
    assert isinstance(begun, Run)
    ended = drive(begun.id, world.workspace, world.ports())
    assert ended.outcome is Outcome.FAILED
    assert "There is no artifact" in (ended.reason or "")
    assert [record.end for record in world.inbox.events(limit=1)] == [EventEnd.FAILED]


def test_a_run_can_be_cancelled_also_where_what_serves_cannot_be_looked_at() -> None:
    world = World()
    request(Demand(actor="ada", environment="production"), world.workspace, world.ports())
    begun = dispatch("line", "production", world.workspace, world.ports())
    assert isinstance(begun, Run)
    cancel(begun.id, "ada", "wrong data", world.ports())
    ended = drive(begun.id, world.workspace, world.ports(endpoints=Away()))
    assert ended.outcome is Outcome.CANCELLED


class Away:
    """Endpoints that cannot be asked."""

    def __getattr__(self, name: str) -> Any:
        def failing(*arguments: Any, **named: Any) -> Any:
            del arguments, named
            raise BackendError("The host does not answer.", retryable=True)

        return failing
