"""What waits becomes runs when it may, whoever wrote it, and what is held is not looked at for nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from everfit.application.journal import LEASE
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError, StateError
from everfit.domain.inbox import Pause
from everfit.domain.run import Outcome, Run
from everfit.domain.trigger import EventEnd, TriggerEvent, TriggerKind
from everfit.domain.triggers import NewData, Pace
from everfit.interfaces.service.dispatcher import Dispatcher
from everfit.interfaces.service.work import Work
from everfit.interfaces.service.worker import Worker
from tests.fakes import World
from tests.stored import an_approval

PLACE = ("line", "production")
QUIET = timedelta(minutes=5)


class Projects:
    """The projects that are in force."""

    def __init__(self, workspace: Workspace) -> None:
        self.kept = {workspace.model: workspace}
        self.broken: dict[str, str] = {}
        self.elsewhere: set[str] = set()

    def workspaces(self) -> Mapping[str, Workspace]:
        return self.kept

    def is_elsewhere(self, model: str) -> bool:
        return model in self.elsewhere

    def troubles(self) -> Mapping[str, str]:
        return self.broken

    def workspace(self, model: str) -> Workspace:
        if model not in self.kept:
            raise NotFoundError(f"There is no model {model}.")
        return self.kept[model]


class Counting:
    """Counts the calls of a port by name."""

    def __init__(self, port: Any) -> None:
        self.port, self.calls = port, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.port, name)


class Bench:
    """A dispatcher and a worker over a world in memory, both driven by hand."""

    def __init__(self, approval: str = "automatic", pace: Pace | None = None) -> None:
        self.world = World(approval)
        trigger = NewData(key="data", environments=("production",), pace=pace or Pace(), every=timedelta(hours=1))
        project = replace(self.world.workspace.project, triggers=(trigger,))
        self.projects = Projects(replace(self.world.workspace, project=project))
        self.inbox = Counting(self.world.inbox)
        self.ports: Ports = self.world.ports(inbox=self.inbox)
        self.written, self.seconds = 0, 0.0
        self.work = Work(lambda: None, lambda: self.seconds)
        self.dispatcher = Dispatcher(
            self.work,
            cast("Any", self.projects),
            self.ports,
            lambda: self.written,
            is_alone=True,
            seconds=lambda: self.seconds,
        )
        self.worker = Worker("worker-1", self.work, cast("Any", self.projects), self.ports, self.dispatcher.forget)
        self.dispatcher.turn()

    def event(self, name: str) -> None:
        event = TriggerEvent(
            id=name,
            kind=TriggerKind.DATA,
            model="line",
            environment="production",
            actor="x",
            at=self.world.clock.now(),
            trigger="data",
        )
        self.world.inbox.accept([event])
        self.written += 1

    def pass_time(self, time: timedelta) -> None:
        self.world.clock.advance(time)
        self.seconds += time.total_seconds()

    def go(self) -> Run | None:
        """Let everybody take turns until nothing is left to do; return the newest run."""
        self.dispatcher.turn()
        while self.worker.turn() is not None:
            self.dispatcher.turn()
        return next(iter(self.world.store.runs(*PLACE)), None)

    def ends(self) -> list[EventEnd]:
        return [record.end for record in self.world.inbox.events(model="line")][::-1]


def test_an_event_that_another_process_wrote_becomes_a_run_that_is_driven_to_its_end() -> None:
    bench = Bench()
    bench.event("one")
    run = bench.go()
    assert run is not None
    assert (run.outcome, bench.world.serving()) == (Outcome.DEPLOYED, 1)
    assert bench.ends() == [EventEnd.RAN]


def test_what_arrives_during_a_run_starts_one_more_run_after_it() -> None:
    bench = Bench()
    bench.event("one")
    bench.dispatcher.turn()
    bench.event("two")
    bench.event("three")
    bench.go()
    second, first = bench.world.store.runs(*PLACE)
    runs = [record.run for record in bench.world.inbox.events(model="line")][::-1]
    assert runs == [first.id, second.id, second.id]


def test_what_is_held_starts_when_its_time_has_come_and_costs_nothing_before() -> None:
    bench = Bench(pace=Pace(quiet_for=QUIET))
    bench.event("one")
    assert bench.go() is None
    bench.inbox.calls.clear()
    bench.pass_time(QUIET - timedelta(seconds=1))
    assert bench.go() is None
    assert bench.inbox.calls == []
    bench.pass_time(timedelta(seconds=1))
    assert bench.go() is not None


def test_a_look_asks_again_only_about_what_has_changed() -> None:
    bench = Bench(pace=Pace(quiet_for=QUIET))
    bench.event("one")
    bench.go()
    bench.inbox.calls.clear()
    bench.written += 1
    bench.go()
    assert "waiting" not in bench.inbox.calls


def test_a_pause_that_is_taken_back_is_noticed_at_once() -> None:
    bench = Bench()
    now = bench.world.clock.now()
    bench.world.inbox.pause(Pause(model="line", environment=None, actor="ada", reason="holidays", since=now))
    bench.event("one")
    assert bench.go() is None
    bench.world.inbox.resume("line", None)
    bench.written += 1
    assert bench.go() is not None


def test_a_run_whose_owner_was_killed_is_taken_over_at_the_start() -> None:
    bench = Bench()
    bench.event("one")
    bench.dispatcher.turn()
    (run,) = bench.world.store.open()
    bench.world.store.claim(*PLACE, owner="killed", lease=LEASE, run=run.id)
    bench.written += 1
    after = bench.go()
    assert after is not None
    assert after.outcome is Outcome.DEPLOYED


def test_a_run_that_a_living_command_drives_is_left_alone_until_it_is_free() -> None:
    bench = Bench()
    bench.event("one")
    bench.dispatcher.turn()
    (run,) = bench.world.store.open()
    claim = bench.world.store.claim(*PLACE, owner=bench.world.owner, lease=LEASE, run=run.id)
    bench.dispatcher.turn()
    assert bench.worker.turn() == 0
    assert bench.worker.turn() is None
    bench.world.store.release(claim)
    bench.pass_time(timedelta(seconds=1))
    after = bench.go()
    assert after is not None
    assert after.outcome is Outcome.DEPLOYED


def test_a_run_waits_for_a_person_and_goes_on_when_that_one_has_decided() -> None:
    bench = Bench(approval="manual")
    bench.event("one")
    run = bench.go()
    assert run is not None
    assert run.outcome is Outcome.NEEDS_APPROVAL
    bench.written += 1
    bench.dispatcher.turn()
    assert bench.worker.turn() is None
    approve(bench, version=1)
    bench.pass_time(timedelta(seconds=1))
    after = bench.go()
    assert after is not None
    assert (after.outcome, bench.world.serving()) == (Outcome.DEPLOYED, 1)


def approve(bench: Bench, version: int) -> None:
    verdict = bench.world.registry.placement(*PLACE, version).verdict.id
    bench.world.registry.decide(replace(an_approval(version=version, verdict=verdict), model="line"))
    bench.written += 1


def test_a_run_of_a_model_that_is_not_served_waits() -> None:
    bench = Bench()
    bench.event("one")
    bench.dispatcher.turn()
    kept_projects, bench.projects.kept = bench.projects.kept, {}
    bench.written += 1
    bench.dispatcher.turn()
    assert bench.worker.turn() is None
    bench.projects.kept = kept_projects
    bench.dispatcher.forget()
    run = bench.go()
    assert run is not None
    assert run.outcome is Outcome.DEPLOYED


def test_what_waits_for_a_project_that_was_removed_ends_with_that_reason() -> None:
    bench = Bench(pace=Pace(quiet_for=QUIET))
    bench.event("one")
    bench.go()
    bench.projects.kept = {}
    bench.dispatcher.forget()
    bench.go()
    assert bench.ends() == [EventEnd.PENDING]
    bench.pass_time(timedelta(minutes=1))
    bench.go()
    (record,) = bench.world.inbox.events(model="line")
    assert (record.end, record.reason and "no project of the model line" in record.reason) == (EventEnd.SKIPPED, True)


def test_a_run_that_was_left_in_a_project_that_was_removed_ends() -> None:
    bench = Bench()
    bench.event("one")
    bench.dispatcher.turn()
    bench.projects.kept = {}
    bench.dispatcher.forget()
    bench.go()
    bench.pass_time(timedelta(minutes=1))
    run = bench.go()
    assert run is not None
    assert run.outcome is Outcome.FAILED
    assert bench.ends() == [EventEnd.FAILED]


def test_nothing_ends_while_a_project_file_is_broken_that_may_be_the_one() -> None:
    bench = Bench(pace=Pace(quiet_for=QUIET))
    bench.event("one")
    bench.projects.kept, bench.projects.broken = {}, {"somewhere": "broken"}
    bench.dispatcher.forget()
    bench.go()
    bench.pass_time(timedelta(hours=1))
    bench.go()
    assert bench.ends() == [EventEnd.PENDING]


@pytest.mark.parametrize("call", ["all_waiting", "start"])
def test_a_database_that_cannot_be_written_fails_no_run_and_loses_nothing(call: str) -> None:
    bench = Bench()
    failing = Failing(bench.world.inbox, call)
    bench.dispatcher = Dispatcher(
        bench.work, cast("Any", bench.projects), bench.world.ports(inbox=failing), lambda: bench.written
    )
    bench.event("one")
    with pytest.raises(StateError):
        bench.dispatcher.turn()
    failing.is_broken = False
    bench.dispatcher.ask()
    run = bench.go()
    assert run is not None
    assert run.outcome is Outcome.DEPLOYED


class Failing:
    """An inbox of which one call fails while the disk is full."""

    def __init__(self, port: Any, call: str) -> None:
        self._port, self._call, self.is_broken = port, call, True

    def __getattr__(self, name: str) -> Any:
        if name == self._call and self.is_broken:
            raise StateError("The disk is full.")
        return getattr(self._port, name)
