"""What SQLite's error codes mean to a person."""

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from everfit.domain.errors import BackendError, StateError


@contextmanager
def translated(path: Path) -> Generator[None, None, None]:
    """Turn every error of SQLite and of the file system into one that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(path, error) from error
    except OSError as error:
        raise _no_space(path) if error.errno == errno.ENOSPC else _unusable(path, str(error.strerror)) from error


def _in_words(path: Path, error: sqlite3.Error) -> BackendError:
    # Misuse of the module, such as a closed connection, has no code.
    code = getattr(error, "sqlite_errorcode", None)
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            # No fault of the step that wanted to write: its run is left as it is, to be resumed.
            return StateError(
                f"{path} has been locked by another process for too long. Try again; "
                "if it stays so, look for a process that holds the file open.",
                retryable=True,
            )
        case sqlite3.SQLITE_FULL:
            return _no_space(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return _unusable(path, str(error))
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
        case sqlite3.SQLITE_IOERR:
            return StateError(f"{path} could not be read or written ({error}). Check the disk, then try again.")
        case _:
            return BackendError(f"{path} refused a change: {error}.")


def damaged(path: Path, reason: str) -> StateError:
    """Return the error for a file that cannot be trusted."""
    return StateError(
        f"{path} is damaged or not Everfit's ({reason}). Restore a backup with `everfit restore`, "
        f"put back a copy of the folder {path.parent}, or move the folder away to start anew."
    )


def _no_space(path: Path) -> StateError:
    return StateError(f"There is no space left for {path}. Free some, then go on: nothing is half written.")


def _unusable(path: Path, reason: str) -> StateError:
    return StateError(
        f"{path} cannot be opened for writing ({reason}). Make the folder {path.parent} writable for this user, "
        "or set EVERFIT_HOME to one that is."
    )
