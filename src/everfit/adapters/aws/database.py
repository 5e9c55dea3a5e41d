"""The state of an installation as one SQLite image in S3, read into memory and replaced as a whole.

A writer holds the lock, reads the newest image, works on it in memory, and replaces it only if it is still the one it
read: nothing is lost whatever happens to the lock. A reader asks whether its image is still the newest; S3 answers
every read with the last accepted write (user guide, "Amazon S3 data consistency model").
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects
from everfit.adapters.aws.state_lock import Hold, StateLock
from everfit.adapters.sql.database import Kind, Statements, known_migrations, refuse_newer
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS, SqliteStatements, bring_up, schema_version
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError, StateError

LIFETIME: Final = timedelta(seconds=20)
PATIENCE: Final = timedelta(seconds=60)
REMEMBERED: Final = 8
"""Ids of earlier writes in an image's metadata; a writer that missed its answer finds its own among them."""
DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN)
LOOSE_PAGES: Final = 256
"""Free pages up to this are carried along; beyond a quarter of the image they are left out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A state as it was in S3."""

    etag: str = NOTHING
    data: bytes = b""
    writes: tuple[str, ...] = ()


class S3Database:
    """Implements ``Database`` in one object; it is made, or brought to the newest schema, when it is first used.

    Args:
        lifetime: of a writer's lock; the next writer goes on after it when one was killed.
        patience: how long to ask for the lock before giving up.
        up_to: the schema to stop at; None means the newest.
    """

    def __init__(
        self,
        clients: Clients,
        place: AwsPlace,
        *,
        lifetime: timedelta = LIFETIME,
        patience: timedelta = PATIENCE,
        migrations: Path = SQLITE_MIGRATIONS,
        up_to: int | None = None,
    ) -> None:
        self._objects = S3Objects(clients, place)
        self._key = f"{place.prefix}/state.db"
        self._lock = StateLock(self._objects, f"{place.prefix}/state.lock", lifetime=lifetime, patience=patience)
        self._known = known_migrations(migrations, up_to)
        self._writing = Lock()
        self._reading = Lock()
        self._image = Image()
        self._reader: sqlite3.Connection | None = None
        self._read = NOTHING

    @property
    def name(self) -> str:
        return self._objects.url(self._key)

    @property
    def kind(self) -> Kind:
        return Kind.SQLITE

    @property
    def migrations(self) -> Sequence[Path]:
        return self._known

    @contextmanager
    def transaction(self) -> Generator[Statements, None, None]:
        with self._writing, self._lock.held() as hold:
            image = self._newest()
            with self._translated(), closing(_opened(image)) as connection:
                is_new = self._brought_up(connection, image)
                before = connection.total_changes
                with _kept(connection):
                    yield SqliteStatements(connection)
                if is_new or connection.total_changes != before:
                    self._replace(image, connection, hold)

    @contextmanager
    def reading(self) -> Generator[Statements, None, None]:
        with self._reading:
            connection = self._reader_connection()
            with self._translated():
                connection.execute("begin")
                try:
                    yield SqliteStatements(connection)
                finally:
                    connection.execute("rollback")

    def changed(self) -> object:
        """Return a value that is another one when anybody has written; it costs one look at the object."""
        try:
            return self._objects.look(self._key).etag
        except NotFoundError:
            return NOTHING

    def examined(self) -> str:
        with self.reading() as rows:
            found = rows.all("pragma quick_check(1)", {})
            broken = rows.all("pragma foreign_key_check", {})
        said = found[0]["quick_check"]
        if said != "ok" or broken:
            raise self._damaged(said if said != "ok" else f"a row of {broken[0]['table']} refers to nothing")
        return f"SQLite {sqlite3.sqlite_version}, schema {len(self._known)}, whole: {self.name}"

    def close(self) -> None:
        with self._writing, self._reading:
            if self._reader is not None:
                self._reader.close()
            self._reader, self._read, self._image = None, NOTHING, Image()

    def _newest(self) -> Image:
        try:
            found = self._objects.get(self._key, unless=self._image.etag)
        except NotFoundError as error:
            if self._image.etag != NOTHING:
                raise StateError(
                    f"{self.name} was there a moment ago and is gone. Bring it back: a bucket with versioning keeps "
                    "it behind its delete marker. To start anew instead, start this process again."
                ) from error
        else:
            if found is not None:
                self._image = Image(etag=found.facts.etag, data=found.data, writes=found.facts.writes)
        return self._image

    def _reader_connection(self) -> sqlite3.Connection:
        image = self._newest()
        if image.etag == NOTHING or self._is_old(image):
            with self.transaction():
                pass  # It makes the image, or brings it to the newest schema.
            image = self._newest()
        if self._reader is None or self._read != image.etag:
            if self._reader is not None:
                self._reader.close()
            with self._translated():
                self._reader = _opened(image)
                self._reader.execute("pragma query_only = on")
            self._read = image.etag
        return self._reader

    def _is_old(self, image: Image) -> bool:
        if image.etag == self._read:
            return False
        with self._translated(), closing(_opened(image)) as connection:
            found = schema_version(connection)
        refuse_newer(self.name, found, len(self._known))
        return found < len(self._known)

    def _brought_up(self, connection: sqlite3.Connection, image: Image) -> bool:
        """Take the image to the newest schema; return whether that changed it."""
        found = schema_version(connection)
        # Also a newer release that came while this one was running is found out.
        refuse_newer(self.name, found, len(self._known))
        if found == len(self._known):
            return False
        if found:
            self._objects.put(Put(key=f"{self._key}.before-{len(self._known)}", body=image.data))
        with _kept(connection):
            bring_up(connection, self._known)
        return True

    def _replace(self, image: Image, connection: sqlite3.Connection, hold: Hold) -> None:
        _leave_out_loose_pages(connection)
        data = connection.serialize()
        written = None
        if not hold.is_over:
            earlier = image.writes[:REMEMBERED]
            written = self._objects.put(Put(key=self._key, body=data, replaces=image.etag, earlier=earlier))
        if written is None:
            raise BackendError(
                f"{self.name} was changed by another writer meanwhile, which had to take over the lock. "
                "Nothing was written; try again.",
                retryable=True,
            )
        self._image = Image(etag=written.etag, data=data, writes=(written.write, *image.writes))

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is not None and code & 0xFF in DAMAGED:
                raise self._damaged(str(error)) from error
            if isinstance(error, sqlite3.DatabaseError) and code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
                raise StateError(f"{self.name} has become too large for the memory of this process.") from error
            raise BackendError(f"{self.name} refused a change: {error}.") from error

    def _damaged(self, reason: str) -> StateError:
        return StateError(
            f"{self.name} is damaged or not Everfit's ({reason}). Bring an earlier version of the object back, which "
            "the bucket keeps when its versioning is on, or restore a backup with `everfit restore`."
        )


def _opened(image: Image) -> sqlite3.Connection:
    # Every use is under one of the two locks, so threads may share a connection.
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        if image.data:
            connection.deserialize(image.data)
        connection.execute("pragma foreign_keys = on")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _kept(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _leave_out_loose_pages(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("pragma page_count").fetchone()
    (loose,) = connection.execute("pragma freelist_count").fetchone()
    if loose > max(LOOSE_PAGES, pages // 4):
        connection.execute("vacuum")
