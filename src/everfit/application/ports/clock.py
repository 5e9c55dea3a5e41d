"""The time and identity."""

from datetime import datetime
from typing import Protocol

from everfit.domain.run import RunId


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the time, with the UTC time zone."""
        ...


class Ids(Protocol):
    """Identity."""

    def run_id(self, now: datetime) -> RunId:
        """Return an id that no other run has; ids sort by time."""
        ...
