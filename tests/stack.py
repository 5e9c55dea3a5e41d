"""A world in which nothing stays running: passes, executions and calls are made by the test."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from everfit.adapters.memory.executions import MemoryExecutions
from everfit.application.chores import Ticked, tick
from everfit.application.kept import Kept, alone, beside
from everfit.application.loop import LOOP
from everfit.application.ports import Source
from everfit.application.serverless import Answer, Taken, take
from everfit.application.sources.own_marks import OwnMarks
from everfit.application.sources.schedules import ScheduleSource
from everfit.application.triggering import Demand, request
from everfit.application.workspace import Workspace
from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.run import RunId
from everfit.domain.triggers import Schedule
from tests.fakes import World

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SLACK = Channel(key="slack", kind=ChannelKind.SLACK, address="https://hooks.example/s3cret")
WEEKLY = "0 0 * * SAT"


class Breaking:
    """A source of events that cannot look."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def keep(self, workspaces: Sequence[Workspace]) -> None:
        del workspaces

    def look(self, now: datetime) -> datetime:
        del now
        raise self._error


class Stack(World):
    """A world in which nothing stays running: a pass each minute, and executions that call the steps."""

    def __init__(self, approval: str = "automatic") -> None:
        super().__init__(approval)
        self.change(alerts=(SLACK,), no_success_for=9 * DAY)
        self.executions = MemoryExecutions(self.clock)
        self.sources: dict[str, Source] = {}

    def change(self, **project: Any) -> None:
        self.workspace = replace(self.workspace, project=replace(self.workspace.project, **project))

    def kept(self, environment: str = "production", **ports: Any) -> Kept:
        place = self.environment(environment)
        return Kept(
            workspace=alone(self.workspace, place),
            whole=beside(self.workspace, place),
            environment=environment,
            ports=self.ports(**ports),
            sources=self.sources,
            executions=self.executions,
        )

    def schedules(self, expression: str = WEEKLY) -> None:
        trigger = Schedule(key=f"schedule:{expression}@UTC", environments=("production", "live"), expression=expression)
        self.change(triggers=(trigger,))
        self.sources["schedules"] = self.schedule_source("production")

    def schedule_source(self, environment: str) -> ScheduleSource:
        own = cast("Any", OwnMarks(self.inbox, "line", environment))
        source = ScheduleSource(own, self.outbox, ZoneInfo)
        source.keep((alone(self.workspace, self.environment(environment)),))
        return source

    def tick(self, after: timedelta = MINUTE, environment: str = "production", **ports: Any) -> Ticked:
        """One pass, by a process of its own."""
        self.clock.advance(after)
        self.lives += 1
        return tick(self.kept(environment, **ports), self.clock.now())

    def trigger(self, name: str) -> None:
        demand = Demand(actor="ada", id=name, environment="production")
        request(demand, self.workspace, self.ports())

    def go(self) -> None:
        """Let each execution that goes on come to its end."""
        for run, _ in self.executions.started:
            newest = self.executions.newest(run)
            if newest is not None and newest.ended is None:
                self.walk(run)
                self.executions.end(run)

    def walk(self, run: RunId) -> Taken:
        """Do what one execution does."""
        taken = Taken(answer=Answer.DONE)
        for step in LOOP:
            while True:
                self.lives += 1
                taken = take(run, step.name, self.workspace, self.ports())
                if taken.answer is not Answer.WAITS:
                    break
                self.clock.advance(timedelta(seconds=taken.seconds))
            if taken.answer is not Answer.DONE:
                return taken
        return taken

    def told(self) -> list[str]:
        return [letter.message.subject.partition(": ")[2] for letter in self.channels.sent]
