"""Who sees which row: the same row is on the same side in every snapshot.

Without a time column a row's place comes from its own text alone, so neither its neighbours, nor the order of rows or
columns, nor the file it stands in can move it. With one, the newest part is the holdout, and the time at which it
starts never goes back: a row may leave the holdout as time goes on, it can never enter it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from hashlib import md5
from typing import Final

PLACES: Final = 2**64
SEPARATOR: Final = "\x1f"


class Side(Enum):
    """What a row is for."""

    TRAIN = "train"
    VALIDATION = "validation"
    HOLDOUT = "holdout"


def row_text(values: Mapping[str, str | None]) -> str:
    """Return what a row without an id is known by: its values in the order of the columns' names."""
    return SEPARATOR.join(values[name] or "" for name in sorted(values))


def place(text: str) -> int:
    """Return a number from 0 to 2**64 - 1: the last eight bytes of the MD5 of *text*, the lowest first."""
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[8:], "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Places below ``holdout`` are the holdout; from there to below ``validation``, the validation."""

    holdout: int
    validation: int

    def side(self, where: int) -> Side:
        """Return the side of the row at place *where*."""
        if where < self.holdout:
            return Side.HOLDOUT
        return Side.VALIDATION if where < self.validation else Side.TRAIN


def bounds(holdout: float, validation: float) -> Bounds:
    """Return the bounds for shares of the rows, and of the rest of the rows."""
    held, kept = Fraction(str(holdout)), Fraction(str(validation))
    return Bounds(holdout=int(held * PLACES), validation=int((held + (1 - held) * kept) * PLACES))


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoffChoice:
    """A time at which the newest part could start, and how many rows it would hold; times sort as text."""

    at: str
    rows: int


def choose_cutoff(choices: Sequence[CutoffChoice], rows: int, share: float) -> str | None:
    """Return the time that makes the newest part nearest to *share* of the rows and leaves both parts some.

    Rows of one time stay together, whatever share that makes. None when no choice leaves rows on both sides.
    """
    possible = [choice for choice in choices if 0 < choice.rows < rows]
    if not possible:
        return None
    return min(possible, key=lambda choice: (abs(Fraction(choice.rows, rows) - Fraction(str(share))), choice.at)).at
