"""The time zones that this machine knows."""

from collections.abc import Collection
from datetime import tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from everfit.domain.errors import BackendError


@cache
def time_zones() -> Collection[str]:
    """Return the names of all of them; looked up once, since that reads a whole tree of files."""
    return frozenset(available_timezones())


def time_zone(name: str) -> tzinfo:
    """Return the zone of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BackendError(f"This machine no longer knows the time zone {name}: install tzdata.") from error
