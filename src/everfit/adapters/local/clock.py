"""The machine's clock."""

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Implements ``Clock`` by the time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def rest(length: timedelta) -> None:
    """Let that much time pass; a signal ends it early."""
    time.sleep(length.total_seconds())
