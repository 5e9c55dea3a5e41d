"""What every keeper of rollouts promises."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.rollouts import MemoryRollouts
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.rollouts import SqlRollouts
from everfit.application.ports import Claim, Rollouts
from everfit.domain.errors import BusyError, FencedError, IllegalMoveError, NotFoundError, RefusedError
from everfit.domain.live import Tally
from everfit.domain.rollout import (
    Comparison,
    Decision,
    Ending,
    Order,
    OrderKind,
    Progress,
    Result,
    Verdict,
)
from everfit.domain.rollout_plan import Rollout, Strategy
from everfit.domain.run import RunId
from tests.kept import Kept, MemoryKept, SqlKept
from tests.stored import MINUTE, START, a_run

LEASE = timedelta(seconds=30)
PLAN = Rollout(strategy=Strategy.CANARY, steps=(0.1, 0.5), bake=10 * MINUTE, disagreement=0.02)


@dataclass(frozen=True)
class World:
    rollouts: Rollouts
    store: Kept

    def claim(self, run: str, environment: str = "production") -> Claim:
        begun = self.store.begin(a_run(run, environment=environment)).id
        return self.store.claim("churn", environment, owner="worker", lease=LEASE, run=begun, take_over=True)


@pytest.fixture
def world(database: Database | None) -> World:
    clock = SettableClock(START)
    if database is None:
        store = MemoryKept(clock)
        return World(MemoryRollouts(store), store)
    return World(SqlRollouts(database), SqlKept(database, clock))


def a_rollout(run: str = "run-1", environment: str = "production", challenger: int = 2) -> Progress:
    return Progress(
        model="churn",
        environment=environment,
        endpoint="churn",
        run=run,
        champion=1,
        challenger=challenger,
        plan=PLAN,
        begun=START,
    )


def an_order(kind: OrderKind = OrderKind.PAUSE, actor: str = "ada") -> Order:
    return Order(kind=kind, actor=actor, reason="lunch", at=START + MINUTE)


def ended(progress: Progress, ending: Ending = Ending.ABORTED) -> Progress:
    return replace(progress, ending=ending, reason="5 of 50 requests failed", ended=START + 2 * MINUTE)


FAR = replace(
    a_rollout(),
    step=1,
    since=START + MINUTE,
    epoch="e-1",
    baseline={1: Tally(requests=90, errors=1, latency={100: 90}), 2: Tally(requests=10, refused=1, latency={101: 10})},
    is_told=True,
    decisions=(
        Decision(
            verdict=Verdict.ADVANCE,
            step=0,
            reason="no worse: 0 of 812 requests failed",
            comparisons=(
                Comparison(
                    name="errors",
                    result=Result.BETTER_OR_EQUAL,
                    challenger=0.0,
                    champion=0.001,
                    words="0% against 0.1%",
                ),
                Comparison(
                    name="quality", result=Result.NO_DATA, challenger=None, champion=None, words="no labels yet"
                ),
            ),
            at=START + MINUTE,
        ),
    ),
)


def test_a_rollout_is_kept_as_it_stands(world: World) -> None:
    claim = world.claim("run-1")
    assert world.rollouts.of_run(RunId("run-1")) is None
    assert world.rollouts.begin(claim, a_rollout()) == a_rollout()
    world.rollouts.keep(claim, FAR)
    assert world.rollouts.of_run(RunId("run-1")) == world.rollouts.current("churn", "production") == FAR


def test_a_rollout_that_begins_again_is_where_it_was(world: World) -> None:
    claim = world.claim("run-1")
    world.rollouts.begin(claim, a_rollout())
    world.rollouts.keep(claim, FAR)
    assert world.rollouts.begin(world.claim("run-1"), a_rollout()) == FAR


def test_the_plan_of_a_rollout_under_way_stays_as_it_was_declared(world: World) -> None:
    claim = world.claim("run-1")
    world.rollouts.begin(claim, a_rollout())
    changed = replace(a_rollout(), plan=Rollout())
    assert world.rollouts.begin(claim, changed).plan == PLAN


def test_one_rollout_is_under_way_in_an_environment(world: World) -> None:
    world.rollouts.begin(world.claim("run-1"), a_rollout())
    other = world.claim("run-2")
    with pytest.raises(BusyError, match="version 2 of churn in production is under way"):
        world.rollouts.begin(other, a_rollout("run-2", challenger=3))
    elsewhere = a_rollout("run-3", "staging")
    assert world.rollouts.begin(world.claim("run-3", "staging"), elsewhere) == elsewhere
    world.rollouts.keep(other, ended(a_rollout()))
    assert world.rollouts.begin(other, a_rollout("run-2", challenger=3)).challenger == 3


def test_who_has_lost_the_claim_writes_nothing(world: World) -> None:
    old = world.claim("run-1")
    world.rollouts.begin(old, a_rollout())
    world.claim("run-1")
    with pytest.raises(FencedError):
        world.rollouts.keep(old, FAR)
    with pytest.raises(FencedError):
        world.rollouts.begin(old, a_rollout("run-2"))
    assert world.rollouts.current("churn", "production") == a_rollout()


def test_a_claim_of_another_place_changes_nothing(world: World) -> None:
    world.rollouts.begin(world.claim("run-1"), a_rollout())
    with pytest.raises(RefusedError):
        world.rollouts.keep(world.claim("run-2", "staging"), FAR)
    with pytest.raises(RefusedError):
        world.rollouts.begin(world.claim("run-2", "staging"), a_rollout("run-2"))


def test_a_rollout_ends_once_and_never_moves_again(world: World) -> None:
    claim = world.claim("run-1")
    world.rollouts.begin(claim, a_rollout())
    world.rollouts.keep(claim, ended(FAR))
    world.rollouts.keep(claim, ended(FAR))
    with pytest.raises(IllegalMoveError, match="aborted"):
        world.rollouts.keep(claim, ended(FAR, Ending.PROMOTED))
    with pytest.raises(IllegalMoveError):
        world.rollouts.keep(claim, FAR)
    assert world.rollouts.current("churn", "production") is None
    assert world.rollouts.of_run(RunId("run-1")) == ended(FAR)


def test_a_rollout_never_becomes_that_of_another_version(world: World) -> None:
    claim = world.claim("run-1")
    world.rollouts.begin(claim, a_rollout())
    with pytest.raises(RefusedError):
        world.rollouts.keep(claim, a_rollout(challenger=3))
    with pytest.raises(NotFoundError):
        world.rollouts.keep(claim, a_rollout("run-9"))


def test_rollouts_that_are_over_come_newest_first(world: World) -> None:
    for number in (1, 2, 3):
        claim = world.claim(f"run-{number}")
        world.rollouts.begin(claim, a_rollout(f"run-{number}"))
        world.rollouts.keep(claim, ended(a_rollout(f"run-{number}")))
    found = world.rollouts.ended("churn", "production")
    assert [one.run for one in found] == ["run-3", "run-2", "run-1"]
    assert [one.run for one in world.rollouts.ended("churn", "production", limit=1)] == ["run-3"]
    assert not world.rollouts.ended("churn", "staging")


def test_orders_need_no_claim_and_stay_whatever_is_kept_after_them(world: World) -> None:
    claim = world.claim("run-1")
    world.rollouts.begin(claim, a_rollout())
    world.rollouts.order(RunId("run-1"), an_order())
    told = world.rollouts.order(RunId("run-1"), an_order(OrderKind.RESUME, "grace"))
    assert [order.actor for order in told.orders] == ["ada", "grace"]
    world.rollouts.keep(claim, FAR)
    found = world.rollouts.of_run(RunId("run-1"))
    assert found is not None
    assert found == replace(FAR, orders=(an_order(), an_order(OrderKind.RESUME, "grace")))
    world.rollouts.keep(claim, found)
    assert world.rollouts.current("churn", "production") == found


def test_an_order_about_what_is_over_or_never_was_is_refused(world: World) -> None:
    claim = world.claim("run-1")
    with pytest.raises(NotFoundError, match="no rollout"):
        world.rollouts.order(RunId("run-1"), an_order())
    world.rollouts.begin(claim, a_rollout())
    world.rollouts.keep(claim, ended(a_rollout()))
    with pytest.raises(IllegalMoveError, match="never moves again"):
        world.rollouts.order(RunId("run-1"), an_order())
