"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """Implements ``Clock`` by the time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)
