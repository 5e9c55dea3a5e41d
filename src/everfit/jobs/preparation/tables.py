"""Tables as DuckDB reads them: in one stream, with every value's own text, and with bounded memory.

The columns are called ``c0``, ``c1`` … inside, so that no name of the user's can clash with another or with SQL.
"""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from everfit.domain.check import ColumnType
from everfit.domain.errors import RunFailedError
from everfit.jobs.csv_cells import MISSING
from everfit.jobs.preparation.order import SourceFile

MEMORY: Final = "1200MB"
THREADS: Final = 8
SMALL: Final = 20_000_000

Row = tuple[Any, ...]


def quote(text: str) -> str:
    """Return *text* as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Return *name* as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Database:
    """The one door to DuckDB: its errors come out as Everfit's."""

    def __init__(self, scratch: Path, size: int) -> None:
        import duckdb  # noqa: PLC0415 - a job on images needs none

        self._errors = (duckdb.Error,)
        self._connection: Any = duckdb.connect()
        # The temporary folder is used for sorting and grouping more than fits into the memory limit.
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        self._connection.execute(f"SET temp_directory = {quote(str(scratch))}")
        self._connection.execute(f"SET threads = {min(os.cpu_count() or 1, THREADS)}")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        if size < SMALL:
            # It plans a join for each column's test for missing words: seconds for a wide table, gained back by
            # a long one only.
            self._connection.execute("SET disabled_optimizers = 'in_clause'")

    def rows(self, sql: str) -> list[Row]:
        """Return all rows of the answer."""
        try:
            rows: list[Row] = self._connection.execute(sql).fetchall()
        except self._errors as error:
            raise UnreadableError(str(error)) from error
        return rows

    def row(self, sql: str) -> Row:
        """Return the only row of the answer."""
        return self.rows(sql)[0]

    def close(self) -> None:
        """Let everything go."""
        self._connection.close()


class UnreadableError(RunFailedError):
    """The engine could not read what it was given, or could not do its work."""


@contextmanager
def open_database(scratch: Path, size: int) -> Generator[Database]:
    """Open a database that spills into *scratch*, for a table of *size* bytes."""
    database = Database(scratch, size)
    try:
        yield database
    finally:
        database.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """One file of a table.

    Args:
        relation: SQL that gives the file's rows with the columns ``c0`` …
        order: the numbers of the columns in the order of this file.
    """

    file: SourceFile
    relation: str
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All files of a snapshot as one table.

    Args:
        names: of the columns; column 3 is called ``c3`` in SQL.
        types: where the format itself says what the values are; None where the texts must tell.
        relation: SQL that gives all rows.
        strict_relation: the same, noting broken rows in ``reject_errors``; None where rows cannot be broken.
        head: SQL that gives the first rows at little cost; None means ``relation``.
        writing: options of DuckDB's COPY.
        encoding: in which text has to be written.
        keeps_line: whether a column ``line`` is what has to be written.
    """

    names: tuple[str, ...]
    types: tuple[ColumnType | None, ...]
    parts: tuple[TablePart, ...]
    relation: str
    strict_relation: str | None
    writing: str
    keeps_line: bool = False
    head: str | None = None
    encoding: str = "utf-8"

    def text(self, number: int) -> str:
        """Return SQL for the text of a value; NULL when it is missing."""
        column = f"c{number}"
        if self.types[number] is not None:
            return f"nullif(nullif(CAST({column} AS VARCHAR), 'nan'), '')"
        missing = ", ".join(quote(word) for word in MISSING)
        return f"CASE WHEN {column} IN ({missing}) THEN NULL ELSE {column} END"

    def raw(self, number: int) -> str:
        """Return SQL for the text of a value as it stands in the file."""
        return f"c{number}" if self.types[number] is None else f"CAST(c{number} AS VARCHAR)"

    def number(self, name: str) -> int:
        """Return the number of the column *name*."""
        return self.names.index(name)


def union(relations: Iterable[str]) -> str:
    """Return SQL that gives the rows of all relations, one after the other."""
    listed = list(relations)
    return listed[0] if len(listed) == 1 else f"({' UNION ALL BY NAME '.join(f'FROM {one}' for one in listed)})"
