"""Rollouts over HTTP: seen, held, and taken to an end by a person."""

import pytest

from everfit.application.journal import drive
from everfit.application.performing import Patience
from everfit.application.retraining import Request, begin, retrain
from everfit.domain.access import Role
from everfit.domain.run import Outcome, Run
from tests.fakes import CANARY, World
from tests.served import Served

PATH = "/v1/models/line/rollout"


@pytest.fixture
def served() -> Served:
    return Served(World(rollout=CANARY))


def is_rolling_out(world: World) -> Run:
    """Have version 1 serve, and version 2 take its first step."""
    retrain(Request(environment="production"), world.workspace, world.ports())
    world.data.rows += 1
    begun = begin(Request(environment="production"), world.workspace, world.environment(), world.ports())
    return looked(world, begun)


def looked(world: World, run: Run) -> Run:
    return drive(run.id, world.workspace, world.ports(), patience=Patience.CHANGES)


def ordered(served: Served, order: str) -> tuple[int, str]:
    answer = served.post(PATH, {"environment": "production", "order": order, "reason": "seen enough"})
    return answer.status_code, answer.json().get("detail") or answer.json()["rollout"]["state"]


def test_before_any_rollout_there_is_none_to_show_and_none_to_order(served: Served) -> None:
    assert served.get(f"{PATH}?environment=production") == {
        "model": "line",
        "environment": "production",
        "rollout": None,
    }
    status, words = ordered(served, "pause")
    assert (status, "No rollout of line is under way" in words) == (404, True)


def test_a_rollout_is_shown_with_its_step_and_its_plan(served: Served) -> None:
    is_rolling_out(served.world)
    found = served.get(PATH + "?environment=production")["rollout"]
    assert (found["challenger"], found["champion"], found["state"], found["step"], found["steps"]) == (
        2,
        1,
        "under way",
        1,
        3,
    )
    assert found["plan"][0].startswith("Step 1 of 3: version 2 takes 10% of the traffic")


def test_a_paused_rollout_holds_until_it_is_resumed(served: Served) -> None:
    run = is_rolling_out(served.world)
    assert ordered(served, "pause") == (202, "paused")
    assert ordered(served, "pause")[0] == 409
    assert looked(served.world, run).outcome is None
    assert ordered(served, "resume") == (202, "under way")
    assert drive(run.id, served.world.workspace, served.world.ports()).outcome is Outcome.DEPLOYED


@pytest.mark.parametrize(("order", "outcome", "serves"), [("promote", "deployed", 2), ("abort", "failed", 1)])
def test_a_person_takes_a_rollout_to_its_end(served: Served, order: str, outcome: str, serves: int) -> None:
    run = is_rolling_out(served.world)
    assert ordered(served, order)[0] == 202
    ended = looked(served.world, run)
    assert (ended.outcome and ended.outcome.value, served.world.serving()) == (outcome, serves)
    orders = served.get(PATH + "?environment=production")["rollout"]["orders"]
    assert [(each["order"], each["actor"], each["reason"]) for each in orders] == [(order, "ada", "seen enough")]


def test_an_order_that_nobody_knows_is_refused(served: Served) -> None:
    is_rolling_out(served.world)
    answer = served.post(PATH, {"environment": "production", "order": "faster", "reason": "x"})
    assert answer.status_code == 422


def test_only_who_may_approve_may_order() -> None:
    closed = Served(World(rollout=CANARY), is_tokenless=False)
    is_rolling_out(closed.world)
    body = {"environment": "production", "order": "abort", "reason": "x"}
    assert closed.post(PATH, body, headers=closed.token(Role.TRIGGER, "airflow")).status_code == 403
    assert closed.post(PATH, body, headers=closed.token(Role.APPROVE, "ada")).status_code == 202
