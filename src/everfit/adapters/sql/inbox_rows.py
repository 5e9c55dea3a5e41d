"""Events as rows, and the sums of those that wait."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from everfit.adapters.sql.database import Row, Statements
from everfit.domain.inbox import Backlog, Waiting
from everfit.domain.record import instant
from everfit.domain.run import Run
from everfit.domain.trigger import Amount, EventEnd, EventRecord, TriggerEvent, TriggerKind

EVERY: Final = 2**62
"""Is larger than the place of any event."""
NOTHING: Final = Amount()
BACKLOG: Final = (
    "select coalesce(sum(new_files), 0) as new_files, coalesce(sum(new_rows), 0) as new_rows,"
    " coalesce(sum(new_bytes), 0) as new_bytes from backlog where model = :model and environment = :environment"
)
UNCONSUMED: Final = (
    "select coalesce(sum(new_files), 0) as new_files, coalesce(sum(new_rows), 0) as new_rows,"
    " coalesce(sum(new_bytes), 0) as new_bytes from unconsumed where model = :model and environment = :environment"
)
ALL_UNCONSUMED: Final = (
    "select model, environment, sum(new_files) as new_files, sum(new_rows) as new_rows, sum(new_bytes) as new_bytes"
    " from unconsumed group by model, environment"
)


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


def join(rows: Statements, run: Run, seen: int | None) -> int:
    """Have the events that wait join the run, and return how many those are.

    What they bring is unconsumed until a run has learnt from it.

    Args:
        seen: place of the newest event that joins; None takes all.
    """
    place = _place(run.model, run.environment)
    before = _sum(rows, BACKLOG, place)
    joined = rows.write(
        "update event set run = :run where model = :model and environment = :environment and run is null"
        " and state = 'pending' and place <= :seen",
        {**place, "run": run.id, "seen": EVERY if seen is None else seen},
    )
    clear_backlog(rows, run.model, run.environment)
    if seen is not None:
        _count_anew(rows, place)
    _keep_unconsumed(rows, run, before, _sum(rows, BACKLOG, place))
    return joined


def _keep_unconsumed(rows: Statements, run: Run, before: Amount, after: Amount) -> None:
    """Note what the run was started for, with what runs left that ended without having learnt from it for good."""
    place = _place(run.model, run.environment)
    all_kept = _sum(rows, UNCONSUMED, place)
    rows.write(
        "delete from unconsumed where model = :model and environment = :environment"
        " and (select run.state from run where run.id = unconsumed.run) = 'ended'",
        place,
    )
    of_open = _sum(rows, UNCONSUMED, place)
    amount = Amount(
        files=all_kept.files - of_open.files + before.files - after.files,
        rows=all_kept.rows - of_open.rows + before.rows - after.rows,
        bytes=all_kept.bytes - of_open.bytes + before.bytes - after.bytes,
    )
    if amount != NOTHING:
        rows.write(
            "insert into unconsumed (run, model, environment, new_files, new_rows, new_bytes)"
            " values (:run, :model, :environment, :new_files, :new_rows, :new_bytes)",
            {**place, **_amount(amount), "run": run.id},
        )


def _sum(rows: Statements, query: str, place: Mapping[str, object]) -> Amount:
    row = rows.one(query, place)
    return NOTHING if row is None else _amount_of(row)


def _count_anew(rows: Statements, place: Mapping[str, object]) -> None:
    """Sum up what still waits."""
    rows.write(
        "insert into backlog (model, environment, trigger_key, kind, events, first_at, last_at, new_files, new_rows,"
        " new_bytes) select model, environment, trigger_key, kind, count(*), min(accepted), max(accepted),"
        " sum(new_files), sum(new_rows), sum(new_bytes) from event where model = :model and environment = :environment"
        " and run is null and state = 'pending' group by model, environment, trigger_key, kind",
        place,
    )


def consume(rows: Statements, run: Run) -> None:
    """Write that the run has learnt from all that was there when it started."""
    rows.write(
        "delete from unconsumed where model = :model and environment = :environment"
        " and (select older.place from run older where older.id = unconsumed.run)"
        " <= (select newest.place from run newest where newest.id = :run)",
        {**_place(run.model, run.environment), "run": run.id},
    )


def clear_backlog(rows: Statements, model: str, environment: str) -> None:
    """Forget the sums of a model and environment in which nothing waits any more."""
    rows.write("delete from backlog where model = :model and environment = :environment", _place(model, environment))


def end_waiting(rows: Statements, model: str, environment: str, reason: str, now: datetime, seen: int | None) -> int:
    """End every event that waits as skipped, up to the place *seen*."""
    place = _place(model, environment)
    changed = rows.write(
        "update event set state = 'skipped', reason = :reason, ended = :now where model = :model"
        " and environment = :environment and run is null and state = 'pending' and place <= :seen",
        {**place, "reason": reason, "now": instant(now), "seen": EVERY if seen is None else seen},
    )
    clear_backlog(rows, model, environment)
    if seen is not None:
        _count_anew(rows, place)
    return changed


def end_events(rows: Statements, run: Run, *, first: EventEnd, others: EventEnd, now: datetime) -> None:
    """Write how the events of the run ended."""
    rows.write(
        "update event set reason = :reason, ended = :now, state = case when place ="
        " (select min(place) from event where run = :run) then :first else :others end where run = :run",
        {"run": run.id, "first": first.value, "others": others.value, "reason": run.reason, "now": instant(now)},
    )


def waiting_of(rows: Statements, model: str, environment: str) -> Waiting:
    """Return what waits in one place."""
    place = _place(model, environment)
    found = rows.all("select * from backlog where model = :model and environment = :environment", place)
    return _waiting(model, environment, found, _sum(rows, UNCONSUMED, place))


def all_waiting(rows: Statements) -> Sequence[Waiting]:
    """Return what waits wherever something does."""
    places: dict[tuple[str, str], list[Row]] = {}
    for row in rows.all("select * from backlog order by first_at, model, environment", {}):
        places.setdefault((row["model"], row["environment"]), []).append(row)
    kept = {(row["model"], row["environment"]): _amount_of(row) for row in rows.all(ALL_UNCONSUMED, {})}
    return [_waiting(*place, found, kept.get(place, NOTHING)) for place, found in places.items()]


def event_of(rows: Statements, model: str, environment: str, event: str) -> EventRecord | None:
    """Return the event of that id, if there is one."""
    row = rows.one(
        "select * from event where model = :model and environment = :environment and id = :id",
        {**_place(model, environment), "id": event},
    )
    return None if row is None else record_of(row)


def waiting_events(rows: Statements, model: str, environment: str, before: int | None, limit: int) -> list[EventRecord]:
    """Return events that wait for a run to join, newest first."""
    found = rows.all(
        "select * from event where model = :model and environment = :environment and run is null and state = 'pending'"
        " and place < :before order by place desc limit :limit",
        {**_place(model, environment), "before": EVERY if before is None else before, "limit": limit},
    )
    return [record_of(row) for row in found]


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


def _waiting(model: str, environment: str, found: Sequence[Row], unconsumed: Amount) -> Waiting:
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
        unconsumed=unconsumed,
    )


def _amount_of(row: Row) -> Amount:
    # Postgres adds whole numbers up to a number of its own kind.
    return Amount(files=int(row["new_files"]), rows=int(row["new_rows"]), bytes=int(row["new_bytes"]))


def _amount(amount: Amount) -> dict[str, object]:
    return {"new_files": amount.files, "new_rows": amount.rows, "new_bytes": amount.bytes}


def _place(model: str, environment: str) -> dict[str, object]:
    return {"model": model, "environment": environment}
