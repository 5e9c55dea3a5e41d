"""The outbox in SQL, in the same database as what it tells of."""

from collections.abc import Sequence

from everfit.adapters.local import outbox_rows
from everfit.adapters.local.database import Database
from everfit.domain.notice import Notice


class SqlOutbox:
    """Implements ``Outbox``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, notice: Notice) -> bool:
        with self._database.transaction() as rows:
            return outbox_rows.add_notice(rows, notice)

    def unaddressed(self, limit: int = 100) -> Sequence[Notice]:
        with self._database.reading() as rows:
            found = rows.all("select * from notice where addressed is null order by place limit :n", {"n": limit})
            return [outbox_rows.notice_of(row) for row in found]
