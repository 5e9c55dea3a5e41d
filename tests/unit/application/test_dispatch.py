"""From what waits in the inbox to a run, and to the one end of each event."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from everfit.application.dispatch import Held, dispatch
from everfit.application.journal import drive
from everfit.application.outlook import paused_row, waiting_row, waiting_rows
from everfit.application.retraining import Request, retrain
from everfit.application.triggering import Demand, pause, request, resume
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError, RefusedError, RequestError
from everfit.domain.inbox import Pause
from everfit.domain.project import Backend
from everfit.domain.run import Outcome, Run, RunId
from everfit.domain.trigger import Amount, EventEnd, TriggerEvent, TriggerKind, Wish
from everfit.domain.triggers import NewData, Pace
from tests.fakes import World
from tests.stored import START

PLACE = ("line", "production")
MINUTE = timedelta(minutes=1)
KILLS = 120


def event(name: str, environment: str = "production", **changes: Any) -> TriggerEvent:
    made = TriggerEvent(
        id=name,
        kind=TriggerKind.DATA,
        model="line",
        environment=environment,
        actor="bucket",
        at=START,
        trigger="data",
        amount=Amount(files=1),
    )
    return replace(made, **changes)


def paced(world: World, pace: Pace, budget: int | None = None) -> Workspace:
    trigger = NewData(key="data", environments=("production",), pace=pace, every=MINUTE)
    project = replace(world.workspace.project, triggers=(trigger,), budget=budget)
    world.workspace = replace(world.workspace, project=project)
    return world.workspace


def due(world: World, environment: str = "production") -> Run | Held | None:
    return dispatch("line", environment, world.workspace, world.ports())


def driven(world: World) -> Run:
    begun = due(world)
    assert isinstance(begun, Run)
    return drive(begun.id, world.workspace, world.ports())


def ends(world: World) -> dict[str, tuple[EventEnd, str | None]]:
    return {record.event.id: (record.end, record.run) for record in world.inbox.events()}


def reason(world: World) -> str | None:
    return world.inbox.events(limit=1)[0].reason


def test_a_burst_starts_one_run_that_names_them_all() -> None:
    """N objects uploaded in a burst start one run, not N; the run's record names all N."""
    world = World()
    world.inbox.accept([event(name) for name in "abc"])
    ended = driven(world)
    assert (ended.outcome, ended.actor, ended.cause) == (Outcome.DEPLOYED, "bucket", "data")
    assert ends(world) == {
        "a": (EventEnd.RAN, ended.id),
        "b": (EventEnd.MERGED, ended.id),
        "c": (EventEnd.MERGED, ended.id),
    }
    assert due(world) is None


def test_events_during_a_run_start_one_more_after_it() -> None:
    world = World()
    world.inbox.accept((event("before"),))
    first = due(world)
    world.inbox.accept((event("one"), event("two")))
    assert isinstance(first, Run)
    assert due(world) == Held(until=None, why=f"run {first.id} is under way; one more follows it")
    drive(first.id, world.workspace, world.ports())
    world.data.rows += 1
    assert driven(world).outcome is Outcome.DEPLOYED
    assert len(world.store.runs(*PLACE)) == 2


def test_a_run_waits_for_quiet_and_starts_when_it_has_come() -> None:
    world = World()
    paced(world, Pace(quiet_for=5 * MINUTE))
    world.inbox.accept((event("a"),))
    held = due(world)
    assert isinstance(held, Held)
    assert held.until == START + 5 * MINUTE
    world.clock.advance(5 * MINUTE)
    assert isinstance(due(world), Run)


def test_a_budget_holds_until_the_next_month_unless_a_person_forces_a_run() -> None:
    world = World()
    paced(world, Pace(), budget=1)
    world.inbox.accept((event("a"),))
    driven(world)
    world.inbox.accept((event("b"),))
    held = due(world)
    assert isinstance(held, Held)
    assert held.why == "the budget of 1 run for November 2026 is used up"
    request(Demand(actor="ada", wish=Wish(force=True)), world.workspace, world.ports())
    assert driven(world).outcome is Outcome.DEPLOYED


def test_a_run_that_learnt_nothing_new_costs_no_budget() -> None:
    world = World()
    paced(world, Pace(), budget=2)
    for name in "abc":
        world.inbox.accept((event(name),))
        driven(world)
    assert Counter(run.outcome for run in world.store.runs(*PLACE)) == {Outcome.DEPLOYED: 1, Outcome.SKIPPED: 2}


