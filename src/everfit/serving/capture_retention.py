"""Which captured files go: those that are too old, then the oldest of what is too much; pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file of captured requests or labels.

    Args:
        size: in bytes.
        written: when it was written to last, in seconds since 1970.
    """

    name: str
    size: int
    written: float


def too_old_or_too_much(stored: Sequence[Stored], now: float, keep: float, most: int) -> list[str]:
    """Return the names of the files that go.

    Args:
        now: seconds since 1970.
        keep: seconds.
        most: bytes that may stay.
    """
    newest_first = sorted(stored, key=lambda file: (file.written, file.name), reverse=True)
    gone: list[str] = []
    total = 0
    for file in newest_first:
        total += file.size
        if now - file.written > keep or total > most:
            gone.append(file.name)
    return gone


def trusted_now(now: float, began: float, elapsed: float) -> float:
    """Return what time it is for telling what is old: a clock that is set forward makes nothing old at once.

    Args:
        now: what the clock says, in seconds since 1970.
        began: what the clock said when this process began.
        elapsed: seconds since then, by a clock that is never set.
    """
    return min(now, began + elapsed)
