"""Sums in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from everfit.adapters.sql.database import Database
from everfit.application.ports import Clock
from everfit.application.ports.figures import Tally
from everfit.domain.record import instant

PROBE_BYTES: Final = 20_000
"""More than what is free in the pages of a database file."""


class SqlFigures:
    """Implements ``Figures``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def tallies(self) -> Sequence[Tally]:
        with self._database.reading() as rows:
            return [
                Tally(
                    model=row["model"],
                    environment=row["environment"],
                    outcome=row["outcome"],
                    runs=row["runs"],
                    newest=datetime.fromisoformat(row["newest"]),
                )
                for row in rows.all("select * from tally order by model, environment, outcome", {})
            ]

    def leases(self) -> int:
        with self._database.reading() as rows:
            row = rows.one(
                "select count(*) as held from lease where owner is not null and expires > :now",
                {"now": instant(self._clock.now())},
            )
            return 0 if row is None else int(row["held"])

    def undelivered(self) -> int:
        with self._database.reading() as rows:
            row = rows.one("select count(*) as waiting from delivery where state = 'waiting'", {})
            return 0 if row is None else int(row["waiting"])

    def check_writable(self) -> None:
        with self._database.transaction() as rows:
            # What is taken away at once is written all the same: only so is a full disk found out.
            rows.write(
                "insert into reply (caller, key, digest, owner, begun, body) values ('', 'probe', '', '', :now, :body)",
                {"now": instant(self._clock.now()), "body": " " * PROBE_BYTES},
            )
            rows.write("delete from reply where caller = '' and key = 'probe'")
