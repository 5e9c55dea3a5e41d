"""What Postgres' error codes mean to a person."""

from typing import Final

import psycopg
from psycopg import errors

from everfit.domain.errors import BackendError, StateError

TROUBLE: Final[tuple[tuple[tuple[type[psycopg.Error], ...], str, bool], ...]] = (
    (
        (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected),
        "{name} has been locked by another process for too long. Try again; "
        "if it stays so, look in pg_stat_activity for a session that holds a transaction open.",
        True,
    ),
    (
        (errors.DiskFull, errors.OutOfMemory),
        "There is no space left for {name} ({reason}). Free some on the server, then go on: nothing is half written.",
        False,
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        "{name} cannot be written ({reason}): the server is a standby or is set to read-only. "
        "Name the primary in EVERFIT_DATABASE.",
        False,
    ),
    (
        (errors.InsufficientPrivilege, errors.InvalidSchemaName),
        "{name} may not be used so by its user ({reason}). Give the user a database of its own, or the right to "
        "create tables in this one.",
        False,
    ),
    (
        (errors.DataCorrupted, errors.IndexCorrupted),
        "{name} is damaged ({reason}). Restore a backup with `everfit restore`.",
        False,
    ),
)
"""What the server's own trouble means, and whether trying again can help."""
FINAL_REFUSALS: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
)
"""What the server says, at the door and without a code, when asking again is of no use."""


def in_words(name: str, error: psycopg.Error) -> BackendError:
    """Return the error that says what to do; trouble of the server leaves a run as it is, to be resumed."""
    reason = first_line(error)
    if is_gone(error):
        return gone(name, reason)
    for kinds, words, is_retryable in TROUBLE:
        if isinstance(error, kinds):
            return StateError(words.format(name=name, reason=reason), retryable=is_retryable)
    return BackendError(f"{name} refused a change: {reason}.")


def is_gone(error: psycopg.Error) -> bool:
    """Return whether the error is about the connection or the server, and not about what was asked."""
    # Class 08: connection; 57P01 to 57P05: shut down, crashed, starting; 53300: too many connections.
    code = error.sqlstate
    if code is None:
        return isinstance(error, psycopg.OperationalError)
    kinds = (errors.TooManyConnections, errors.IdleInTransactionSessionTimeout)
    return code[:2] == "08" or code[:4] == "57P0" or isinstance(error, kinds)


def gone(name: str, reason: str) -> StateError:
    """Return the error for a server that went away inside a change."""
    return StateError(
        f"{name} went away ({reason}); what was being written was not kept. Try again when it is back.",
        retryable=True,
    )


def unknown_commit(name: str, reason: str) -> StateError:
    """Return the error for a server that went away while it was asked to keep a change."""
    return StateError(
        f"{name} went away while it was keeping a change ({reason}): whether it was kept shows when it is back. "
        "Try again: what was kept is found, and nothing is done twice.",
        retryable=True,
    )


def refused_at_the_door(name: str, error: psycopg.Error) -> StateError:
    """Return the error for a connection that could not be made."""
    reason = first_line(error)
    if is_final(error):
        return StateError(f"{name} does not let this user in ({reason}). Check EVERFIT_DATABASE.")
    return StateError(
        f"{name} cannot be reached ({reason}). Check that the server runs and that EVERFIT_DATABASE names it; "
        "then try again.",
        retryable=True,
    )


def wrong_encoding(name: str, encoding: str) -> StateError:
    """Return the error for a database that cannot hold every name."""
    return StateError(f"{name} is encoded as {encoding}. Create a database with encoding 'UTF8' for Everfit.")


def is_final(error: psycopg.Error) -> bool:
    """Return whether asking for the connection again is of no use."""
    return any(words in str(error) for words in FINAL_REFUSALS)


def first_line(error: psycopg.Error) -> str:
    """Return what happened in one line."""
    primary = error.diag.message_primary
    text = primary or next(iter(str(error).splitlines()), "") or type(error).__name__
    return text.strip().rstrip(".")
