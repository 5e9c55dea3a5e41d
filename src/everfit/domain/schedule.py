"""Schedules: the instants at which one fires.

A wall-clock time that is skipped when clocks are put forward fires once, at the first instant after the gap; one that
comes twice when they are put back fires the first time. A line that names every hour goes by real hours instead, so
that none is doubled or left out.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Final, assert_never

from everfit.domain.cron import CronLine
from everfit.domain.cron_reader import EXAMPLE, read_cron, read_eventbridge
from everfit.domain.errors import RuleError
from everfit.domain.wall_clock import change_between, instant_of, shown

SCHEDULE_WORDS: Final = f"{EXAMPLE}, or cron(…) or rate(…) of EventBridge"
MOST_COUNTED: Final = 1_000
"""Missed ticks are counted up to here."""

_RATE: Final = re.compile(r"rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)")
_LONGEST_RATE: Final = timedelta(days=3660)
_SECOND: Final = timedelta(seconds=1)
_WINDOW: Final = timedelta(days=2)
"""Within it clocks are put forward or back at most once, by less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Fires again and again after the same time."""

    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Ticks that have passed: the newest of them, and how many they are, counted up to ``MOST_COUNTED``."""

    newest: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When a schedule fires.

    Args:
        zone: in which a cron line is read.
        anchor: from which a rate counts.
    """

    times: CronLine | Rate
    zone: tzinfo
    anchor: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first tick after the instant, in UTC, or None when there is none any more."""
        match self.times:
            case Rate(period=period):
                return self.anchor + max((instant - self.anchor) // period + 1, 1) * period
            case CronLine(is_hourly=True):
                return _next_real(self.times, self.zone, instant)
            case CronLine():
                return _next_shown(self.times, self.zone, instant)
            case _:
                assert_never(self.times)

    def missed(self, since: datetime, now: datetime) -> Missed | None:
        """Return the ticks after *since*, up to *now*; None when there is none."""
        newest = self._newest(since, now)
        if newest is None:
            return None
        return Missed(newest=newest, count=sum(1 for _ in islice(self._ticks(since, now), MOST_COUNTED)))

    def _newest(self, since: datetime, now: datetime) -> datetime | None:
        # Looks back twice as far each time, so that a minute and a year cost about the same.
        span = timedelta(minutes=1)
        while True:
            start = max(since, now - span)
            newest = deque(self._ticks(start, now), maxlen=1)
            if newest or start == since:
                return newest[0] if newest else None
            span *= 2

    def _ticks(self, since: datetime, until: datetime) -> Iterator[datetime]:
        tick = self.next_after(since)
        while tick is not None and tick <= until:
            yield tick
            tick = self.next_after(tick)


def check_schedule(text: str) -> str:
    """Return *text* when it is a schedule that can fire, and raise ``RuleError`` otherwise."""
    times_of(text)
    return text.strip()


def times_of(text: str) -> CronLine | Rate:
    """Return what the words of a schedule mean, or raise ``RuleError``."""
    words = text.strip()
    if words.startswith("rate("):
        return _rate(words)
    if words.startswith("cron(") and words.endswith(")"):
        return read_eventbridge(words[5:-1])
    return read_cron(words)


def _rate(words: str) -> Rate:
    rate = _RATE.fullmatch(words)
    if rate is None or (rate[1] == "1") == bool(rate[3]):
        raise RuleError("it is not a rate", expected="rate(1 hour), rate(5 minutes) or rate(7 days)")
    if int(rate[1]) > _LONGEST_RATE // timedelta(**{f"{rate[2]}s": 1}):
        raise RuleError("it would fire once in more than ten years", expected="rate(1 hour) or rate(7 days)")
    return Rate(period=timedelta(**{f"{rate[2]}s": int(rate[1])}))


def _next_shown(line: CronLine, zone: tzinfo, after: datetime) -> datetime | None:
    """Return the next instant at which clocks show a time of the line, or are put forward over one."""
    wall = line.first_from(shown(after, zone))
    while wall is not None:
        instant = instant_of(wall, zone)
        if instant > after:
            return instant
        wall = line.first_from(wall + _SECOND)
    return None


def _next_real(line: CronLine, zone: tzinfo, after: datetime) -> datetime | None:
    """Return the next instant at which clocks show a time of the line, also when they show it again."""
    start = after.astimezone(UTC).replace(microsecond=0) + _SECOND
    while True:
        now = shown(start, zone)
        wall = line.first_from(now)
        if wall is None:
            return None
        found = start + (wall - now)
        horizon = min(found, start + _WINDOW)
        change = change_between(zone, start, horizon)
        if change is not None:
            start = change
        elif found == horizon:
            return found
        else:
            start = max(horizon, found - _WINDOW)
