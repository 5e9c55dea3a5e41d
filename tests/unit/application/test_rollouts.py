"""A version takes its traffic step by step, whoever is killed on the way."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from everfit.application.journal import drive
from everfit.application.live_overview import live_rows, plan_words, rollout_report, rollout_reports
from everfit.application.overview import status
from everfit.application.performing import Patience
from everfit.application.releases import Decision, decide, keep, roll_back
from everfit.application.retraining import Request, begin, retrain
from everfit.application.rollout_orders import current, keep_order, order
from everfit.application.triggering import cancel
from everfit.domain.errors import BackendError, NotFoundError, RefusedError, RunFailedError
from everfit.domain.job import JobKind
from everfit.domain.live import Moved
from everfit.domain.notice import NoticeKind
from everfit.domain.rollout import Ending, OrderKind, Verdict
from everfit.domain.run import Outcome, Run, RunState
from everfit.domain.version import Standing
from tests.fakes import AT_ONCE, CANARY, SHADOW, Behaviour, World
from tests.kept import events_of
from tests.stored import START

QUICK = "{strategy: canary, steps: [10%], bake: 0s, minimum_requests: 100}"
QUICK_SHADOW = "{strategy: shadow, bake: 0s, minimum_requests: 100, disagreement: 5%}"
ASKED: dict[str, Any] = {"actor": "ada", "reason": "so"}


def run(world: World, *, force: bool = False) -> Run:
    world.data.rows += 1
    return retrain(Request(environment="production", force=force), world.workspace, world.ports())


def look(world: World, run: Run) -> Run:
    """Look once at a rollout, as a service does."""
    return drive(run.id, world.workspace, world.ports(), patience=Patience.CHANGES)


def begin_rollout(world: World) -> Run:
    """Begin a run, and leave it where its version has taken the first step."""
    world.data.rows += 1
    begun = begin(Request(environment="production"), world.workspace, world.environment(), world.ports())
    return look(world, begun)


def two_versions(rollout: str = CANARY) -> tuple[World, Run]:
    """Return a world in which version 1 serves and version 2 is on its way."""
    world = World(rollout=rollout)
    run(world)
    return world, begin_rollout(world)


def to_the_end(world: World, begun: Run) -> Run:
    """Go on with a run as a service does, with traffic in between."""
    for _ in range(200):
        found = look(world, begun)
        if found.state is RunState.ENDED:
            return found
        world.rest(timedelta(seconds=2))
    raise AssertionError("the rollout never came to its end")


def weights(world: World) -> dict[int, float]:
    state = world.endpoints.describe("line")
    return {} if state is None else dict(state.weights)


def standing(world: World, number: int) -> Standing:
    return world.registry.placement("line", "production", number).standing


def ask(world: World, kind: OrderKind) -> None:
    order(kind, world.environment(), world.workspace, world.ports(), **ASKED)


# Steps


def test_a_version_that_does_well_takes_every_step_and_serves() -> None:
    world = World(rollout=CANARY)
    assert run(world).outcome is Outcome.DEPLOYED
    ended = run(world)
    assert (ended.outcome, weights(world)) == (Outcome.DEPLOYED, {2: 1.0})
    progress = world.rollouts.of_run(ended.id)
    assert progress is not None
    assert progress.ending is Ending.PROMOTED
    advances = [each.step for each in progress.decisions if each.verdict is Verdict.ADVANCE]
    assert advances == [0, 1, 2]
    assert "passed its rollout in 3 steps" in world.registry.history("line", "production")[0].reason


def test_a_version_that_fails_is_taken_back_with_the_numbers() -> None:
    """Every end of a run is told once: a rollout that was aborted never looks like a success."""
    world = World(rollout=CANARY)
    run(world)
    world.behaviour[2] = Behaviour.FAILING
    ended = run(world)
    assert (ended.outcome, weights(world)) == (Outcome.FAILED, {1: 1.0})
    assert "version 2 was taken back in step 1 of 3" in (ended.reason or "")
    assert "20% of 100 requests" in (ended.reason or "")
    assert (standing(world, 2), world.registry.champion("line", "production")) == (Standing.ROLLED_BACK, 1)
    told = [notice for notice in world.outbox.unaddressed(limit=100) if notice.run == ended.id]
    assert [notice.kind for notice in told] == [NoticeKind.FAILED]


@pytest.mark.parametrize("behaviour", [Behaviour.FAILING, Behaviour.SLOW])
def test_a_version_that_gets_worse_in_its_last_step_is_taken_back_as_well(behaviour: Behaviour) -> None:
    world, begun = two_versions()
    while weights(world) != {2: 1.0}:
        world.rest(timedelta(seconds=2))
        look(world, begun)
    world.behaviour[2] = behaviour
    assert to_the_end(world, begun).outcome is Outcome.FAILED
    assert weights(world) == {1: 1.0}


def test_a_shadow_is_given_copies_and_no_share_until_it_has_passed() -> None:
    world, begun = two_versions(SHADOW)
    endpoint = world.endpoints.desired("line")
    assert endpoint is not None
    assert (dict(endpoint.weights), endpoint.shadows) == ({1: 1.0}, (2,))
    assert to_the_end(world, begun).outcome is Outcome.DEPLOYED


def test_a_shadow_that_answers_otherwise_never_takes_traffic() -> None:
    world, begun = two_versions(SHADOW)
    world.behaviour[2] = Behaviour.OTHER
    ended = to_the_end(world, begun)
    assert (ended.outcome, weights(world)) == (Outcome.FAILED, {1: 1.0})


def test_nothing_advances_by_silence_and_people_are_told_once() -> None:
    """No traffic is "no data", not "healthy" and not "failing"."""
    world, begun = two_versions()
    world.is_busy = False
    for _ in range(5):
        world.clock.advance(timedelta(minutes=40))
        assert look(world, begun).state is RunState.WAITING
    assert weights(world) == {1: 0.9, 2: 0.1}
    told = [notice for notice in world.outbox.unaddressed(limit=100) if notice.kind is NoticeKind.TROUBLE]
    assert [notice.facts["part"] for notice in told] == ["the rollout of version 2"]


def test_all_at_once_without_a_bake_is_one_change() -> None:
    world, begun = two_versions(AT_ONCE)
    assert (begun.outcome, weights(world)) == (Outcome.DEPLOYED, {2: 1.0})
    assert world.rollouts.of_run(begun.id) is None


def test_the_first_version_has_nothing_to_be_compared_with() -> None:
    """First deployment, update, rollback and recovery all obey the same rule."""
    world = World(rollout=CANARY)
    world.is_busy = False
    assert run(world).outcome is Outcome.DEPLOYED
    assert (weights(world), world.registry.champion("line", "production")) == ({1: 1.0}, 1)


def test_a_first_version_that_breaches_a_rule_serves_on_as_nothing_else_could_and_its_run_fails() -> None:
    world = World(rollout=CANARY)
    begun = begin_rollout(world)
    world.behaviour[1] = Behaviour.FAILING
    ended = to_the_end(world, begun)
    assert (ended.outcome, weights(world)) == (Outcome.FAILED, {1: 1.0})
    assert world.registry.champion("line", "production") == 1
    assert "no version to go back to" in (ended.reason or "")


def test_while_one_version_is_on_its_way_another_one_waits() -> None:
    world, begun = two_versions()
    other = world.store.claim("line", "production", owner=world.owner, lease=timedelta(seconds=1))
    world.store.release(other)
    world.data.rows += 1
    with_approval = begin(
        Request(environment="production", force=True), world.workspace, world.environment(), world.ports()
    )
    assert with_approval.id == begun.id, "one run of a place is under way"
    assert to_the_end(world, begun).outcome is Outcome.DEPLOYED


# What happens to the host


def test_a_host_that_was_killed_counts_anew_and_keeps_its_shares() -> None:
    world, begun = two_versions()
    world.flow(3)
    world.traffic.restart()
    look(world, begun)
    assert weights(world) == {1: 0.9, 2: 0.1}
    assert to_the_end(world, begun).outcome is Outcome.DEPLOYED


def test_a_host_that_does_not_answer_is_asked_again() -> None:
    world, begun = two_versions()

    class Down:
        def observe(self, name: str) -> None:
            raise BackendError(f"{name} does not answer.", retryable=True)

        def keep_requests(self, name: str, service: object) -> None:
            """Have nobody to tell."""

    for _ in range(12):
        drive(begun.id, world.workspace, world.ports(traffic=Down()), patience=Patience.CHANGES)
    assert to_the_end(world, begun).outcome is Outcome.DEPLOYED


def test_a_version_that_crashes_in_a_loop_is_taken_back() -> None:
    world, begun = two_versions()
    moved = Moved(before=2, after=1, actor="endpoint host", reason="its processes ended 5 times", at=START)
    world.endpoints.move("line", moved)
    ended = to_the_end(world, begun)
    assert (ended.outcome, weights(world), standing(world, 2)) == (Outcome.FAILED, {1: 1.0}, Standing.ROLLED_BACK)
    assert "its processes ended 5 times" in (ended.reason or "")
    state = world.endpoints.describe("line")
    assert state is not None
    assert state.moved is None


def test_where_the_champion_crashes_the_version_on_its_way_takes_over() -> None:
    world, begun = two_versions()
    moved = Moved(before=1, after=2, actor="endpoint host", reason="its processes ended 5 times", at=START)
    world.endpoints.move("line", moved)
    ended = to_the_end(world, begun)
    assert (ended.outcome, weights(world)) == (Outcome.DEPLOYED, {2: 1.0})


def test_shares_that_somebody_has_changed_by_hand_are_given_again() -> None:
    world, begun = two_versions()
    proofs = list(world.endpoints.desired("line").releases.values())  # type: ignore[union-attr]
    world.endpoints.split("line", {1: 0.5, 2: 0.5}, proofs, (), fence=10_000)
    state = world.endpoints.describe("line")
    assert state is not None
    look(world, begun)
    look(world, begun)
    assert weights(world) == {1: 0.9, 2: 0.1}


def test_a_version_that_cannot_be_given_its_share_is_taken_back() -> None:
    world, begun = two_versions()

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.traffic, name)

        def split(self, name: str, weights: Any, releases: Any, *, shadows: Any = (), fence: int) -> None:
            if weights.get(2, 0) > 0.2:
                raise RunFailedError("Version 2 does not load.")
            world.traffic.split(name, weights, releases, shadows=shadows, fence=fence)

    found = begun
    for _ in range(40):
        found = drive(begun.id, world.workspace, world.ports(traffic=Refusing()), patience=Patience.CHANGES)
        world.rest(timedelta(seconds=2))
    assert (found.outcome, weights(world)) == (Outcome.FAILED, {1: 1.0})
    assert "does not load" in (found.reason or "")


# What people want


def test_a_rollback_in_the_middle_breaks_the_rollout_off_and_leads_to_what_serves() -> None:
    """A rollback works in every state; it goes to the last version that served."""
    world, begun = two_versions()
    way = roll_back(world.environment(), world.workspace, world.ports(), actor="ada")
    assert (way.before, way.after, weights(world)) == (2, 1, {1: 1.0})
    ended = world.store.run(begun.id)
    assert (ended.outcome, ended.state) == (Outcome.FAILED, RunState.ENDED)
    assert "rolled back by hand, by ada" in (ended.reason or "")
    assert standing(world, 2) is Standing.ROLLED_BACK


def test_a_rollback_in_the_middle_may_lead_farther_back() -> None:
    world = World(rollout=AT_ONCE)
    run(world)
    run(world)
    steps = World(rollout=CANARY)
    world.workspace = steps.workspace
    begun = begin_rollout(world)
    assert weights(world) == {2: 0.9, 3: 0.1}
    way = roll_back(world.environment(), world.workspace, world.ports(), actor="ada", to=1)
    assert (way.before, way.after, weights(world)) == (3, 1, {1: 1.0})
    assert world.registry.champion("line", "production") == 1
    assert world.store.run(begun.id).outcome is Outcome.FAILED
    assert (standing(world, 2), standing(world, 3)) == (Standing.ROLLED_BACK, Standing.ROLLED_BACK)


def test_a_rollback_in_the_middle_killed_at_any_call_goes_one_step_back_when_asked_again() -> None:
    for call in range(1, 90):
        world, begun = two_versions()
        act = partial(roll_back, world.environment(), world.workspace, world.ports(), actor="ada")
        killed = world.killed_at(call, after=call % 2 == 0, act=act)
        if killed and world.registry.placement("line", "production", 2).standing is not Standing.ROLLED_BACK:
            roll_back(world.environment(), world.workspace, world.ports(), actor="ada")
        assert (weights(world), world.registry.champion("line", "production")) == ({1: 1.0}, 1), call
        assert standing(world, 2) is Standing.ROLLED_BACK, call
        assert to_the_end(world, begun).outcome is Outcome.FAILED, call
        if not killed:
            return
    pytest.fail("the rollback never came to its end")


def test_a_person_may_hold_it_go_on_and_promote() -> None:
    world, begun = two_versions()
    ask(world, OrderKind.PAUSE)
    with pytest.raises(RefusedError, match="paused already, by ada"):
        ask(world, OrderKind.PAUSE)
    world.clock.advance(timedelta(hours=5))
    world.flow(50)
    look(world, begun)
    assert weights(world) == {1: 0.9, 2: 0.1}
    ask(world, OrderKind.RESUME)
    with pytest.raises(RefusedError, match="not paused"):
        ask(world, OrderKind.RESUME)
    ask(world, OrderKind.PROMOTE)
    assert to_the_end(world, begun).outcome is Outcome.DEPLOYED


def test_a_person_may_abort_it_at_once() -> None:
    world, begun = two_versions()
    ask(world, OrderKind.ABORT)
    ended = world.store.run(begun.id)
    assert (ended.outcome, weights(world)) == (Outcome.FAILED, {1: 1.0})
    assert "ada aborted it: so" in (ended.reason or "")
    assert current(world.environment(), world.workspace, world.ports()) is None


def test_an_order_is_done_by_whoever_drives_the_rollout() -> None:
    world, begun = two_versions()
    world.store.claim("line", "production", owner=world.owner, lease=timedelta(hours=1))
    order(OrderKind.ABORT, world.environment(), world.workspace, world.ports(), **ASKED)
    assert weights(world) == {1: 0.9, 2: 0.1}
    world.lives += 1
    assert to_the_end(world, begun).outcome is Outcome.FAILED


def test_an_order_needs_a_rollout_that_it_can_be_about() -> None:
    world = World(rollout=CANARY)
    place = world.environment()
    with pytest.raises(NotFoundError, match="No rollout of line is under way in production"):
        keep_order(OrderKind.PAUSE, place, world.workspace, world.ports(), **ASKED)
    begin_rollout(world)
    with pytest.raises(RefusedError, match="nothing else could serve"):
        keep_order(OrderKind.ABORT, place, world.workspace, world.ports(), **ASKED)


def test_a_run_that_is_cancelled_takes_its_version_back_and_does_not_mark_it() -> None:
    world, begun = two_versions()
    cancel(begun.id, "ada", "wrong data", world.ports())
    ended = look(world, begun)
    assert (ended.outcome, weights(world)) == (Outcome.CANCELLED, {1: 1.0})
    assert standing(world, 2) is Standing.APPROVED


# What was rolled back


def test_triggers_do_not_bring_back_what_was_taken_back() -> None:
    """Breach of the watch leads back to the last good version, and triggers do not bring the bad one back."""
    world, _begun = two_versions()
    ask(world, OrderKind.ABORT)
    again = retrain(Request(environment="production"), world.workspace, world.ports())
    assert again.outcome is Outcome.SKIPPED
    assert "those of version 2, which was rolled back" in (again.reason or "")
    kinds = {notice.kind for notice in world.outbox.unaddressed(limit=100)}
    assert NoticeKind.RECOVERED not in kinds, "nothing works again by not being tried"
    forced = retrain(Request(environment="production", force=True), world.workspace, world.ports())
    assert (forced.outcome, weights(world)) == (Outcome.DEPLOYED, {3: 1.0})


def test_new_data_makes_a_new_version_after_one_was_taken_back() -> None:
    world, _begun = two_versions()
    ask(world, OrderKind.ABORT)
    assert run(world).outcome is Outcome.DEPLOYED
    assert weights(world) == {3: 1.0}


# Kills


@pytest.mark.parametrize("rollout", [QUICK, QUICK_SHADOW], ids=["canary", "shadow"])
@pytest.mark.parametrize("behaviour", [Behaviour.GOOD, Behaviour.FAILING], ids=lambda each: each.name)
def test_a_rollout_killed_at_any_call_comes_to_the_same_end(rollout: str, behaviour: Behaviour) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    served = 2 if behaviour is Behaviour.GOOD else 1
    outcome = Outcome.DEPLOYED if behaviour is Behaviour.GOOD else Outcome.FAILED
    for call in range(1, 400):
        world, begun = two_versions(rollout)
        world.behaviour[2] = behaviour
        killed = world.killed_at(call, after=call % 2 == 0, act=partial(to_the_end, world, begun))
        assert to_the_end(world, begun).outcome is outcome, call
        assert (weights(world), world.registry.champion("line", "production")) == ({served: 1.0}, served), call
        assert len(list(world.started(JobKind.TRAIN))) == 2, call
        assert len(world.registry.history("line", "production")) == served, call
        ends = [event.end.value for event in events_of(world.inbox, "line", "production")]
        assert "pending" not in ends, call
        progress = world.rollouts.of_run(begun.id)
        assert progress is not None
        assert progress.ending is (Ending.PROMOTED if served == 2 else Ending.ABORTED), call
        if not killed:
            return
    pytest.fail("the rollout never came to its end")


def test_a_rollout_whose_run_was_lost_is_ended_by_the_next_one() -> None:
    world, begun = two_versions()
    claim = world.store.claim("line", "production", owner=world.owner, lease=timedelta(seconds=30), run=begun.id)
    world.store.end(claim, Outcome.FAILED, "its environment is gone")
    world.store.release(claim)
    world.mae = 9.0
    assert run(world).outcome is Outcome.REJECTED
    assert (weights(world), world.rollouts.current("line", "production")) == ({1: 1.0}, None)
    found = world.rollouts.of_run(begun.id)
    assert found is not None
    assert found.reason == "its run has ended: its environment is gone"


# What people see


def test_people_see_how_a_rollout_stands() -> None:
    world, _begun = two_versions()
    world.flow(2)
    shown = rollout_report(world.environment(), world.workspace, world.ports())
    assert shown is not None
    assert (shown["challenger"], shown["step"], shown["steps"], shown["requests"]) == (2, 1, 3, 200)
    row: Any = status(world.workspace, world.ports())["environments"]
    assert row[0]["rollout"]["words"]
    rows = live_rows(world.environment(), world.endpoints.describe("line"), world.ports())
    assert rows is not None
    assert [(each["version"], each["share"], each["state"]) for each in rows] == [
        (1, 0.9, "serves"),
        (2, 0.1, "serves"),
    ]
    ask(world, OrderKind.ABORT)
    assert rollout_reports(world.environment(), world.workspace, world.ports())[0]["state"] == "aborted"


def test_a_plan_is_shown_before_it_happens() -> None:
    world = World(rollout=CANARY)
    run(world)
    assert any("10%" in line for line in plan_words(world.environment(), world.workspace, world.ports()))
    at_once = World()
    assert plan_words(at_once.environment(), at_once.workspace, at_once.ports()) == []


def test_a_promoted_version_that_was_rolled_back_at_its_source_is_taken_back() -> None:
    world = World(rollout=CANARY)
    run(world)
    run(world)
    first = retrain(Request(environment="live", promote=1), world.workspace, world.ports())
    assert first.outcome is Outcome.DEPLOYED
    begun = begin(Request(environment="live", promote=2), world.workspace, world.environment("live"), world.ports())
    look(world, begun)
    roll_back(world.environment(), world.workspace, world.ports(), actor="ada")
    ended = look(world, begun)
    assert ended.outcome is Outcome.FAILED
    assert "rolled back in production" in (ended.reason or "")
    assert world.registry.champion("line", "live") == 1


def test_a_version_that_was_approved_meanwhile_waits_without_holding_up_the_one_before_it() -> None:
    world = World(approval="manual", rollout=CANARY)
    place = world.environment()

    def decided(version: int) -> Run:
        decision = Decision(version=version, approved=True, actor="grace", reason="so")
        found = decide(decision, place, world.workspace, world.ports())
        assert found is not None
        return found

    for _ in range(3):
        world.data.rows += 1
        assert retrain(Request(environment="production"), world.workspace, world.ports()).outcome is not Outcome.FAILED
    assert decided(1).outcome is Outcome.DEPLOYED
    keep(Decision(version=2, approved=True, actor="grace", reason="so"), place, world.workspace, world.ports())
    waiting = world.store.waiting("line", "production")
    second = look(world, next(run for run in waiting if run.version == 2))
    assert weights(world) == {1: 0.9, 2: 0.1}
    third = decided(3)
    assert third.state is RunState.WAITING
    assert weights(world) == {1: 0.9, 2: 0.1}
    assert to_the_end(world, second).outcome is Outcome.DEPLOYED
    assert to_the_end(world, third).outcome is Outcome.DEPLOYED
    assert weights(world) == {3: 1.0}
