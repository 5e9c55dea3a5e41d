"""Events as rows, and the sums of those that wait."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from everfit.adapters.local.database import Row, Statements
from everfit.domain.inbox import Backlog, Waiting
from everfit.domain.record import instant
from everfit.domain.run import Run
from everfit.domain.trigger import Amount, EventEnd, EventRecord, TriggerEvent, TriggerKind

NOTHING = Amount()


def add_event(
    rows: Statements, event: TriggerEvent, now: datetime, end: EventEnd = EventEnd.PENDING, reason: str | None = None
) -> bool:
    """Write a new event, and count it when it waits; False when it is known."""
    changed = rows.write(
        "insert into event (id, kind, model, environment, actor, at, state, reason, trigger_key, subject, new_files,"
        " new_rows, new_bytes, detail, accepted, ended) values (:id, :kind, :model, :environment, :actor, :at, :state,"
        " :reason, :trigger_key, :subject, :new_files, :new_rows, :new_bytes, :detail, :accepted, :ended)"
        " on conflict (model, environment, id) do nothing",
        {
            **_place(event.model, event.environment),
            **_amount(event.amount),
            "id": event.id,
            "kind": event.kind.value,
            "actor": event.actor,
            "at": instant(event.at),
            "state": end.value,
            "reason": reason,
            "trigger_key": event.trigger,
            "subject": event.subject,
            "detail": json.dumps(dict(event.detail), ensure_ascii=False),
            "accepted": instant(now),
            "ended": None if end is EventEnd.PENDING else instant(now),
        },
    )
    if changed and end is EventEnd.PENDING:
        _count(rows, event, now)
    return changed == 1


def _count(rows: Statements, event: TriggerEvent, now: datetime) -> None:
    rows.write(
        "insert into backlog (model, environment, trigger_key, kind, events, first_at, last_at, new_files, new_rows,"
        " new_bytes) values (:model, :environment, :trigger_key, :kind, 1, :now, :now, :new_files, :new_rows,"
        " :new_bytes) on conflict (model, environment, kind, trigger_key) do update set events = backlog.events + 1,"
        " last_at = excluded.last_at, new_files = backlog.new_files + excluded.new_files,"
        " new_rows = backlog.new_rows + excluded.new_rows, new_bytes = backlog.new_bytes + excluded.new_bytes",
        {
            **_place(event.model, event.environment),
            **_amount(event.amount),
            "trigger_key": event.trigger,
            "kind": event.kind.value,
            "now": instant(now),
        },
    )


def join(rows: Statements, run: Run, seen: int | None) -> None:
    """Have the events that wait join the run; what they bring is unconsumed until a run has learnt from it.

    Args:
        seen: place of the newest event that joins; None takes all.
    """
    place = _place(run.model, run.environment)
    rows.write(
        "update event set run = :run where model = :model and environment = :environment and run is null"
        " and state = 'pending' and (:seen = 0 or place <= :seen)",
        {**place, "run": run.id, "seen": seen or 0},
    )
    rows.write(
        "insert into unconsumed (model, environment, new_files, new_rows, new_bytes)"
        " select model, environment, sum(new_files), sum(new_rows), sum(new_bytes) from backlog"
        " where model = :model and environment = :environment group by model, environment"
        " on conflict (model, environment) do update set new_files = unconsumed.new_files + excluded.new_files,"
        " new_rows = unconsumed.new_rows + excluded.new_rows, new_bytes = unconsumed.new_bytes + excluded.new_bytes",
        place,
    )
    clear_backlog(rows, run.model, run.environment)
    if seen is not None:
        _count_anew(rows, place)


def _count_anew(rows: Statements, place: Mapping[str, object]) -> None:
    """Sum up what still waits, and take it off what the run was started for."""
    rows.write(
        "insert into backlog (model, environment, trigger_key, kind, events, first_at, last_at, new_files, new_rows,"
        " new_bytes) select model, environment, trigger_key, kind, count(*), min(accepted), max(accepted),"
        " sum(new_files), sum(new_rows), sum(new_bytes) from event where model = :model and environment = :environment"
        " and run is null and state = 'pending' group by model, environment, trigger_key, kind",
        place,
    )
    for column in ("new_files", "new_rows", "new_bytes"):
        rows.write(
            f"update unconsumed set {column} = {column} - (select coalesce(sum({column}), 0) from backlog"  # noqa: S608
            " where model = :model and environment = :environment)"
            " where model = :model and environment = :environment",
            place,
        )


def consume(rows: Statements, model: str, environment: str) -> None:
    """Write that a run has learnt from all that was there."""
    rows.write("delete from unconsumed where model = :model and environment = :environment", _place(model, environment))


def clear_backlog(rows: Statements, model: str, environment: str) -> None:
    """Forget the sums of a model and environment in which nothing waits any more."""
    rows.write("delete from backlog where model = :model and environment = :environment", _place(model, environment))


def end_waiting(rows: Statements, model: str, environment: str, reason: str, now: datetime) -> int:
    """End every event that waits as skipped."""
    changed = rows.write(
        "update event set state = 'skipped', reason = :reason, ended = :now where model = :model"
        " and environment = :environment and run is null and state = 'pending'",
        {**_place(model, environment), "reason": reason, "now": instant(now)},
    )
    clear_backlog(rows, model, environment)
    return changed


def end_events(rows: Statements, run: Run, *, first: EventEnd, others: EventEnd, now: datetime) -> None:
    """Write how the events of the run ended."""
    reason = run.reason
    if run.cancellation is not None and first is EventEnd.SKIPPED:
        reason = f"cancelled by {run.cancellation.actor}: {run.cancellation.reason}"
    rows.write(
        "update event set reason = :reason, ended = :now, state = case when place ="
        " (select min(place) from event where run = :run) then :first else :others end where run = :run",
        {"run": run.id, "first": first.value, "others": others.value, "reason": reason, "now": instant(now)},
    )


def waiting_of(rows: Statements, model: str, environment: str) -> Waiting:
    """Return what waits in one place."""
    place = _place(model, environment)
    found = rows.all("select * from backlog where model = :model and environment = :environment", place)
    old = rows.one("select * from unconsumed where model = :model and environment = :environment", place)
    return _waiting(model, environment, found, old)


def all_waiting(rows: Statements) -> Sequence[Waiting]:
    """Return what waits wherever something does."""
    places: dict[tuple[str, str], list[Row]] = {}
    for row in rows.all("select * from backlog order by first_at", {}):
        places.setdefault((row["model"], row["environment"]), []).append(row)
    kept = {(row["model"], row["environment"]): row for row in rows.all("select * from unconsumed", {})}
    return [_waiting(*place, found, kept.get(place)) for place, found in places.items()]


def event_of(rows: Statements, model: str, environment: str, event: str) -> EventRecord | None:
    """Return the event of that id, if there is one."""
    row = rows.one(
        "select * from event where model = :model and environment = :environment and id = :id",
        {**_place(model, environment), "id": event},
    )
    return None if row is None else record_of(row)


def newest_events(rows: Statements, filters: Mapping[str, object], before: int | None, limit: int) -> list[EventRecord]:
    """Return events, newest first; *filters* are values of columns."""
    terms = [f"{name} = :{name}" for name in filters]
    if before is not None:
        terms.append("place < :before")
    where = f" where {' and '.join(terms)}" if terms else ""
    found = rows.all(
        f"select * from event{where} order by place desc limit :limit",  # noqa: S608 - names of columns, not values
        {**filters, "before": before, "limit": limit},
    )
    return [record_of(row) for row in found]


def record_of(row: Row) -> EventRecord:
    """Return the event that a row holds."""
    event = TriggerEvent(
        id=row["id"],
        kind=TriggerKind(row["kind"]),
        model=row["model"],
        environment=row["environment"],
        actor=row["actor"],
        at=datetime.fromisoformat(row["at"]),
        trigger=row["trigger_key"],
        subject=row["subject"],
        amount=_amount_of(row),
        detail=cast("dict[str, Any]", json.loads(row["detail"])),
    )
    return EventRecord(
        event=event,
        end=EventEnd(row["state"]),
        run=cast("str | None", row["run"]),
        reason=row["reason"],
        place=row["place"],
        accepted=datetime.fromisoformat(row["accepted"] or row["at"]),
        ended=None if row["ended"] is None else datetime.fromisoformat(row["ended"]),
    )


def _waiting(model: str, environment: str, found: Sequence[Row], old: Row | None) -> Waiting:
    backlogs = [
        Backlog(
            kind=TriggerKind(row["kind"]),
            trigger=row["trigger_key"],
            count=row["events"],
            first=datetime.fromisoformat(row["first_at"]),
            last=datetime.fromisoformat(row["last_at"]),
            amount=_amount_of(row),
        )
        for row in found
    ]
    return Waiting(
        model=model,
        environment=environment,
        backlogs={backlog.trigger or backlog.kind.value: backlog for backlog in backlogs},
        unconsumed=NOTHING if old is None else _amount_of(old),
    )


def _amount_of(row: Row) -> Amount:
    # Postgres adds whole numbers up to a number of its own kind.
    return Amount(files=int(row["new_files"]), rows=int(row["new_rows"]), bytes=int(row["new_bytes"]))


def _amount(amount: Amount) -> dict[str, object]:
    return {"new_files": amount.files, "new_rows": amount.rows, "new_bytes": amount.bytes}


def _place(model: str, environment: str) -> dict[str, object]:
    return {"model": model, "environment": environment}
