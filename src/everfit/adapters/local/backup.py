"""Copies a whole installation into one file while it goes on working.

The rows are of one moment. The files are copied after that: each is written once and never changed, so what the rows
name is there; what went away in between belonged to a version that retention was removing.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from everfit import __version__
from everfit.adapters.files.disk import put_file
from everfit.adapters.local.backup_archive import FILES, FORMAT, ROWS, BackupWriter, Head
from everfit.adapters.local.home import FILE
from everfit.adapters.sql.database import Database, Statements
from everfit.adapters.sql.state_rows import counters, lines_of, tables_of
from everfit.domain.errors import NotFoundError, RequestError, StateError

LEFT_OUT: Final = ("models", "git", "runs", "host", "service.lock")
"""Unpacked anew, fetched anew, or of processes that live here; what is needed of runs and the host is named below."""
OF_THE_HOST: Final = ("desired.json", "moved.json", "port")
TEMPORARY: Final = (".incoming-", ".new-", ".lock", f"{FILE}", f".{FILE}")
MEMORY: Final = "seen-"
COMPLETE: Final = "complete"
IN_MEMORY: Final = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was written.

    Args:
        size: of the file, in bytes.
        left_out: what could not be read and is therefore missing.
    """

    path: Path
    size: int
    rows: int
    files: int
    left_out: tuple[str, ...]


def write_backup(home: Path, database: Database, target: Path, now: str) -> Backup:
    """Write the installation into the new file *target*, whole or not at all."""
    target = target.absolute()
    _check(home, database, target)
    try:
        descriptor, name = tempfile.mkstemp(prefix=".incoming-", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    temporary, writing = Path(name), _Writing(home, database)
    try:
        with open(descriptor, "wb") as file:
            writing.write(file, target.parent, now)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        _put(temporary, target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return Backup(path=target, size=size, rows=writing.rows, files=writing.files, left_out=tuple(writing.left_out))


def _check(home: Path, database: Database, target: Path) -> None:
    if not home.is_dir():
        raise NotFoundError(f"There is no state in {home} yet, so there is nothing to back up.")
    if target.exists() or target.is_symlink():
        raise RequestError(f"{target} exists. Name a new file: a backup is never overwritten.")
    if not target.parent.is_dir():
        raise RequestError(f"There is no folder {target.parent} for the backup. Make it first.")
    if target.resolve().is_relative_to(home.resolve()):
        raise RequestError(f"{target} lies in the state folder that it is to save. Name a place outside {home}.")
    if str(home / FILE) == database.name and not (home / FILE).exists():
        raise NotFoundError(f"There is no state in {home} yet, so there is nothing to back up.")


class _Writing:
    """One backup on its way."""

    def __init__(self, home: Path, database: Database) -> None:
        self._home, self._database = home, database
        self.rows = self.files = 0
        self.left_out: list[str] = []

    def write(self, file: IO[bytes], folder: Path, now: str) -> None:
        """Write everything; *folder* is for what does not fit into memory on the way."""
        with ExitStack() as stack:
            with self._database.reading() as rows:
                archive = stack.enter_context(closing(BackupWriter(file, self._head(rows, now))))
                for table in tables_of(self._database.migrations):
                    self._add_rows(archive, table, lines_of(rows, table), folder)
                under_way = rows.all("select id from run where state <> 'ended' and outcome is null", {})
            for path in self._found([row["id"] for row in under_way]):
                self._add(archive, path)
            archive.finish()

    def _add_rows(self, archive: BackupWriter, table: str, lines: Iterator[bytes], folder: Path) -> None:
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder)) as spool:
            for line in lines:
                spool.write(line)
                self.rows += 1
            size = spool.tell()
            spool.seek(0)
            archive.add_content(f"{ROWS}{table}.jsonl", cast("IO[bytes]", spool), size)

    def _head(self, rows: Statements, now: str) -> Head:
        return Head(
            format=FORMAT,
            everfit=__version__,
            schema=len(self._database.migrations),
            home=str(self._home),
            database=self._database.kind.value,
            created=now,
            counters=counters(self._database, rows),
        )

    def _found(self, under_way: Sequence[str]) -> Iterator[Path]:
        for name in sorted(os.listdir(self._home)):
            if name not in LEFT_OUT and not name.startswith(TEMPORARY):
                yield from _below(self._home / name)
        for name in OF_THE_HOST:
            yield self._home / "host" / name
        for run in under_way:
            # A job that has not ended is begun anew; one that has ended is what the next step works on.
            for result in (self._home / "runs" / run).glob("*/result.json"):
                yield from _below(result.parent)

    def _add(self, archive: BackupWriter, path: Path) -> None:
        name = str(path.relative_to(self._home))
        try:
            if path.is_symlink():
                archive.add_link(f"{FILES}{name}", os.readlink(path))
            else:
                with path.open("rb") as content:
                    found = os.fstat(content.fileno())
                    archive.add_content(f"{FILES}{name}", content, found.st_size, stat.S_IMODE(found.st_mode))
        except FileNotFoundError:
            # Retention removed it since the rows were read, or the host has served nothing yet.
            return
        except PermissionError:
            self.left_out.append(name)
            return
        self.files += 1


def _below(path: Path) -> Iterator[Path]:
    """Yield the files and links, and nothing that is only half there."""
    if path.is_symlink() or not path.is_dir():
        if path.is_file() and not path.name.startswith((*TEMPORARY, MEMORY)):
            yield path
        return
    if path.parent.name == "environments" and not (path / COMPLETE).exists():
        return
    for name in sorted(os.listdir(path)):
        yield from _below(path / name)


def _put(temporary: Path, target: Path) -> None:
    """Give the file its name, unless somebody else has taken it meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        raise RequestError(f"{target} exists. Name a new file: a backup is never overwritten.") from error
    except OSError:
        # Some file systems know no second name.
        put_file(temporary, target)


def _unwritable(target: Path, error: OSError) -> StateError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StateError(f"There is no room for {target} ({error.strerror}). Nothing was left there.")
    return StateError(f"{target} cannot be written ({error.strerror or error}). Nothing was left there.")
