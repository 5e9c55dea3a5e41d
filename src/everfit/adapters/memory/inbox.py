"""The inbox in memory, by the same rules as the one in SQL."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports import Clock, Mark
from everfit.domain.errors import BusyError, NotFoundError
from everfit.domain.inbox import Backlog, Pause, Waiting, gone
from everfit.domain.notice import Notice, paused, resumed
from everfit.domain.run import Outcome, Run, RunId, RunState, check_queued
from everfit.domain.trigger import Amount, EventEnd, EventRecord, TriggerEvent, consumes, end_of_event

Known = tuple[str, str, str]
"""Model, environment and id: what tells one event from another."""
UNCOUNTED = (Outcome.SKIPPED, Outcome.CANCELLED)


class MemoryInbox:
    """Implements ``Inbox`` for tests and dry runs."""

    def __init__(self, store: MemoryRunStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # One lock for both, as a database has one: a run and its events change together.
        self._turn = store.turn
        self._events: dict[Known, EventRecord] = {}
        self._marks: dict[str, Mark] = {}
        self._pauses: dict[tuple[str, str | None], Pause] = {}
        self._unconsumed: dict[RunId, Amount] = {}
        self._places = 0
        store.on_settled.append(self._settle)
        self.on_notice: list[Callable[[Notice], object]] = []

    def accept(self, events: Sequence[TriggerEvent], marks: Mapping[str, Mark] | None = None) -> Sequence[bool]:
        # What a database cannot hold is refused before anything is kept.
        json.dumps([dict(event.detail) for event in events])
        with self._turn:
            self._marks.update(marks or {})
            return [self._add(event, EventEnd.PENDING, None) for event in events]

    def marks(self, prefix: str) -> Mapping[str, Mark]:
        with self._turn:
            return {key: mark for key, mark in sorted(self._marks.items()) if key.startswith(prefix)}

    def forget_mark(self, key: str) -> None:
        with self._turn:
            self._marks.pop(key, None)

    def waiting(self, model: str, environment: str) -> Waiting:
        with self._turn:
            backlogs: dict[str, Backlog] = {}
            for record in self._waiting_in(model, environment):
                event, key = record.event, record.event.trigger or record.event.kind.value
                accepted = record.accepted or event.at
                one = Backlog(
                    kind=event.kind,
                    trigger=event.trigger,
                    count=1,
                    first=accepted,
                    last=accepted,
                    amount=event.amount,
                )
                backlogs[key] = one if key not in backlogs else _added(backlogs[key], one)
            unconsumed = sum((self._unconsumed[run.id] for run in self._started(model, environment)), Amount())
            return Waiting(model=model, environment=environment, backlogs=backlogs, unconsumed=unconsumed)

    def all_waiting(self) -> Sequence[Waiting]:
        with self._turn:
            waiting = [one for one in self._events.values() if _waits(one)]
            places = dict.fromkeys((one.event.model, one.event.environment) for one in waiting)
            return [self.waiting(*place) for place in places]

    def start(self, run: Run, seen: int | None = None) -> Run:
        check_queued(run)
        with self._turn:
            before = next((one for one in self._store.all_runs() if one.id == run.id), None)
            if before is not None:
                return before
            other = self._store.unfinished(run.model, run.environment)
            if other is not None:
                raise BusyError(f"Run {other.id} of {run.model} in {run.environment} has not ended.")
            if seen is not None and not self._waiting_in(run.model, run.environment, seen):
                raise gone(run)
            self._store.add(run)
            self.join(run, seen)
            return run

    def join(self, run: Run, seen: int | None) -> None:
        """Have the events that wait join the run, up to the place *seen*."""
        with self._turn:
            amount = Amount()
            for before in self._started(run.model, run.environment):
                if before.state is RunState.ENDED:
                    amount += self._unconsumed.pop(before.id)
            for record in self._waiting_in(run.model, run.environment, seen):
                amount += record.event.amount
                self._keep(replace(record, run=run.id))
            if amount != Amount():
                self._unconsumed[run.id] = amount

    def skip(self, model: str, environment: str, reason: str, seen: int | None = None) -> int:
        with self._turn:
            found = self._waiting_in(model, environment, seen)
            for record in found:
                self._keep(replace(record, end=EventEnd.SKIPPED, reason=reason, ended=self._clock.now()))
            return len(found)

    def refuse(self, event: TriggerEvent, reason: str) -> bool:
        with self._turn:
            return self._add(event, EventEnd.SKIPPED, reason)

    def event(self, model: str, environment: str, event: str) -> EventRecord:
        with self._turn:
            found = self._events.get((model, environment, event))
        if found is None:
            raise NotFoundError(f"{model} in {environment} has accepted no trigger event {event!r}.")
        return found

    def joining(
        self, model: str, environment: str, *, before: int | None = None, limit: int = 1_000
    ) -> Sequence[EventRecord]:
        with self._turn:
            found = self._waiting_in(model, environment, None if before is None else before - 1)
            return found[::-1][:limit]

    def events(
        self,
        *,
        model: str | None = None,
        environment: str | None = None,
        end: EventEnd | None = None,
        run: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[EventRecord]:
        with self._turn:
            found = [
                one
                for one in reversed(self._events.values())
                if model in (None, one.event.model)
                and environment in (None, one.event.environment)
                and end in (None, one.end)
                and run in (None, one.run)
                and (before is None or one.place < before)
            ]
            return found[:limit]

    def started_since(self, model: str, environment: str, since: datetime) -> int:
        return len([run for run in self._counted(model, environment) if run.started >= since])

    def last_started(self, model: str, environment: str) -> datetime | None:
        return max((run.started for run in self._counted(model, environment)), default=None)

    def pause(self, pause: Pause) -> None:
        with self._turn:
            self._pauses[pause.model, pause.environment] = pause
            self._tell(paused(pause))

    def resume(self, model: str, environment: str | None) -> bool:
        with self._turn:
            is_over = self._pauses.pop((model, environment), None) is not None
            if is_over:
                self._tell(resumed(model, environment, self._clock.now()))
            return is_over

    def pauses(self) -> Sequence[Pause]:
        with self._turn:
            return sorted(self._pauses.values(), key=lambda pause: (pause.model, pause.environment or ""))

    def _tell(self, notice: Notice) -> None:
        for told in self.on_notice:
            told(notice)

    def archive(self, ended_before: datetime, limit: int = 10_000) -> Sequence[EventRecord]:
        with self._turn:
            over = [one for one in self._events.values() if one.ended is not None and one.ended < ended_before]
            return sorted(over, key=_order)[:limit]

    def drop(self, up_to: EventRecord) -> int:
        with self._turn:
            over = {known for known, one in self._events.items() if one.ended and _order(one) <= _order(up_to)}
            self._events = {known: one for known, one in self._events.items() if known not in over}
            return len(over)

    def _add(self, event: TriggerEvent, end: EventEnd, reason: str | None) -> bool:
        known = (event.model, event.environment, event.id)
        if known in self._events:
            return False
        self._places += 1
        now = self._clock.now()
        ended = None if end is EventEnd.PENDING else now
        self._events[known] = EventRecord(
            event=event, end=end, reason=reason, place=self._places, accepted=now, ended=ended
        )
        return True

    def _waiting_in(self, model: str, environment: str, seen: int | None = None) -> Sequence[EventRecord]:
        here = [
            one for one in self._events.values() if (one.event.model, one.event.environment) == (model, environment)
        ]
        return [one for one in here if _waits(one) and (seen is None or one.place <= seen)]

    def _keep(self, record: EventRecord) -> None:
        self._events[record.event.model, record.event.environment, record.event.id] = record

    def _started(self, model: str, environment: str) -> Sequence[Run]:
        """Return the runs that unconsumed data is kept of, oldest first."""
        runs = [run for run in self._store.all_runs() if run.id in self._unconsumed]
        return [run for run in runs if (run.model, run.environment) == (model, environment)]

    def _counted(self, model: str, environment: str) -> Sequence[Run]:
        runs = [one for one in self._store.all_runs() if (one.model, one.environment) == (model, environment)]
        return [run for run in runs if run.outcome not in UNCOUNTED]

    def _settle(self, run: Run) -> None:
        outcome = run.outcome
        if outcome is None:
            return
        if run.state is RunState.ENDED:
            joined = [one for one in self._events.values() if one.run == run.id]
            for index, record in enumerate(joined):
                end = end_of_event(outcome, is_first=index == 0)
                self._keep(replace(record, end=end, reason=run.reason, ended=run.ended))
        if consumes(outcome):
            started = [one.id for one in self._store.all_runs()]
            for older in started[: started.index(run.id) + 1]:
                if self._is_here(older, run):
                    self._unconsumed.pop(older, None)

    def _is_here(self, older: RunId, run: Run) -> bool:
        found = self._store.run(older)
        return (found.model, found.environment) == (run.model, run.environment)


def _waits(record: EventRecord) -> bool:
    return record.run is None and record.end is EventEnd.PENDING


def _added(sum_: Backlog, one: Backlog) -> Backlog:
    return replace(sum_, count=sum_.count + 1, last=one.last, amount=sum_.amount + one.amount)


def _order(record: EventRecord) -> tuple[datetime, int]:
    return record.ended or datetime.max.replace(tzinfo=UTC), record.place
