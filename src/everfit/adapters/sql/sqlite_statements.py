"""SQLite's side of the stores: statements on a connection, and the way to the newest schema."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from everfit.adapters.sql.database import MIGRATIONS, Row, storable

SQLITE_MIGRATIONS: Final = MIGRATIONS / "sqlite"


class SqliteStatements:
    """Implements ``Statements`` on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, sql: str, values: Mapping[str, object] | None = None) -> int:
        return self._connection.execute(sql, storable(values or {})).rowcount

    def one(self, sql: str, values: Mapping[str, object]) -> Row | None:
        row: Row | None = self._connection.execute(sql, storable(values)).fetchone()
        return row

    def all(self, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
        rows: list[Row] = self._connection.execute(sql, storable(values)).fetchall()
        return rows

    def each(self, sql: str) -> Iterator[Mapping[str, object]]:
        for row in self._connection.execute(sql):
            yield dict(row)


def bring_up(connection: sqlite3.Connection, known: Sequence[Path]) -> None:
    """Take the schema to the newest version, inside the transaction that is open."""
    found = schema_version(connection)
    connection.execute("create table if not exists schema_version (version integer not null)")
    for path in known[found:]:
        for statement in statements(path.read_text(encoding="utf-8")):
            connection.execute(statement)
    connection.execute("delete from schema_version")
    connection.execute("insert into schema_version values (?)", (len(known),))


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version of the file's schema; 0 for a new file."""
    sql = "select 1 from sqlite_master where type = 'table' and name = 'schema_version'"
    if connection.execute(sql).fetchone() is None:
        return 0
    return int(connection.execute("select version from schema_version").fetchone()[0])


def statements(script: str) -> Iterator[str]:
    """Split a script; SQLite's own would commit before the first statement."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