def test_data_of_a_rejected_run_counts_for_the_next() -> None:
    """A rejected run does not consume the data."""
    world = World()
    paced(world, Pace(at_least=Amount(files=2)))
    world.mae = 99.0
    world.inbox.accept((event("a"), event("b")))
    assert driven(world).outcome is Outcome.REJECTED
    world.mae = 1.0
    world.inbox.accept((event("c"),))
    world.data.rows += 1
    assert driven(world).outcome is Outcome.DEPLOYED
    world.inbox.accept((event("d"),))
    assert due(world) == Held(until=None, why="1 event of data: 1 of 2 new files are there")


def test_a_paused_model_starts_nothing_and_loses_nothing() -> None:
    world = World()
    world.inbox.accept((event("a"),))
    held = Pause(model="line", environment=None, actor="ada", reason="holiday", since=START)
    pause(held, world.workspace, world.ports())
    assert due(world) == Held(until=None, why="paused by ada: holiday")
    assert resume(None, world.workspace, world.ports())
    assert driven(world).outcome is Outcome.DEPLOYED


def test_a_pause_of_an_environment_that_is_not_there_is_refused() -> None:
    world = World()
    held = Pause(model="line", environment="prodution", actor="ada", reason="x", since=START)
    with pytest.raises(NotFoundError, match="did you mean production"):
        pause(held, world.workspace, world.ports())


def test_the_wishes_of_all_that_joins_are_one() -> None:
    world = World()
    world.inbox.accept(
        (
            event("old", detail={"commit": "aaa", "release": "0.1.0", "force": True}),
            event("new", detail={"commit": "bbb", "hold": True}),
            event("plain"),
        )
    )
    run = due(world)
    assert isinstance(run, Run)
    assert (run.force, run.hold, run.accept_schema) == (True, True, False)
    assert (run.commit, run.release) == ("bbb", None)


def test_a_run_that_is_held_waits_for_a_person_although_the_policy_is_automatic() -> None:
    world = World()
    world.inbox.accept((event("a", detail={"hold": True}),))
    assert driven(world).outcome is Outcome.NEEDS_APPROVAL
    assert world.serving() is None


def test_a_held_run_that_fails_its_gate_is_rejected_all_the_same() -> None:
    world = World()
    world.mae = 99.0
    world.inbox.accept((event("a", detail={"hold": True}),))
    assert driven(world).outcome is Outcome.REJECTED


@pytest.mark.parametrize("kind", ["yes", 1, "true", None])
def test_only_true_is_a_wish(kind: object) -> None:
    """Booleans are parsed strictly: "0", "false" and "False" never mean yes."""
    world = World()
    world.inbox.accept((event("a", detail={"force": kind, "hold": kind, "promote": True, "commit": 7}),))
    run = due(world)
    assert isinstance(run, Run)
    assert (run.force, run.hold, run.promote, run.commit) == (False, False, None, None)


def test_events_of_an_environment_that_is_gone_end_with_that_reason() -> None:
    world = World()
    world.inbox.accept((event("a", "staging"),))
    assert due(world, "staging") is None
    assert ends(world) == {"a": (EventEnd.SKIPPED, None)}
    assert reason(world) == "everfit.yaml has no environment 'staging' any more"


def test_events_that_cannot_be_served_end_with_the_reason_and_once() -> None:
    world = World()
    world.inbox.accept((event("a", "live"),))
    assert due(world, "live") is None
    assert due(world, "live") is None
    assert ends(world) == {"a": (EventEnd.SKIPPED, None)}
    assert str(reason(world)).startswith("There is nothing to promote to live")


def test_events_for_a_backend_that_this_release_cannot_run_end_with_the_reason() -> None:
    world = World()
    elsewhere = replace(world.environment(), backend=Backend.SAGEMAKER)
    project = replace(world.workspace.project, environments={"production": elsewhere})
    world.workspace = replace(world.workspace, project=project)
    world.inbox.accept((event("a"),))
    assert due(world) is None
    assert "this service works with local" in str(reason(world))


def test_a_run_of_the_command_line_takes_along_what_waits() -> None:
    world = World()
    paced(world, Pace(quiet_for=5 * MINUTE))
    world.inbox.accept((event("a"),))
    ended = retrain(Request(environment="production", actor="ada"), world.workspace, world.ports())
    assert (ended.outcome, ended.actor, ended.cause) == (Outcome.DEPLOYED, "ada", "api")
    assert set(ends(world).values()) == {(EventEnd.RAN, ended.id), (EventEnd.MERGED, ended.id)}


