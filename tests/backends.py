"""One fixture for every contract suite: each test runs in memory, over SQLite, over Postgres and over S3.

A suite asks for ``database`` and makes what it tests from it::

    @pytest.fixture
    def store(database: Database | None, clock: SettableClock) -> RunStore:
        return MemoryRunStore(clock) if database is None else SqlRunStore(database, clock)

A fixture that needs a real database alone asks for ``sql_database``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.database import Database
from tests.aws_bench import BUCKET, REGION

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from everfit.adapters.aws.database import S3Database
    from everfit.domain.aws import AwsPlace

IN_SQL = ("sqlite", "postgres", "s3")


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A new file with the newest schema."""
    database = SqliteDatabase(tmp_path / "state.db")
    yield database
    database.close()


@pytest.fixture
def some_place() -> "AwsPlace":
    """The place of an installation whose bucket nobody has made."""
    from everfit.domain.aws import aws_place  # noqa: PLC0415

    return aws_place("churn", "production", {"region": REGION, "bucket": BUCKET}, {})


@pytest.fixture
def s3_place(aws_clients: "Clients", some_place: "AwsPlace") -> "AwsPlace":
    """The place of an installation in the bench's bucket."""
    del aws_clients
    return some_place


@pytest.fixture
def s3_database(aws_clients: "Clients", s3_place: "AwsPlace") -> "Iterator[S3Database]":
    """A new state in the bench's S3 with the newest schema."""
    from everfit.adapters.aws.database import S3Database  # noqa: PLC0415

    database = S3Database(aws_clients, s3_place)
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
