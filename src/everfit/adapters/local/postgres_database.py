"""The database of an installation on a Postgres server that several processes and machines share.

One transaction writes at a time in the whole installation: each takes the same advisory lock first, so what it read
stays true until it ends, as with SQLite. A session that stops in the middle of a transaction loses it to the server
after the patience, so that a paused process holds up nobody for long. Only the beginning of a transaction is ever tried
again; a block that was cut off is never repeated here.
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from everfit.adapters.local.postgres_address import PostgresAddress
from everfit.adapters.local.postgres_connections import Connection, PostgresConnections
from everfit.adapters.local.postgres_errors import (
    first_line,
    in_words,
    is_final,
    is_gone,
    refused_at_the_door,
    unknown_commit,
    wrong_encoding,
)
from everfit.adapters.local.postgres_sql import with_named_parameters
from everfit.adapters.sql.database import MIGRATIONS, Kind, Row, Statements, known_migrations, refuse_newer, storable
from everfit.domain.errors import BackendError

POSTGRES_MIGRATIONS: Final = MIGRATIONS / "postgres"
FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0
ROWS_AT_ONCE: Final = 1000

LOCK: Final = "select pg_advisory_xact_lock(1702257010, hashtext(coalesce(current_schema(), '')))"
"""One lock for each installation; a database may hold several, each in a schema of its own."""
BEGIN_READING: Final = "begin isolation level repeatable read, read only"
BEGIN_WRITING: Final = (
    "begin isolation level read committed; set local lock_timeout = {patience};"
    " set local idle_in_transaction_session_timeout = {patience};"
    # What is committed has to be on the disk, whatever the server's own habit is.
    " select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'; "
) + LOCK
# Not by to_regclass: it may answer from before the lock was given.
HAS_SCHEMA: Final = "select 1 from pg_tables where schemaname = current_schema() and tablename = 'schema_version'"
VERSION: Final = "select version from schema_version"


class PostgresStatements:
    """Implements ``Statements`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, sql: str, values: Mapping[str, object] | None = None) -> int:
        return self._run(sql, values or {}).rowcount

    def one(self, sql: str, values: Mapping[str, object]) -> Row | None:
        return self._run(sql, values).fetchone()

    def all(self, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
        return self._run(sql, values).fetchall()

    def each(self, sql: str) -> Iterator[Mapping[str, object]]:
        with self._connection.cursor("each") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            yield from cursor.execute(sql.encode())

    def _run(self, sql: str, values: Mapping[str, object]) -> psycopg.Cursor[DictRow]:
        return self._connection.execute(with_named_parameters(sql), storable(values))


class PostgresDatabase:
    """Implements ``Database`` on a server.

    Args:
        patience: how long to ask for the write lock, or for a server that is away, before giving up.
        up_to: the schema to stop at; None means the newest.
    """

    def __init__(
        self,
        address: PostgresAddress,
        *,
        patience: timedelta = timedelta(seconds=30),
        migrations: Path = POSTGRES_MIGRATIONS,
        up_to: int | None = None,
    ) -> None:
        self._name = address.name
        self._connections = PostgresConnections(address)
        self._patience = patience.total_seconds()
        self._begin_writing = BEGIN_WRITING.format(patience=int(self._patience * 1000))
        self._known = known_migrations(migrations, up_to)
        self._writing = Lock()
        self._migrating = Lock()
        self._is_migrated = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def kind(self) -> Kind:
        return Kind.POSTGRES

    @property
    def migrations(self) -> Sequence[Path]:
        return self._known

    @contextmanager
    def transaction(self) -> Generator[Statements, None, None]:
        with self._writing, self._begun(f"{self._begin_writing}; {VERSION}") as connection:
            yield PostgresStatements(connection)
            self._commit(connection)

    @contextmanager
    def reading(self) -> Generator[Statements, None, None]:
        with self._begun(BEGIN_READING) as connection:
            yield PostgresStatements(connection)

    def examined(self) -> str:
        with self.transaction() as rows:
            row = rows.one("select current_setting('server_version') as version", {})
        version = "" if row is None else str(row["version"]).split()[0]
        return f"PostgreSQL {version}, schema {len(self._known)}: {self._name}"

    def close(self) -> None:
        self._connections.close()

    @contextmanager
    def _begun(self, sql: str) -> Generator[Connection, None, None]:
        connection = self._begin(sql)
        try:
            yield connection
        except psycopg.Error as error:
            raise in_words(self._name, error) from error
        finally:
            self._connections.take_back(connection)

    def _begin(self, sql: str) -> Connection:
        """Begin a transaction, for as long as the patience lasts when the server is away."""
        end = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                return self._started(sql)
            except psycopg.Error as error:
                if not is_gone(error):
                    raise in_words(self._name, error) from error
                if is_final(error) or time.monotonic() >= end:
                    raise refused_at_the_door(self._name, error) from error
            # A server that was restarted has closed all of them.
            self._connections.close()
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _started(self, sql: str) -> Connection:
        connection = self._connections.lend()
        try:
            self._migrate_once(connection)
            cursor = connection.execute(sql.encode())
            while cursor.nextset():
                pass
            if cursor.description and cursor.description[0].name == "version":
                refuse_newer(self._name, _number(cursor.fetchone()), len(self._known))
        except BaseException:
            self._connections.take_back(connection)
            raise
        return connection

    def _commit(self, connection: Connection) -> None:
        if connection.info.transaction_status is TransactionStatus.INERROR:
            raise BackendError(f"{self._name} refused a change; nothing was kept.")
        try:
            connection.execute("commit")
        except psycopg.Error as error:
            if is_gone(error):
                raise unknown_commit(self._name, first_line(error)) from error
            raise

    def _migrate_once(self, connection: Connection) -> None:
        with self._migrating:
            if not self._is_migrated:
                self._migrate(connection)
                self._is_migrated = True

    def _migrate(self, connection: Connection) -> None:
        encoding = connection.info.parameter_status("server_encoding") or ""
        if encoding not in {"UTF8", "SQL_ASCII"}:
            raise wrong_encoding(self._name, encoding)
        if self._found(connection) == len(self._known):
            return
        connection.execute(self._begin_writing.encode())
        found = self._found(connection)
        connection.execute("create table if not exists schema_version (version bigint not null)")
        for path in self._known[found:]:
            connection.execute(path.read_bytes())
        connection.execute("delete from schema_version")
        connection.execute("insert into schema_version values (%s)", (len(self._known),))
        connection.execute("commit")

    def _found(self, connection: Connection) -> int:
        """Return the version of the schema, 0 when there is none; refuse a newer one."""
        if connection.execute(HAS_SCHEMA).fetchone() is None:
            return 0
        found = _number(connection.execute(VERSION).fetchone())
        refuse_newer(self._name, found, len(self._known))
        return found


def _number(row: Mapping[str, Any] | None) -> int:
    return 0 if row is None else int(row["version"])
