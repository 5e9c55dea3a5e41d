"""Notices as rows; one is written in the transaction of what it tells of."""

import json
from datetime import datetime
from typing import Any, cast

from everfit.adapters.local.database import Row, Statements
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.record import instant


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


def notice_of(row: Row) -> Notice:
    """Return the notice that a row holds."""
    return Notice(
        id=row["id"],
        kind=NoticeKind(row["kind"]),
        model=row["model"],
        environment=row["environment"],
        run=row["run"],
        cause=row["cause"],
        at=datetime.fromisoformat(row["at"]),
        facts=cast("dict[str, Any]", json.loads(row["facts"])),
    )
