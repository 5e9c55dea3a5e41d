"""Runs that can be gone on with, and which of them the workers of this service have in hand."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from typing import Final

from everfit.domain.run import Run, RunId

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0

Place = tuple[str, str]
"""A model and an environment: at most one run of it is driven at a time."""


def place_of(run: Run) -> Place:
    """Return the model and environment of the run."""
    return run.model, run.environment


class Work:
    """Hands runs to workers, oldest first, one at a time for each model and environment.

    Args:
        wake: has every idle worker ask for a run.
        seconds: counts up steadily, whatever the clock on the wall does.
    """

    def __init__(self, wake: Callable[[], None], seconds: Callable[[], float] = time.monotonic) -> None:
        self._wake = wake
        self._seconds = seconds
        self._lock = Lock()
        self._offered: list[Run] = []
        self._in_hand: set[Place] = set()
        self._put_off: dict[RunId, tuple[int, float]] = {}

    def offer(self, runs: Sequence[Run]) -> None:
        """Replace what is offered by *runs*."""
        with self._lock:
            self._offered = list(runs)
            known = {run.id for run in runs}
            self._put_off = {run: put_off for run, put_off in self._put_off.items() if run in known}
        if runs:
            self._wake()

    def take(self) -> Run | None:
        """Return the oldest run that nobody here has in hand and that is not put off; it is in hand then."""
        now = self._seconds()
        with self._lock:
            for run in self._offered:
                _, due = self._put_off.get(run.id, (0, now))
                if place_of(run) not in self._in_hand and due <= now:
                    self._offered.remove(run)
                    self._in_hand.add(place_of(run))
                    return run
        return None

    def give_back(self, run: Run, *, again: bool, after: timedelta | None = None) -> None:
        """Let go of the run.

        Args:
            again: whether it could not be gone on with for now; it is put off longer each time.
            after: when to go on, where that is known; it is put off by no more than this.
        """
        with self._lock:
            self._in_hand.discard(place_of(run))
            # It may have been offered again while it was in hand, as it stood then.
            self._offered = [each for each in self._offered if each.id != run.id]
            tries, _ = self._put_off.pop(run.id, (0, 0.0))
            if again and after is not None:
                self._put_off[run.id] = (0, self._seconds() + after.total_seconds())
            elif again:
                pause = min(FIRST_PAUSE * 2 ** min(tries, 10), LONGEST_PAUSE)
                self._put_off[run.id] = (tries + 1, self._seconds() + pause)

    def is_due(self) -> bool:
        """Tell whether a run that was put off can be tried again."""
        with self._lock:
            return any(due <= self._seconds() for _, due in self._put_off.values())

    @property
    def in_hand(self) -> frozenset[Place]:
        """The models and environments that the workers are at."""
        with self._lock:
            return frozenset(self._in_hand)