def test_a_run_of_the_command_line_that_is_refused_leaves_nothing_waiting() -> None:
    world = World()
    with pytest.raises(RefusedError):
        retrain(Request(environment="live", actor="ada"), world.workspace, world.ports())
    assert list(world.inbox.all_waiting()) == []


class QuickService:
    """An inbox beside which a service starts a run for every event at once."""

    def __init__(self, world: World) -> None:
        self._world = world

    def accept(self, events: Any, marks: Any = None) -> Any:
        known = self._world.inbox.accept(events, marks)
        run = Run(id=RunId("of-the-service"), model="line", environment="production", started=START)
        self._world.inbox.start(run)
        return known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.inbox, name)


def test_a_service_that_is_quicker_takes_the_event_of_the_command_line_along() -> None:
    world = World()
    ports = world.ports(inbox=QuickService(world))
    ended = retrain(Request(environment="production", actor="ada"), world.workspace, ports)
    assert (ended.id, ended.outcome) == ("of-the-service", Outcome.DEPLOYED)
    assert list(ends(world).values()) == [(EventEnd.RAN, "of-the-service")]


def test_the_same_demand_is_the_same_event() -> None:
    world = World()
    demand = Demand(actor="ada", id="monday", reason="new labels")
    first = request(demand, world.workspace, world.ports())
    again = request(replace(demand, reason="another"), world.workspace, world.ports())
    assert (again, first.event.id, first.event.subject) == (first, "api:monday", "new labels")


def test_every_demand_without_an_id_is_an_event_of_its_own() -> None:
    world = World()
    made = {request(Demand(actor="ada"), world.workspace, world.ports()).event.id for _ in range(3)}
    assert len(made) == 3


@pytest.mark.parametrize(
    "demand", [Demand(actor="a", id=""), Demand(actor="a", id="x" * 201), Demand(actor="a", id="\n")]
)
def test_a_demand_with_an_impossible_id_is_refused(demand: Demand) -> None:
    world = World()
    with pytest.raises(RequestError, match="1 to 200 printable characters"):
        request(demand, world.workspace, world.ports())


def test_a_demand_that_says_too_much_is_refused() -> None:
    world = World()
    with pytest.raises(RequestError, match="at most 4,000 characters"):
        request(Demand(actor="ada", reason="x" * 4_001), world.workspace, world.ports())
    with pytest.raises(NotFoundError, match="did you mean production"):
        request(Demand(actor="ada", environment="productoin"), world.workspace, world.ports())


def test_people_are_told_what_waits_for_what() -> None:
    world = World()
    assert (waiting_rows(world.workspace, world.ports()), paused_row("production", world.workspace, world.ports())) == (
        [],
        None,
    )
    paced(world, Pace(quiet_for=5 * MINUTE))
    world.inbox.accept((event("a"), event("b")))
    row = waiting_row("production", world.workspace, world.ports())
    assert row is not None
    assert (row["events"], row["until"]) == (2, (START + 5 * MINUTE).isoformat())
    world.clock.advance(5 * MINUTE)
    assert waiting_rows(world.workspace, world.ports())[0]["waits_for"] == "nothing: a run may start now"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("outcome", [Outcome.DEPLOYED, Outcome.REJECTED])
def test_whatever_call_is_the_last_every_event_ends_once_in_one_run(outcome: Outcome, *, after: bool) -> None:
    """Each accepted trigger has exactly one recorded end, and a killed service starts no run twice."""
    for call in range(1, KILLS):
        world = World()
        world.mae = 1.0 if outcome is Outcome.DEPLOYED else 99.0
        world.inbox.accept((event("a"), event("b")))
        was_killed = world.killed_at(call, after=after, act=lambda: driven(world))  # noqa: B023 - called right here
        went_on(world)
        assert [run.outcome for run in world.store.runs(*PLACE)] == [outcome]
        assert Counter(end for end, _ in ends(world).values()) == {EventEnd.RAN: 1, EventEnd.MERGED: 1}
        if not was_killed:
            return
    raise AssertionError("it was killed at every call")


def went_on(world: World) -> None:
    """Do as a service does that has just started."""
    for run in world.store.open():
        drive(run.id, world.workspace, world.ports())
    if isinstance(due(world), Run):
        went_on(world)
