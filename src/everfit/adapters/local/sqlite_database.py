"""The one SQLite file: connections, transactions and the schema's migrations, forward only.

Writers queue up in the process first and ask SQLite for its lock again and again: its own busy handler is unfair and
starves a process beside one that writes in a loop. Readers have a connection of their own and wait for nobody.
"""

import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from everfit.adapters.files.disk import put_file
from everfit.adapters.sql.database import Kind, Statements, known_migrations, refuse_newer
from everfit.adapters.sql.sqlite_errors import damaged, translated
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS, SqliteStatements, bring_up, schema_version

BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
FIRST_PAUSE: Final = 0.002
LONGEST_PAUSE: Final = 0.02


class SqliteDatabase:
    """Implements ``Database`` in one file; it is made, or brought to the newest schema, when it is first used.

    Args:
        patience: how long to ask for the write lock before giving up.
        up_to: the schema to stop at; None means the newest.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: timedelta = timedelta(seconds=30),
        migrations: Path = SQLITE_MIGRATIONS,
        up_to: int | None = None,
    ) -> None:
        self._path = path
        self._patience = patience.total_seconds()
        self._known = known_migrations(migrations, up_to)
        self._writing = Lock()
        self._reading = Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def kind(self) -> Kind:
        return Kind.SQLITE

    @property
    def migrations(self) -> Sequence[Path]:
        return self._known

    @contextmanager
    def transaction(self) -> Generator[Statements, None, None]:
        with self._writing, translated(self._path):
            connection = self._writer_connection()
            if connection.in_transaction:
                connection.execute("rollback")
            self._persist(connection, "begin immediate")
            try:
                self._refuse_newer(connection)
                yield SqliteStatements(connection)
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    @contextmanager
    def reading(self) -> Generator[Statements, None, None]:
        if self._reader is None:
            # Only a writer can make the file.
            with self._writing, translated(self._path):
                self._writer_connection()
        with self._reading, translated(self._path):
            if self._reader is None:
                self._reader = self._connect()
                self._reader.execute("pragma query_only = on")
            connection = self._reader
            if connection.in_transaction:
                connection.execute("rollback")
            self._persist(connection, "begin")
            try:
                yield SqliteStatements(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("rollback")

    def examined(self) -> str:
        with self.reading() as rows:
            found = rows.all("pragma quick_check(1)", {})
            broken = rows.all("pragma foreign_key_check", {})
        said = found[0]["quick_check"]
        if said != "ok" or broken:
            raise damaged(self._path, said if said != "ok" else f"a row of {broken[0]['table']} refers to nothing")
        return f"SQLite {sqlite3.sqlite_version}, schema {len(self._known)}, whole: {self._path}"

    def close(self) -> None:
        with self._writing, self._reading:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    def _writer_connection(self) -> sqlite3.Connection:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect()
            try:
                self._persist(connection, "pragma journal_mode = wal")
                connection.execute("pragma synchronous = full")
                connection.execute("pragma foreign_keys = on")
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._writer = connection
        return self._writer

    def _connect(self) -> sqlite3.Connection:
        # Every use is under one of the two locks, so threads may share a connection.
        connection = sqlite3.connect(self._path, timeout=0.01, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def _persist(self, connection: sqlite3.Connection, sql: str) -> None:
        """Run a statement that needs a lock, for as long as the patience lasts."""
        end = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in BUSY or time.monotonic() >= end:
                    raise
            else:
                return
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if schema_version(connection) == len(self._known):
            return
        self._persist(connection, "begin exclusive")
        try:
            self._refuse_newer(connection)
            found = schema_version(connection)
            if 0 < found < len(self._known):
                self._keep_copy()
            bring_up(connection, self._known)
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise

    def _keep_copy(self) -> None:
        """Keep the file as it is beside itself; what is under way here has changed nothing yet."""
        target = self._path.with_name(f"{self._path.name}.before-{len(self._known)}")
        beside = target.with_name(f".{target.name}")
        beside.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(beside)) as copy:
                source.backup(copy)
            put_file(beside, target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _refuse_newer(self, connection: sqlite3.Connection) -> None:
        """Also a newer release that came while this one was running is found out."""
        refuse_newer(self.name, schema_version(connection), len(self._known))
