"""Notices and their deliveries as rows; a notice is written in the transaction of what it tells of."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from everfit.adapters.sql.database import Row, Statements
from everfit.domain.delivery import Delivery, DeliveryState
from everfit.domain.notice import Notice, NoticeKind, notices_of
from everfit.domain.record import instant
from everfit.domain.run import Run
from everfit.domain.storm import Earlier, Plan, thread_of

DELIVERIES: Final = (
    "select d.place as number, d.channel, d.state, d.planned, d.due, d.attempts, d.error, d.ended, d.repeats, d.since,"
    " n.place, n.id, n.kind, n.model, n.environment, n.run, n.cause, n.at, n.facts"
    " from delivery d join notice n on n.id = d.notice"
)


def add_notice(rows: Statements, notice: Notice) -> bool:
    """Write a new notice; False when its id is known."""
    changed = rows.write(
        "insert into notice (id, kind, model, environment, run, cause, at, facts)"
        " values (:id, :kind, :model, :environment, :run, :cause, :at, :facts) on conflict (id) do nothing",
        {
            "id": notice.id,
            "kind": notice.kind.value,
            "model": notice.model,
            "environment": notice.environment,
            "run": notice.run,
            "cause": notice.cause,
            "at": instant(notice.at),
            "facts": json.dumps(dict(notice.facts), ensure_ascii=False),
        },
    )
    return changed == 1


def tell_of_run(rows: Statements, run: Run, now: datetime) -> None:
    """Write what is told of a run that has ended or waits for a person, in the transaction in which it does."""
    place = {"model": run.model, "environment": run.environment, "run": run.id}
    serving = rows.one(
        "select version from served where model = :model and environment = :environment and until is null", place
    )
    last = rows.one(
        "select outcome from run where model = :model and environment = :environment and state = 'ended'"
        " and id <> :run and outcome in ('deployed', 'approved', 'skipped', 'failed') order by place desc limit 1",
        place,
    )
    had_failed = last is not None and last["outcome"] == "failed"
    for notice in notices_of(
        run, now=now, serving=None if serving is None else serving["version"], had_failed=had_failed
    ):
        add_notice(rows, notice)


def close_notice(rows: Statements, notice: Notice, now: datetime) -> bool:
    """Write that the notice is addressed; False when it was before."""
    query = "update notice set addressed = :now where id = :id and addressed is null"
    return rows.write(query, {"id": notice.id, "now": instant(now)}) == 1


def mute_others(rows: Statements, notice: Notice, channel: str, now: datetime) -> None:
    """Take back what is held for the channel and has become untrue by the notice."""
    rows.write(
        "update delivery set state = 'muted', due = null, ended = :now where model = :model"
        " and environment = :environment and channel = :channel and thread = :thread and state = 'waiting'"
        " and attempts = 0 and planned > :now and kind <> :kind",
        {**_thread(notice, channel), "kind": notice.kind.value, "now": instant(now)},
    )


def earlier(rows: Statements, notice: Notice, channel: str) -> tuple[int, Earlier] | None:
    """Return the newest delivery of the same kind and cause that was not muted, and its number."""
    row = rows.one(
        "select place, planned, repeats, since from delivery where model = :model and environment = :environment"
        " and channel = :channel and thread = :thread and kind = :kind and cause = :cause and state <> 'muted'"
        " order by place desc limit 1",
        {**_thread(notice, channel), "kind": notice.kind.value, "cause": notice.cause},
    )
    if row is None:
        return None
    return row["place"], Earlier(planned=moment(row["planned"]), repeats=row["repeats"], since=_moment(row["since"]))


def changed(rows: Statements, notice: Notice, channel: str, now: datetime) -> datetime | None:
    """Return when the newest notice of another kind was told in the same thread."""
    row = rows.one(
        "select planned from delivery where model = :model and environment = :environment and channel = :channel"
        " and thread = :thread and kind <> :kind and state <> 'muted' and planned <= :now"
        " order by planned desc limit 1",
        {**_thread(notice, channel), "kind": notice.kind.value, "now": instant(now)},
    )
    return None if row is None else moment(row["planned"])


def add_delivery(rows: Statements, notice: Notice, channel: str, plan: Plan) -> None:
    """Write that the notice is to be told in the channel."""
    rows.write(
        "insert into delivery (notice, channel, model, environment, thread, kind, cause, state, planned, due, attempts,"
        " repeats, since) values (:notice, :channel, :model, :environment, :thread, :kind, :cause, 'waiting', :due,"
        " :due, 0, :repeats, :since)",
        {
            **_thread(notice, channel),
            "notice": notice.id,
            "kind": notice.kind.value,
            "cause": notice.cause,
            "due": instant(plan.due),
            "repeats": plan.repeats,
            "since": None if plan.since is None else instant(plan.since),
        },
    )


def keep_delivery(rows: Statements, delivery: Delivery) -> None:
    """Write how a delivery stands now; one that has arrived or was muted stays as it is."""
    rows.write(
        "update delivery set state = :state, due = :due, attempts = :attempts, error = :error, ended = :ended"
        " where place = :id and state in ('waiting', 'given up')",
        {
            "id": delivery.id,
            "state": delivery.state.value,
            "due": None if delivery.due is None else instant(delivery.due),
            "attempts": delivery.attempts,
            "error": delivery.error,
            "ended": None if delivery.ended is None else instant(delivery.ended),
        },
    )


def mute(rows: Statements, number: int, now: datetime) -> None:
    """Write that a delivery is told by another one."""
    rows.write(
        "update delivery set state = 'muted', due = null, ended = :now where place = :number",
        {"number": number, "now": instant(now)},
    )


def delivery_of(row: Row) -> Delivery:
    """Return the delivery that a row of ``DELIVERIES`` holds."""
    return Delivery(
        id=row["number"],
        notice=notice_of(row),
        channel=row["channel"],
        state=DeliveryState(row["state"]),
        planned=moment(row["planned"]),
        due=_moment(row["due"]),
        attempts=row["attempts"],
        error=row["error"],
        ended=_moment(row["ended"]),
        repeats=row["repeats"],
        since=_moment(row["since"]),
    )


def notice_of(row: Row) -> Notice:
    """Return the notice that a row holds."""
    return Notice(
        id=row["id"],
        kind=NoticeKind(row["kind"]),
        model=row["model"],
        environment=row["environment"],
        run=row["run"],
        cause=row["cause"],
        at=moment(row["at"]),
        facts=cast("dict[str, Any]", json.loads(row["facts"])),
        place=row["place"],
    )


def named(values: Iterable[object], name: str) -> tuple[str, Mapping[str, object]]:
    """Return placeholders for a list of values, and the values by placeholder."""
    by_name = {f"{name}_{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{key}" for key in by_name), by_name


def moment(text: str) -> datetime:
    """Return the instant that a column holds."""
    return datetime.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def _thread(notice: Notice, channel: str) -> dict[str, object]:
    return {
        "model": notice.model,
        "environment": notice.environment or "",
        "channel": channel,
        "thread": thread_of(notice),
    }
