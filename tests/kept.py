"""Run stores whose tests need events and runs without the rules of the inbox: several runs of one place at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.adapters.sql import inbox_rows, run_rows
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.processes import is_gone
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.ports import Clock, Inbox
from everfit.domain.errors import NotFoundError
from everfit.domain.run import Run, check_queued
from everfit.domain.trigger import EventRecord, TriggerEvent

ALL = 10_000


def events_of(inbox: Inbox, model: str, environment: str) -> Sequence[EventRecord]:
    """Return the events of a place, oldest first; only their order says something, not their numbers."""
    found = inbox.events(model=model, environment=environment, limit=ALL)
    return [replace(record, place=0) for record in found[::-1]]


class SqlKept(SqlRunStore):
    """A run store in SQL with its inbox."""

    def __init__(self, database: Database, clock: Clock, is_dead: Callable[[str], bool] = is_gone) -> None:
        super().__init__(database, clock, is_dead)
        self.inbox = SqlInbox(database, clock)

    def accept(self, event: TriggerEvent) -> bool:
        return self.inbox.accept((event,))[0]

    def events(self, model: str, environment: str) -> Sequence[EventRecord]:
        return events_of(self.inbox, model, environment)

    def begin(self, run: Run) -> Run:
        check_queued(run)
        with self._database.transaction() as rows:
            before = run_rows.run_of(rows, run.id)
            if before is None:
                run_rows.add_run(rows, run)
                inbox_rows.join(rows, run, None)
        return before or run


class MemoryKept(MemoryRunStore):
    """A run store in memory with its inbox."""

    def __init__(self, clock: Clock, is_dead: Callable[[str], bool] = str.isspace) -> None:
        super().__init__(clock, is_dead)
        self.inbox = MemoryInbox(self, clock)

    def accept(self, event: TriggerEvent) -> bool:
        return self.inbox.accept((event,))[0]

    def events(self, model: str, environment: str) -> Sequence[EventRecord]:
        return events_of(self.inbox, model, environment)

    def begin(self, run: Run) -> Run:
        check_queued(run)
        try:
            return self.run(run.id)
        except NotFoundError:
            self.add(run)
            self.inbox.join(run, None)
            return run


Kept = SqlKept | MemoryKept
