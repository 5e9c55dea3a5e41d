"""The three promises, whatever people and services do, whenever a process is killed, and wherever one is stopped."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everfit.application.approvals import expire_approvals
from everfit.application.dispatch import dispatch
from everfit.application.journal import drive
from everfit.application.owed import FOUND
from everfit.application.ports import Ports
from everfit.application.releases import Decision, decide, keep, roll_back
from everfit.application.retraining import Request, is_decided, retrain
from everfit.application.triggering import Demand, cancel, pause, request, resume
from everfit.domain.errors import EverfitError
from everfit.domain.inbox import Pause
from everfit.domain.run import Outcome, RunId, RunState
from everfit.domain.trigger import EventEnd, Wish
from everfit.domain.version import Standing, release
from tests.fakes import World
from tests.kept import events_of
from tests.stored import START

PLACES = {"production": "line", "live": "line-live"}
STARTER, OTHER = "ada", "grace"
SHORT, LONG = timedelta(seconds=1), timedelta(minutes=5)
places = some.sampled_from(sorted(PLACES))
OTHERS = ("serve", "serve", "run", "go_back", "go_back", "cancel", "approve", "reject", "trigger")


@dataclass(frozen=True)
class Trouble:
    """What happens to a process at one of its calls.

    Args:
        meanwhile: what another process does while this one is stopped; None means that this one is killed.
        pause: longer than a lease lasts, or not.
    """

    call: int
    after: bool
    meanwhile: str | None = None
    pause: timedelta = SHORT


def troubles(most: int) -> some.SearchStrategy[Trouble | None]:
    # Before a run is written, and around the deployment, is where two can meet.
    calls = some.integers(1, 15) | some.integers(most * 5 // 6, most) | some.integers(1, most)
    killed = some.builds(Trouble, calls, some.booleans())
    stopped = some.builds(Trouble, calls, some.booleans(), some.sampled_from(OTHERS), some.sampled_from([SHORT, LONG]))
    return some.none() | killed | stopped


class Promises(RuleBasedStateMachine):
    """A service, a command line and an API beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.is_settled = True
        self.asked: dict[tuple[str, str], bool] = {}
        self.ends: dict[str, tuple[EventEnd, str | None]] = {}

    @initialize(approval=some.sampled_from(["automatic", "manual"]))
    def begin(self, approval: str) -> None:
        world = self.world = self.a_world(approval)
        environments = dict(world.workspace.project.environments)
        policy = replace(environments["production"].approval, four_eyes=True, expires=timedelta(days=2))
        environments["production"] = replace(environments["production"], approval=policy)
        project = replace(world.workspace.project, environments=environments)
        world.workspace = replace(world.workspace, project=project)
        for _ in range(2):
            world.data.rows += 1
            self.act(None, self.do_run)

    def a_world(self, approval: str) -> World:
        return World(approval)

    # What processes do

    def act(self, trouble: Trouble | None, do: Callable[[], object]) -> None:
        world, trouble = self.world, trouble or Trouble(10_000, after=False)
        with suppress(EverfitError):
            if trouble.meanwhile is None:
                killed = world.killed_at(trouble.call, after=trouble.after, act=do)
                self.is_settled = self.is_settled and not killed
                return
            # Whoever wakes up finds that it was overtaken, and leaves the rest to whoever overtook it.
            self.is_settled = False
            world.stopped_at(
                trouble.call, after=trouble.after, act=do, meanwhile=lambda: self.other(str(trouble.meanwhile), trouble)
            )

    def other(self, name: str, trouble: Trouble) -> None:
        self.world.clock.advance(trouble.pause)
        acts: dict[str, Callable[[], object]] = {
            "serve": self.do_serve,
            "run": self.do_run,
            "go_back": self.do_go_back,
            "cancel": self.do_cancel,
            "approve": lambda: self.do_decide(approved=True),
            "reject": lambda: self.do_decide(approved=False),
            "trigger": lambda: self.do_trigger(Wish(hold=True)),
        }
        with suppress(EverfitError):
            acts[name]()

    def do_run(self, place: str = "production", *, force: bool = False) -> None:
        asked = Request(environment=place, actor=STARTER, force=force)
        retrain(asked, self.world.workspace, self.world.ports())

    def do_trigger(self, wish: Wish, place: str = "production", name: str | None = None) -> None:
        demand = Demand(actor=STARTER, id=name, environment=place, wish=wish)
        record = request(demand, self.world.workspace, self.world.ports())
        self.asked.setdefault((place, record.event.id), wish.hold)

    def do_serve(self) -> None:
        """What a service does in one look: start what may start, and go on with what can go on."""
        world, ports = self.world, self.world.ports()
        for waiting in ports.inbox.all_waiting():
            dispatch(waiting.model, waiting.environment, world.workspace, ports)
        for run in ports.store.open():
            if run.outcome is not Outcome.NEEDS_APPROVAL or is_decided(run, ports):
                with suppress(EverfitError):
                    drive(run.id, world.workspace, ports)

    def do_decide(self, *, approved: bool, index: int = 0, actor: str = OTHER, by_hand: bool = False) -> None:
        world, place, ports = self.world, self.world.environment(), self.world.ports()
        found = [one for one in ports.registry.placements("line", place.name) if one.standing is Standing.PENDING]
        if found:
            version = found[index % len(found)].version
            decision = Decision(version=version, approved=approved, actor=actor, reason="so")
            (decide if by_hand else keep)(decision, place, world.workspace, ports)

    def do_cancel(self, index: int = 0) -> None:
        ports: Ports = self.world.ports()
        found = ports.store.open()
        if found:
            cancel(found[index % len(found)].id, OTHER, "wrong", ports)

    def do_go_back(self, place: str = "production") -> None:
        roll_back(self.world.environment(place), self.world.workspace, self.world.ports(), actor=OTHER)

    # What happens

    @rule(place=places, mae=some.sampled_from([1.0, 4.9, 9.0, None]), trouble=troubles(120))
    def run(self, place: str, mae: float | None, trouble: Trouble | None) -> None:
        self.world.mae = mae
        self.world.data.rows += 1
        self.act(trouble, lambda: self.do_run(place))

    @rule(place=places, hold=some.booleans(), force=some.booleans(), name=some.none() | some.sampled_from("abc"))
    def trigger(self, place: str, hold: bool, force: bool, name: str | None) -> None:
        self.world.data.rows += 1
        self.act(None, lambda: self.do_trigger(Wish(hold=hold, force=force), place, name))

    @rule(mae=some.sampled_from([1.0, 9.0]), trouble=troubles(150))
    def serve(self, mae: float, trouble: Trouble | None) -> None:
        self.world.mae = mae
        self.act(trouble, self.do_serve)

    @rule(
        approved=some.booleans(),
        index=some.integers(0, 2),
        actor=some.sampled_from([STARTER, OTHER, OTHER]),
        by_hand=some.booleans(),
        trouble=troubles(60),
    )
    def decide(self, approved: bool, index: int, actor: str, by_hand: bool, trouble: Trouble | None) -> None:
        self.act(trouble, lambda: self.do_decide(approved=approved, index=index, actor=actor, by_hand=by_hand))

    @rule(index=some.integers(0, 2))
    def cancel(self, index: int) -> None:
        self.act(None, lambda: self.do_cancel(index))

    @rule(place=places, trouble=troubles(30))
    def go_back(self, place: str, trouble: Trouble | None) -> None:
        self.act(trouble, lambda: self.do_go_back(place))

    @rule(place=some.none() | places)
    def pause_and_serve(self, place: str | None) -> None:
        world = self.world
        held = Pause(model="line", environment=place, actor=OTHER, reason="so", since=START)
        pause(held, world.workspace, world.ports())
        before = {run.id for run in world.store.runs()}
        self.act(None, self.do_serve)
        assert not [run for run in world.store.runs() if run.id not in before and place in (None, run.environment)]
        resume(place, world.workspace, world.ports())

    @rule(days=some.sampled_from([1, 3]))
    def wait(self, days: int) -> None:
        self.world.clock.advance(timedelta(days=days))
        self.act(None, lambda: expire_approvals({"line": self.world.workspace}, self.world.ports()))

    @precondition(lambda self: not self.is_settled)
    @rule()
    def settle(self) -> None:
        """The next commands that change something, undisturbed, settle what is owed."""
        self.do_settle()

    def teardown(self) -> None:
        self.do_settle()

    def do_settle(self) -> None:
        world = self.world
        world.mae = 9.0
        for place, endpoint in PLACES.items():
            for _ in range(8):
                with suppress(EverfitError):
                    self.do_run(place, force=True)
                with suppress(EverfitError):
                    self.do_serve()
            assert world.serving(endpoint) == world.registry.champion("line", place)
            assert world.store.unfinished("line", place) is None
        assert not world.inbox.all_waiting()
        self.is_settled = True

    # What holds all the time

    @invariant()
    def one_champion_and_only_what_passed_has_weight(self) -> None:
        world = self.world
        for place, endpoint in PLACES.items():
            placements = {one.version: one for one in world.registry.placements("line", place)}
            standing = [one.version for one in placements.values() if one.standing is Standing.SERVING]
            champion = world.registry.champion("line", place)
            assert standing == ([] if champion is None else [champion])
            serving = world.serving(endpoint)
            if serving is not None:
                version = world.registry.version("line", serving)
                release(version, placements[serving])
                world.artifacts.verify(version.artifact)
            if self.is_settled:
                assert serving == champion

    @invariant()
    def every_event_ends_with_its_run_and_not_before(self) -> None:
        for place in PLACES:
            found = events_of(self.world.inbox, "line", place)
            assert {name for where, name in self.asked if where == place} <= {one.event.id for one in found}
            for one in found:
                run = None if one.run is None else self.world.store.run(RunId(one.run))
                has_ended = one.end is EventEnd.SKIPPED if run is None else run.state is RunState.ENDED
                assert (one.end is EventEnd.PENDING) is not has_ended
                if has_ended:
                    key = f"{place} {one.event.id}"
                    assert self.ends.setdefault(key, (one.end, one.run)) == (one.end, one.run)
                    assert one.reason

    @invariant()
    def no_run_is_without_an_event_and_one_is_under_way_in_a_place(self) -> None:
        world = self.world
        for run in world.store.runs(limit=1_000):
            assert world.inbox.events(run=run.id), run
        for place in PLACES:
            # One that has waited for a person may be gone on with while another one waits for its turn.
            going = [run for run in world.store.open() if run.environment == place and run.outcome is None]
            assert (
                len([run for run in going if "approve" not in {step.name for step in world.store.steps(run.id)}]) <= 1
            )

    @invariant()
    def who_asked_for_a_person_gets_one_and_never_is_that_person(self) -> None:
        world = self.world
        for run in world.store.runs(limit=1_000):
            events = world.inbox.events(run=run.id)
            assert run.hold is any(one.event.detail.get("hold") is True for one in events)
            if run.hold and run.outcome is Outcome.DEPLOYED:
                gate: Any = {step.name: step.result for step in world.store.steps(run.id)}["gate"]
                assert gate["verdict"]["outcome"] == "needs approval"
        for placement in world.registry.placements("line", "production"):
            approval = placement.approval
            assert approval is None or not approval.approved or approval.actor != STARTER

    @invariant()
    def a_run_deploys_once_and_never_when_it_was_cancelled(self) -> None:
        world = self.world
        for place in PLACES:
            history = [one for one in world.registry.history("line", place) if not one.is_rollback and one.run]
            deployed = [one.run for one in history if one.reason != FOUND]
            assert len(deployed) == len(set(deployed))
            for name in deployed:
                assert world.store.run(RunId(str(name))).outcome is not Outcome.CANCELLED


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
