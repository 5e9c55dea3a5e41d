"""Kept answers in SQL."""

from collections.abc import Callable, Mapping
from datetime import datetime

from everfit.adapters.sql.database import Database, Row, Statements
from everfit.adapters.sql.processes import is_gone
from everfit.application.ports import Clock
from everfit.domain.record import instant
from everfit.domain.reply import KEPT_FOR, Asking, Reply, Turn, turn_of


class SqlReplies:
    """Implements ``Replies``.

    Args:
        is_dead: whether the process that had a request in hand is known to be gone.
    """

    def __init__(self, database: Database, clock: Clock, is_dead: Callable[[str], bool] = is_gone) -> None:
        self._database = database
        self._clock = clock
        self._is_dead = is_dead

    def begin(self, asking: Asking, plan: Callable[[], str | None]) -> tuple[Turn, Reply]:
        planned = plan() if self._is_new(asking) else None
        with self._database.transaction() as rows:
            now = self._clock.now()
            # What is old goes when something new comes, so nothing grows and nobody has to see to it.
            rows.write("delete from reply where begun <= :before", {"before": instant(now - KEPT_FOR)})
            before = _reply(rows, asking)
            turn = turn_of(before, asking, now, is_dead=before is not None and self._is_dead(before.asking.owner))
            match turn:
                case Turn.DO:
                    reply = Reply(asking=asking, begun=now, plan=planned)
                    _keep(rows, reply)
                case Turn.DO_AGAIN if before is not None:
                    reply = Reply(asking=asking, begun=before.begun, plan=before.plan)
                    _keep(rows, reply)
                case _:
                    reply = before or Reply(asking=asking, begun=now)
            return turn, reply

    def answer(self, asking: Asking, status: int, body: str) -> None:
        with self._database.transaction() as rows:
            rows.write(
                "update reply set status = :status, body = :body" + _IN_HAND,  # noqa: S608 - both are written here
                {**_place(asking), "status": status, "body": body},
            )

    def forget(self, asking: Asking) -> None:
        with self._database.transaction() as rows:
            rows.write("delete from reply" + _IN_HAND, _place(asking))  # noqa: S608 - both are written here

    def leave(self, asking: Asking) -> None:
        with self._database.transaction() as rows:
            rows.write("update reply set owner = ''" + _IN_HAND, _place(asking))  # noqa: S608 - both are written here

    def _is_new(self, asking: Asking) -> bool:
        with self._database.reading() as rows:
            before = _reply(rows, asking)
        return turn_of(before, asking, self._clock.now(), is_dead=False) is Turn.DO


_IN_HAND = " where caller = :caller and key = :key and owner = :owner and status is null"


def _place(asking: Asking) -> Mapping[str, object]:
    return {"caller": asking.caller, "key": asking.key, "owner": asking.owner}


def _keep(rows: Statements, reply: Reply) -> None:
    rows.write(
        "insert into reply (caller, key, digest, owner, begun, plan)"
        " values (:caller, :key, :digest, :owner, :begun, :plan) on conflict (caller, key) do update set"
        " digest = excluded.digest, owner = excluded.owner, begun = excluded.begun, plan = excluded.plan,"
        " status = null, body = null",
        {**_place(reply.asking), "digest": reply.asking.digest, "begun": instant(reply.begun), "plan": reply.plan},
    )


def _reply(rows: Statements, asking: Asking) -> Reply | None:
    found = rows.one(
        "select * from reply where caller = :caller and key = :key", {"caller": asking.caller, "key": asking.key}
    )
    return None if found is None else _read(found)


def _read(row: Row) -> Reply:
    return Reply(
        asking=Asking(caller=row["caller"], key=row["key"], digest=row["digest"], owner=row["owner"]),
        begun=datetime.fromisoformat(row["begun"]),
        plan=row["plan"],
        status=row["status"],
        body=row["body"],
    )
