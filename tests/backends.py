"""One fixture for every contract suite: each test runs in memory, over SQLite and over Postgres.

A suite asks for ``database`` and makes what it tests from it::

    @pytest.fixture
    def store(database: Database | None, clock: SettableClock) -> RunStore:
        return MemoryRunStore(clock) if database is None else SqlRunStore(database, clock)

A fixture that needs a real database alone asks for ``sql_database``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.database import Database

IN_SQL = ("sqlite", "postgres")


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A new file with the newest schema."""
    database = SqliteDatabase(tmp_path / "state.db")
    yield database
    database.close()


@pytest.fixture(params=IN_SQL)
def sql_database(request: pytest.FixtureRequest) -> Database:
    """A new database of each kind in turn."""
    return cast("Database", request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture(params=["memory", *IN_SQL])
def database(request: pytest.FixtureRequest) -> Database | None:
    """A new database of each kind in turn, and None for the adapters in memory."""
    if request.param == "memory":
        return None
    return cast("Database", request.getfixturevalue(f"{request.param}_database"))
