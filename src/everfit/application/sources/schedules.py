"""Fires schedules: each tick once, through restarts, kills and jumps of the clock.

What is remembered of a line is the newest tick that was dealt with; it is written in the transaction that accepts the
event. A line that is seen for the first time, because it was written or edited, fires nothing for what has passed.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from everfit.application.ports import Inbox, Mark, Outbox
from everfit.application.workspace import Workspace
from everfit.domain.errors import EverfitError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.schedule import MOST_COUNTED, Missed, Timetable, times_of
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import Schedule

PREFIX: Final = "schedule:"
IDLE: Final = timedelta(hours=1)
"""A look is due after this time in any case, since the clock may be put forward."""
AHEAD: Final = timedelta(days=2)
"""What was dealt with cannot lie further in the future: the clock was wrong at that time."""
BATCH: Final = 200
"""Events that are accepted in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A schedule in one environment; ``last`` is the newest tick that was dealt with, or when it was first seen."""

    mark: str
    model: str
    environment: str
    trigger: Schedule
    timetable: Timetable
    last: datetime


class ScheduleSource:
    """Fires the schedules of all projects.

    Args:
        zone: gives the time zone of a name.
    """

    def __init__(self, inbox: Inbox, outbox: Outbox, zone: Callable[[str], tzinfo]) -> None:
        self._inbox, self._outbox, self._zone = inbox, outbox, zone
        self._workspaces: tuple[Workspace, ...] = ()
        self._lines: dict[str, _Line] = {}
        self._dues: list[tuple[datetime, str]] = []
        self._is_stale = True
        self._looked: datetime | None = None

    def keep(self, workspaces: Sequence[Workspace]) -> None:
        self._workspaces = tuple(workspaces)
        self._is_stale = True

    def look(self, now: datetime) -> datetime:
        if self._is_stale or (self._looked is not None and now < self._looked - AHEAD):
            self._gather(now)
        self._looked = now
        while batch := self._due(now):
            self._fire(batch, now)
        return min(self._dues[0][0], now + IDLE) if self._dues else now + IDLE

    def _gather(self, now: datetime) -> None:
        """Read anew what the projects wait for and what is remembered of it."""
        marks = self._inbox.marks(PREFIX)
        found = [self._line(*each, marks, now) for each in _schedules(self._workspaces)]
        self._lines = {line.mark: line for line in found if line is not None}
        unseen = [line for line in self._lines.values() if _remembered(marks.get(line.mark), now) is None]
        for batch in _batches(unseen):
            self._inbox.accept((), {line.mark: _mark(line) for line in batch})
        self._forget(marks)
        self._dues = []
        for line in self._lines.values():
            self._wait(line, now)
        # A line that could not be read, for want of its time zone, is tried again at the next look.
        self._is_stale = None in found

    def _line(
        self, workspace: Workspace, trigger: Schedule, environment: str, marks: Mapping[str, Mark], now: datetime
    ) -> _Line | None:
        key = f"{PREFIX}{workspace.model}:{environment}:{trigger.key}"
        first, last = _remembered(marks.get(key), now) or (now.replace(microsecond=0), now)
        try:
            zone = self._zone(trigger.timezone)
        except EverfitError as error:
            self._tell(workspace.model, environment, f"{key}:{now.date()}", str(error), now)
            return None
        return _Line(
            mark=key,
            model=workspace.model,
            environment=environment,
            trigger=trigger,
            timetable=Timetable(times=times_of(trigger.expression), zone=zone, anchor=first),
            last=last,
        )

    def _forget(self, marks: Iterable[str]) -> None:
        """Forget lines that were edited away; other projects may be away for a while, or another service's."""
        models = {workspace.model for workspace in self._workspaces}
        for key in marks:
            if key not in self._lines and key.split(":")[1] in models:
                self._inbox.forget_mark(key)

    def _wait(self, line: _Line, now: datetime) -> None:
        tick = line.timetable.next_after(line.last)
        if tick is not None:
            heapq.heappush(self._dues, (tick, line.mark))
            return
        words = f"The schedule {line.trigger.expression} has ended: it names no time to come."
        self._tell(line.model, line.environment, f"{line.mark}:ended", words, now)

    def _due(self, now: datetime) -> list[_Line]:
        found: list[_Line] = []
        while self._dues and self._dues[0][0] <= now and len(found) < BATCH:
            found.append(self._lines[heapq.heappop(self._dues)[1]])
        return found

    def _fire(self, lines: Sequence[_Line], now: datetime) -> None:
        # Until all of it is written, what is known here may differ from what is remembered.
        was_stale, self._is_stale = self._is_stale, True
        fired = [(line, missed) for line in lines if (missed := line.timetable.missed(line.last, now)) is not None]
        later = [replace(line, last=missed.newest) for line, missed in fired]
        self._inbox.accept([_event(line, missed) for line, missed in fired], {line.mark: _mark(line) for line in later})
        for line in later:
            self._lines[line.mark] = line
            self._wait(line, now)
        self._is_stale = was_stale

    def _tell(self, model: str, environment: str, cause: str, words: str, now: datetime) -> None:
        self._outbox.note(
            Notice(
                id=f"{NoticeKind.TROUBLE.value}:{cause}",
                kind=NoticeKind.TROUBLE,
                model=model,
                environment=environment,
                run=None,
                cause=cause,
                at=now,
                facts={"reason": words, "part": "schedule"},
            )
        )


def _schedules(workspaces: Iterable[Workspace]) -> Iterator[tuple[Workspace, Schedule, str]]:
    for workspace in workspaces:
        for trigger in workspace.project.triggers:
            if isinstance(trigger, Schedule):
                yield from ((workspace, trigger, environment) for environment in trigger.environments)


def _event(line: _Line, missed: Missed) -> TriggerEvent:
    trigger, tick = line.trigger, missed.newest
    subject = f"{trigger.expression} ({trigger.timezone}), due {tick.astimezone(line.timetable.zone):%Y-%m-%d %H:%M}"
    if missed.count > 1:
        more = " or more" if missed.count == MOST_COUNTED else ""
        subject += f"; {missed.count - 1}{more} missed before it"
    return TriggerEvent(
        id=f"{trigger.key}:{tick.astimezone(UTC).isoformat()}",
        kind=TriggerKind.SCHEDULE,
        model=line.model,
        environment=line.environment,
        actor="schedule",
        at=tick,
        trigger=trigger.key,
        subject=subject,
        detail={"tick": tick.isoformat(), "missed": missed.count - 1},
    )


def _mark(line: _Line) -> Mark:
    return {"first": line.timetable.anchor.isoformat(), "last": line.last.isoformat()}


def _remembered(mark: Mark | None, now: datetime) -> tuple[datetime, datetime] | None:
    """Return when the line was first seen and what was dealt with last; None when that is of no use."""
    if mark is None:
        return None
    try:
        first, last = (datetime.fromisoformat(str(mark.get(name))) for name in ("first", "last"))
    except ValueError:
        return None
    return (first, last) if first.tzinfo and last.tzinfo and last <= now + AHEAD else None


def _batches(lines: Sequence[_Line]) -> Iterator[Sequence[_Line]]:
    return (lines[start : start + BATCH] for start in range(0, len(lines), BATCH))
