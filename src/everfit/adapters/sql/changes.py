"""Tells cheaply whether anybody has written to the database since the last time."""

from typing import Final

from everfit.adapters.sql.database import Database

SQLITE: Final = "pragma data_version"
POSTGRES: Final = "select cast(pg_current_wal_insert_lsn() as text) as data_version"
"""Another one also when another database of the server was written to: that costs a needless look, no more."""


class Changes:
    """What the database says of its own state.

    Args:
        sql: gives another value whenever something was written.
    """

    def __init__(self, database: Database, sql: str) -> None:
        self._database, self._sql = database, sql

    def __call__(self) -> object:
        """Return a value that is another one when anybody has written."""
        with self._database.reading() as rows:
            row = rows.one(self._sql, {})
        return None if row is None else row["data_version"]
