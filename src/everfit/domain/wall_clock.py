"""From what a clock on the wall shows to the instant of it, in zones whose clocks are put forward and back."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_SECOND: Final = timedelta(seconds=1)


def shown(instant: datetime, zone: tzinfo) -> datetime:
    """Return what a clock in *zone* shows at the instant, without a zone."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """Return when a clock in *zone* first shows *wall*; when it is put forward over it, the instant of that."""
    # fold=0 counts with the offset from before a change, fold=1 with the one from after it.
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if shown(instant, zone) == wall:
        return instant
    change = change_between(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant)
    return instant if change is None else change


def change_between(zone: tzinfo, start: datetime, end: datetime) -> datetime | None:
    """Return the first instant after *start*, up to *end*, from which clocks go by another offset.

    At most one change may lie in between. Both are whole seconds.
    """
    offset = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == offset:
        return None
    while end - start > _SECOND:
        middle = start + (end - start) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            start = middle
        else:
            end = middle
    return end
