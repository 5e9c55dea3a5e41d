"""Approvals that expire, that only some may give, and that somebody else must give."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from everfit.application.approvals import expire_approvals
from everfit.application.journal import drive
from everfit.application.releases import Decision, decide, keep, newer_champion
from everfit.application.retraining import Request, is_decided, retrain
from everfit.domain.errors import IllegalMoveError, RefusedError
from everfit.domain.run import Outcome, Run
from everfit.domain.version import Standing
from tests.fakes import World

DAY = timedelta(days=1)


class Asked(World):
    """A world in which a person has the last word."""

    def __init__(self, **policy: Any) -> None:
        super().__init__("manual")
        environment = self.environment()
        asked = replace(environment, approval=replace(environment.approval, **policy))
        environments = {**self.workspace.project.environments, "production": asked}
        self.workspace = replace(self.workspace, project=replace(self.workspace.project, environments=environments))

    def run(self, actor: str = "ada") -> Run:
        self.data.rows += 100
        request = Request(environment="production", actor=actor, force=True)
        return retrain(request, self.workspace, self.ports())

    def decide(self, version: int = 1, *, approved: bool = True, actor: str = "grace") -> Run | None:
        decision = Decision(version=version, approved=approved, actor=actor, reason="seen")
        return decide(decision, self.environment(), self.workspace, self.ports())

    def expire(self) -> list[Run]:
        return list(expire_approvals({"line": self.workspace}, self.ports()))

    def standing(self, version: int = 1) -> Standing:
        return self.registry.placement("line", "production", version).standing


def test_a_version_that_nobody_decides_about_is_rejected_once() -> None:
    world = Asked(expires=14 * DAY)
    run = world.run()
    world.clock.advance(14 * DAY - timedelta(seconds=1))
    assert world.expire() == []
    world.clock.advance(timedelta(seconds=1))
    assert [[each.id for each in world.expire()] for _ in range(2)] == [[run.id], []]
    ended = drive(run.id, world.workspace, world.ports())
    assert (ended.outcome, world.standing(), world.serving()) == (Outcome.REJECTED, Standing.REJECTED, None)
    assert ended.reason == "version 1 was rejected by everfit: expired: nobody decided within 14 days"


def test_the_service_sees_that_an_expired_run_can_go_on() -> None:
    world = Asked(expires=DAY)
    run = world.run()
    world.clock.advance(DAY)
    world.expire()
    assert is_decided(world.store.run(run.id), world.ports())


def test_a_kill_in_between_neither_loses_nor_doubles_the_end() -> None:
    for call in range(1, 10):
        world = Asked(expires=DAY)
        run = world.run()
        world.clock.advance(DAY)
        world.killed_at(call, after=True, act=world.expire)
        world.expire()
        ended = drive(run.id, world.workspace, world.ports())
        assert (ended.outcome, world.standing()) == (Outcome.REJECTED, Standing.REJECTED), call


@pytest.mark.parametrize("approved", [True, False])
def test_whoever_decides_too_late_ends_the_run_as_expired(approved: bool) -> None:
    world = Asked(expires=DAY)
    world.run()
    world.clock.advance(DAY)
    ended = world.decide(approved=approved)
    assert ended is not None
    assert (ended.outcome, world.serving()) == (Outcome.REJECTED, None)
    assert "expired" in (ended.reason or "")


def test_a_decision_over_the_network_that_comes_too_late_is_refused() -> None:
    world = Asked(expires=DAY)
    world.run()
    world.clock.advance(DAY)
    decision = Decision(version=1, approved=True, actor="grace", reason="seen")
    with pytest.raises(RefusedError, match="within 1 day"):
        keep(decision, world.environment(), world.workspace, world.ports())
    assert world.standing() is Standing.REJECTED


def test_who_decides_in_time_is_not_overruled_by_the_clock() -> None:
    world = Asked(expires=DAY)
    world.run()
    assert world.decide() is not None
    world.clock.advance(2 * DAY)
    assert (world.expire(), world.standing()) == ([], Standing.SERVING)


def test_without_a_limit_a_version_waits_for_ever() -> None:
    world = Asked()
    world.run()
    world.clock.advance(10_000 * DAY)
    assert (world.expire(), world.standing()) == ([], Standing.PENDING)


def test_only_approvers_may_decide_and_a_refusal_changes_nothing() -> None:
    world = Asked(approvers=("grace",))
    world.run()
    with pytest.raises(RefusedError, match="grace may"):
        world.decide(actor="mallory")
    assert (world.standing(), world.serving()) == (Standing.PENDING, None)
    ended = world.decide(actor="Grace")
    assert ended is not None
    assert ended.outcome is Outcome.DEPLOYED


def test_with_four_eyes_nobody_approves_what_they_started() -> None:
    world = Asked(four_eyes=True)
    world.run(actor="ada")
    with pytest.raises(RefusedError, match="somebody else"):
        world.decide(actor="Ada")
    assert world.standing() is Standing.PENDING
    assert world.decide(actor="grace") is not None


def test_approving_twice_deploys_once() -> None:
    world = Asked()
    world.run()
    world.decide()
    assert world.decide(actor="alan") is None
    history = world.registry.history("line", "production")
    assert [(served.version, served.run) for served in history] == [(1, "run-0001")]


def test_what_was_approved_cannot_be_rejected_and_the_other_way_round() -> None:
    world = Asked()
    world.run()
    world.decide(approved=False)
    with pytest.raises(IllegalMoveError):
        world.decide(approved=True)


def test_an_old_version_is_approved_as_the_very_bytes_that_were_judged() -> None:
    world = Asked()
    world.run()
    world.run()
    world.decide(2)
    assert newer_champion(1, world.environment(), world.workspace, world.ports()) == 2
    world.decide(1)
    state = world.endpoints.describe("line")
    assert state is not None
    assert (world.serving(), state.artifacts[1]) == (1, world.registry.version("line", 1).artifact)


def test_who_when_why_and_on_what_evidence_is_kept() -> None:
    world = Asked()
    world.run()
    world.clock.advance(3 * DAY)
    world.decide()
    placement = world.registry.placement("line", "production", 1)
    approval = placement.approval
    assert approval is not None
    assert (approval.actor, approval.reason, approval.verdict) == ("grace", "seen", placement.verdict.id)
    assert approval.at == world.clock.now()
