"""Finds the runs whose person has decided, among those that wait for one."""

from collections.abc import Callable, Sequence
from typing import Final

from everfit.application.ports import Ports
from everfit.application.retraining import is_decided
from everfit.domain.run import Outcome, Run

REST: Final = 1.0
SHARE: Final = 20
"""Looking takes at most one part in this many of the dispatcher's time, however many runs wait for a person."""


class Decided:
    """Looks at decisions, now and then; ``due`` says when to catch up on a look that was put off."""

    def __init__(self, ports: Ports, seconds: Callable[[], float]) -> None:
        self._ports, self._seconds = ports, seconds
        self.due: float | None = None
        self._rests_until = 0.0

    def among(self, runs: Sequence[Run], *, is_asked: bool) -> Sequence[Run]:
        """Return those that wait for a person and that can go on.

        Args:
            is_asked: whether to look although it was just done.
        """
        waiting = [run for run in runs if run.outcome is Outcome.NEEDS_APPROVAL]
        begun = self._seconds()
        self.due = None
        if waiting and begun < self._rests_until and not is_asked:
            self.due = self._rests_until
            return ()
        found = [run for run in waiting if is_decided(run, self._ports)]
        self._rests_until = begun + max(REST, SHARE * (self._seconds() - begun))
        return found
