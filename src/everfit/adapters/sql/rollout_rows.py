"""Rollouts and what persons want of them as rows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from everfit.adapters.sql.database import Row, Statements
from everfit.domain.record import instant
from everfit.domain.rollout import Order, OrderKind, Progress, from_json, to_json


def add_rollout(rows: Statements, progress: Progress) -> None:
    """Write a new rollout."""
    rows.write(
        "insert into rollout (run, model, environment, content, ended)"
        " values (:run, :model, :environment, :content, :ended)",
        {
            "run": progress.run,
            "model": progress.model,
            "environment": progress.environment,
            "content": _text(progress),
            "ended": None if progress.ended is None else instant(progress.ended),
        },
    )


def keep_rollout(rows: Statements, progress: Progress) -> None:
    """Write how the rollout stands now."""
    rows.write(
        "update rollout set content = :content, ended = :ended where run = :run",
        {
            "run": progress.run,
            "content": _text(progress),
            "ended": None if progress.ended is None else instant(progress.ended),
        },
    )


def rollout_of_run(rows: Statements, run: str) -> Progress | None:
    """Return the rollout of the run with its orders."""
    row = rows.one("select * from rollout where run = :run", {"run": run})
    return None if row is None else _rollout(rows, row)


def rollout_under_way(rows: Statements, model: str, environment: str) -> Progress | None:
    """Return the rollout that has not ended, with its orders."""
    row = rows.one(
        "select * from rollout where model = :model and environment = :environment and ended is null",
        {"model": model, "environment": environment},
    )
    return None if row is None else _rollout(rows, row)


def ended_rollouts(rows: Statements, model: str, environment: str, limit: int) -> Sequence[Progress]:
    """Return rollouts that are over, newest first."""
    found = rows.all(
        "select * from rollout where model = :model and environment = :environment and ended is not null"
        " order by place desc limit :limit",
        {"model": model, "environment": environment, "limit": limit},
    )
    return [_rollout(rows, row) for row in found]


def add_order(rows: Statements, run: str, order: Order) -> None:
    """Write what a person wants."""
    rows.write(
        "insert into rollout_order (run, kind, actor, reason, at) values (:run, :kind, :actor, :reason, :at)",
        {
            "run": run,
            "kind": order.kind.value,
            "actor": order.actor,
            "reason": order.reason,
            "at": instant(order.at),
        },
    )


def _rollout(rows: Statements, row: Row) -> Progress:
    orders = rows.all("select * from rollout_order where run = :run order by place", {"run": row["run"]})
    return replace(from_json(json.loads(row["content"])), orders=tuple(_order(each) for each in orders))


def _order(row: Row) -> Order:
    return Order(
        kind=OrderKind(row["kind"]),
        actor=row["actor"],
        reason=row["reason"],
        at=datetime.fromisoformat(row["at"]),
    )


def _text(progress: Progress) -> str:
    return json.dumps(to_json(replace(progress, orders=())), ensure_ascii=False, separators=(",", ":"))
