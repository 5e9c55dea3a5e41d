"""Connections to a Postgres server: lent to one thread at a time, and kept while they are idle."""

import weakref
from contextlib import suppress
from threading import Lock
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from everfit.adapters.local.postgres_address import PostgresAddress

MOST_IDLE: Final = 8
UNFINISHED: Final = (TransactionStatus.INTRANS, TransactionStatus.INERROR)

Connection = psycopg.Connection[DictRow]


class PostgresConnections:
    """As many connections as threads ask for at once; a few stay open for the next."""

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._lock = Lock()
        self._idle: list[Connection] = []
        # A process that ends without a word closes them too.
        weakref.finalize(self, _close, self._idle)

    def lend(self) -> Connection:
        """Return a connection that nobody uses, a new one when there is none."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Connection.connect(self._address.parameters, autocommit=True, row_factory=dict_row)

    def take_back(self, connection: Connection) -> None:
        """Undo what was not committed, and keep the connection if it is of use."""
        with suppress(psycopg.Error):
            if connection.info.transaction_status in UNFINISHED:
                connection.execute("rollback")
            if connection.info.transaction_status is TransactionStatus.IDLE:
                with self._lock:
                    if len(self._idle) < MOST_IDLE:
                        self._idle.append(connection)
                        return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            _close(self._idle)


def _close(idle: list[Connection]) -> None:
    while idle:
        idle.pop().close()
