"""What the stores need of a database: transactions in plain SQL that SQLite and Postgres both understand.

Parameters are ``:name``, instants are ISO text, truths are 0 and 1. One transaction writes at a time, so that what it
reads stays true until it ends; readers see one moment and wait for nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol

from everfit.domain.errors import StateError

MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Kind(Enum):
    """The dialects."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


class Row(Protocol):
    """One row of an answer; its values are read by column name."""

    def __getitem__(self, name: str, /) -> Any: ...


class Statements(Protocol):
    """What a transaction can say: plain SQL with ``:name`` parameters."""

    def write(self, sql: str, values: Mapping[str, object] | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def one(self, sql: str, values: Mapping[str, object]) -> Row | None:
        """Return the first row of the answer, if there is one."""
        ...

    def all(self, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
        """Return every row of the answer."""
        ...

    def each(self, sql: str) -> Iterator[Mapping[str, object]]:
        """Yield every row of an answer that may be too long for the memory."""
        ...


class Database(Protocol):
    """The database of an installation; it is brought to the newest schema when it is first used."""

    @property
    def name(self) -> str:
        """How a person knows it; no password is in it."""
        ...

    @property
    def kind(self) -> Kind:
        """Which dialect it speaks where the two differ."""
        ...

    @property
    def migrations(self) -> Sequence[Path]:
        """The steps to its schema, whose number is the schema's version."""
        ...

    def transaction(self) -> AbstractContextManager[Statements]:
        """Give one transaction that may write; it is kept when the block ends, and undone when it raises."""
        ...

    def reading(self) -> AbstractContextManager[Statements]:
        """Give one consistent view that may not write and that no writer holds up."""
        ...

    def examined(self) -> str:
        """Return what a look at the whole database gives, or raise the error that says what is wrong with it."""
        ...

    def close(self) -> None:
        """Let go of every connection; the database opens again when it is used."""
        ...


def storable(values: Mapping[str, object]) -> Mapping[str, object]:
    """Write out what no database keeps: names and last words from outside may hold bytes that are no Unicode."""
    return {name: _text(value) if isinstance(value, str) else value for name, value in values.items()}


def known_migrations(folder: Path, up_to: int | None = None) -> Sequence[Path]:
    """Return the numbered files in their order; the number of the last one is the schema's version.

    Args:
        up_to: the last one that is wanted; None means all.
    """
    return sorted(path for path in folder.iterdir() if path.suffix == ".sql")[:up_to]


def refuse_newer(name: str, found: int, known: int) -> None:
    """Raise the error for a schema that a later release has written."""
    if found > known:
        raise StateError(
            f"{name} was written by a newer Everfit: its schema is version {found}, this Everfit knows up to {known}. "
            "Upgrade Everfit; nothing was changed."
        )


def _text(value: str) -> str:
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    return value.replace("\0", "\\x00")
