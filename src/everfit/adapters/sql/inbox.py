"""The inbox in SQL, in the same database as the runs: an event and the run it joins change in one transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from everfit.adapters.sql import inbox_rows, outbox_rows, run_rows
from everfit.adapters.sql.database import Database
from everfit.application.ports import Clock, Mark
from everfit.domain.errors import BusyError, NotFoundError
from everfit.domain.inbox import Pause, Waiting, gone
from everfit.domain.notice import paused, resumed
from everfit.domain.record import instant
from everfit.domain.run import Run, check_queued
from everfit.domain.trigger import EventEnd, EventRecord, TriggerEvent

EVERYWHERE: Final = ""
"""Stands in the row of a pause for every environment; no environment has that name."""


class SqlInbox:
    """Implements ``Inbox``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def accept(self, events: Sequence[TriggerEvent], marks: Mapping[str, Mark] | None = None) -> Sequence[bool]:
        with self._database.transaction() as rows:
            now = self._clock.now()
            for key, mark in (marks or {}).items():
                rows.write(
                    "insert into mark (key, value) values (:key, :value)"
                    " on conflict (key) do update set value = excluded.value",
                    {"key": key, "value": json.dumps(dict(mark))},
                )
            return [inbox_rows.add_event(rows, event, now) for event in events]

    def marks(self, prefix: str) -> Mapping[str, Mark]:
        with self._database.reading() as rows:
            found = rows.all(
                "select key, value from mark where key >= :prefix and key < :after order by key",
                {"prefix": prefix, "after": prefix + "\U0010ffff"},
            )
            return {row["key"]: cast("dict[str, Any]", json.loads(row["value"])) for row in found}

    def forget_mark(self, key: str) -> None:
        with self._database.transaction() as rows:
            rows.write("delete from mark where key = :key", {"key": key})

    def waiting(self, model: str, environment: str) -> Waiting:
        with self._database.reading() as rows:
            return inbox_rows.waiting_of(rows, model, environment)

    def all_waiting(self) -> Sequence[Waiting]:
        with self._database.reading() as rows:
            return inbox_rows.all_waiting(rows)

    def start(self, run: Run, seen: int | None = None) -> Run:
        check_queued(run)
        with self._database.transaction() as rows:
            before = run_rows.run_of(rows, run.id)
            if before is not None:
                return before
            other = run_rows.unfinished_run(rows, run.model, run.environment)
            if other is not None:
                raise BusyError(f"Run {other.id} of {run.model} in {run.environment} has not ended.")
            run_rows.add_run(rows, run)
            if inbox_rows.join(rows, run, seen) == 0 and seen is not None:
                raise gone(run)
            return run

    def skip(self, model: str, environment: str, reason: str, seen: int | None = None) -> int:
        with self._database.transaction() as rows:
            return inbox_rows.end_waiting(rows, model, environment, reason, self._clock.now(), seen)

    def refuse(self, event: TriggerEvent, reason: str) -> bool:
        with self._database.transaction() as rows:
            return inbox_rows.add_event(rows, event, self._clock.now(), EventEnd.SKIPPED, reason)

    def event(self, model: str, environment: str, event: str) -> EventRecord:
        with self._database.reading() as rows:
            found = inbox_rows.event_of(rows, model, environment, event)
        if found is None:
            raise NotFoundError(f"{model} in {environment} has accepted no trigger event {event!r}.")
        return found

    def joining(
        self, model: str, environment: str, *, before: int | None = None, limit: int = 1_000
    ) -> Sequence[EventRecord]:
        with self._database.reading() as rows:
            return inbox_rows.waiting_events(rows, model, environment, before, limit)

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
        # All events of a run are of one model and environment: asked for besides, they would mislead to their index.
        place = {"model": model, "environment": environment} if run is None else {"run": run}
        filters = {**place, "state": end and end.value}
        given = {name: value for name, value in filters.items() if value is not None}
        with self._database.reading() as rows:
            found = inbox_rows.newest_events(rows, given, before, limit)
        return [
            one for one in found if model in (None, one.event.model) and environment in (None, one.event.environment)
        ]

    def started_since(self, model: str, environment: str, since: datetime) -> int:
        with self._database.reading() as rows:
            row = rows.one(
                "select count(*) as runs from run where model = :model and environment = :environment"
                " and started >= :since and coalesce(outcome, '') not in ('skipped', 'cancelled')",
                {"model": model, "environment": environment, "since": instant(since)},
            )
            return 0 if row is None else int(row["runs"])

    def last_started(self, model: str, environment: str) -> datetime | None:
        with self._database.reading() as rows:
            row = rows.one(
                "select max(started) as started from run where model = :model and environment = :environment"
                " and coalesce(outcome, '') not in ('skipped', 'cancelled')",
                {"model": model, "environment": environment},
            )
            return None if row is None or row["started"] is None else datetime.fromisoformat(row["started"])

    def pause(self, pause: Pause) -> None:
        with self._database.transaction() as rows:
            rows.write(
                "insert into pause (model, environment, actor, reason, since)"
                " values (:model, :environment, :actor, :reason, :since) on conflict (model, environment)"
                " do update set actor = excluded.actor, reason = excluded.reason, since = excluded.since",
                {
                    "model": pause.model,
                    "environment": pause.environment or EVERYWHERE,
                    "actor": pause.actor,
                    "reason": pause.reason,
                    "since": instant(pause.since),
                },
            )
            outbox_rows.add_notice(rows, paused(pause))

    def resume(self, model: str, environment: str | None) -> bool:
        with self._database.transaction() as rows:
            place = {"model": model, "environment": environment or EVERYWHERE}
            is_over = rows.write("delete from pause where model = :model and environment = :environment", place) == 1
            if is_over:
                outbox_rows.add_notice(rows, resumed(model, environment, self._clock.now()))
            return is_over

    def pauses(self) -> Sequence[Pause]:
        with self._database.reading() as rows:
            return [
                Pause(
                    model=row["model"],
                    environment=row["environment"] or None,
                    actor=row["actor"],
                    reason=row["reason"],
                    since=datetime.fromisoformat(row["since"]),
                )
                for row in rows.all("select * from pause order by model, environment", {})
            ]

    def archive(self, ended_before: datetime, limit: int = 10_000) -> Sequence[EventRecord]:
        with self._database.reading() as rows:
            found = rows.all(
                "select * from event where ended < :before order by ended, place limit :limit",
                {"before": instant(ended_before), "limit": limit},
            )
            return [inbox_rows.record_of(row) for row in found]

    def drop(self, up_to: EventRecord) -> int:
        if up_to.ended is None:
            return 0
        with self._database.transaction() as rows:
            return rows.write(
                "delete from event where ended is not null and (ended, place) <= (:ended, :place)",
                {"ended": instant(up_to.ended), "place": up_to.place},
            )
