"""A clock that is set by hand."""

from datetime import UTC, datetime, timedelta


class SettableClock:
    """Implements ``Clock`` for tests and dry runs: time stands still unless it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Make it *now*, which may be earlier than before."""
        self._now = now

    def advance(self, by: timedelta) -> None:
        """Let time pass; a negative time jumps back."""
        self._now += by
