"""Makes an installation again out of a backup: into an empty state folder and an empty database of either kind.

Everything is unpacked and checked in a folder beside its place first. The database becomes the installation's at the
very end, so that a restore that is cut off is no installation; the next one sweeps it away and begins anew.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from everfit.adapters.files.disk import remove_folder, replace_file, writing
from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.adapters.local.backup_archive import FILES, ROWS, Head, read_head, unpack, whole
from everfit.adapters.local.home import FILE
from everfit.adapters.local.service_lock import FILE as SERVICE_LOCK
from everfit.adapters.local.service_lock import ServiceLock
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.database import Database, Kind, Statements, known_migrations
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS
from everfit.adapters.sql.state_rows import fill, is_empty, set_counters, tables_of
from everfit.domain.errors import BusyError, RefusedError

INCOMING: Final = ".incoming-restore-"
DESIRED: Final = "host/desired.json"

OpenShared = Callable[[int], Database]
"""Opens the database that several machines share, at a schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was made.

    Args:
        created: when the backup was made.
        home: the state folder now.
        was: the state folder that was saved.
    """

    home: Path
    database: str
    created: str
    was: str
    rows: int


def restore_backup(path: Path, home: Path, open_shared: OpenShared | None = None) -> Restored:
    """Make the installation that the backup holds in *home*.

    Args:
        open_shared: None puts the database into a file in *home*.
    """
    head = read_head(path)
    _check_schema(path, head)
    with ExitStack() as stack:
        shared = None if open_shared is None else stack.enter_context(closing(open_shared(head.schema)))
        if shared is not None:
            with shared.reading() as rows:
                _check_rows(shared, rows)
        stack.enter_context(writing(home, path.stat().st_size))
        _check_home(home)
        home.mkdir(parents=True, exist_ok=True)
        incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=home))
        try:
            unpack(path, incoming)
            database = shared or stack.enter_context(closing(SqliteDatabase(incoming / FILE, up_to=head.schema)))
            with whole(path):
                made = _Restoring(head, home, incoming).make(database)
        except BaseException:
            _empty(home)
            raise
        remove_folder(incoming)
        return made


def _check_schema(path: Path, head: Head) -> None:
    newest = len(known_migrations(SQLITE_MIGRATIONS))
    if head.schema > newest:
        raise RefusedError(
            f"{path} was written by a newer Everfit ({head.everfit}): its schema is version {head.schema}, this "
            f"Everfit knows up to {newest}. Upgrade Everfit; nothing was changed."
        )


def _check_rows(database: Database, rows: Statements) -> None:
    if not is_empty(rows, tables_of(database.migrations)):
        raise RefusedError(
            f"{database.name} is not empty: a restore never writes over anything. Create a database for it."
        )


def _check_home(home: Path) -> None:
    holder = ServiceLock(home).holder()
    if holder is not None:
        raise BusyError(f"A service keeps {home}: {holder.process}. Stop it first.")
    if not home.exists():
        return
    names = os.listdir(home)
    if FILE not in names and any(name.startswith(INCOMING) for name in names):
        # A restore that was cut off has left all of this; nothing was ever done with it.
        _empty(home)
        return
    kept = [name for name in names if name != SERVICE_LOCK]
    if kept:
        raise RefusedError(
            f"{home} is not empty ({', '.join(sorted(kept)[:3])}): a restore never writes over anything. "
            "Name an empty folder with --into, or move this one away."
        )


def _empty(home: Path) -> None:
    """Remove what a restore has made; what tells of it goes last."""
    for name in sorted(os.listdir(home), key=lambda name: name.startswith(INCOMING)):
        path = home / name
        if path.is_dir() and not path.is_symlink():
            remove_folder(path)
        elif name != SERVICE_LOCK:
            path.unlink()


class _Restoring:
    """One restore on its way."""

    def __init__(self, head: Head, home: Path, incoming: Path) -> None:
        self._head, self._home, self._incoming = head, home, incoming
        # Paths into the old state folder lead into the new one, wherever they stand.
        self._old = re.compile(rf"(?<![\w./-]){re.escape(head.home)}(?=/)")

    def make(self, database: Database) -> Restored:
        """Fill the database and put everything in its place."""
        fence = self._host()
        with database.transaction() as rows:
            count = self._rows(database, rows)
            # Nobody of those who held a claim when the backup was made may go on with it.
            rows.write(
                "update lease set owner = null, run = null, fence = 1 + (select case when max(fence) > :fence"
                " then max(fence) else :fence end from lease)",
                {"fence": fence},
            )
            self._place()
            self._models()
            os.sync()
        name = database.name
        if database.kind is Kind.SQLITE:
            database.close()
            name = str(self._home / FILE)
            os.replace(self._incoming / FILE, name)
        return Restored(home=self._home, database=name, created=self._head.created, was=self._head.home, rows=count)

    def _rows(self, database: Database, rows: Statements) -> int:
        _check_rows(database, rows)
        count = 0
        for table in tables_of(database.migrations):
            with (self._incoming / ROWS / f"{table}.jsonl").open("rb") as lines:
                count += fill(rows, table, lines, self._moved)
        set_counters(database, rows, self._head.counters)
        return count

    def _moved(self, text: str) -> str:
        return self._old.sub(lambda _: str(self._home), text) if self._head.home in text else text

    def _host(self) -> int:
        """Let the host's wishes lead into the new folder; return the highest fence that it knows."""
        path = self._incoming / FILES / DESIRED
        if not path.exists():
            return 0
        document = json.loads(path.read_bytes())
        replace_file(path, json.dumps(self._walked(document), indent=1).encode())
        return max((int(endpoint["fence"]) for endpoint in document["endpoints"].values()), default=0)

    def _walked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._moved(value)
        if isinstance(value, list):
            return [self._walked(each) for each in cast("Sequence[Any]", value)]
        if isinstance(value, dict):
            return {name: self._walked(each) for name, each in cast("Mapping[str, Any]", value).items()}
        return value

    def _place(self) -> None:
        files = self._incoming / FILES
        for name in sorted(os.listdir(files)) if files.exists() else ():
            os.replace(files / name, self._home / name)

    def _models(self) -> None:
        """Unpack what the host is to serve, which checks it too."""
        path = self._home / DESIRED
        if not path.exists():
            return
        artifacts = LocalArtifacts(self._home)
        for endpoint in json.loads(path.read_bytes())["endpoints"].values():
            for version in endpoint["versions"].values():
                artifacts.unpacked(version["artifact"])
