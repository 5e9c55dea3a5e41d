"""A cron line as sets of numbers, and the wall-clock times that it names."""

from calendar import monthrange, weekday
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, assert_never

_MINUTE: Final = timedelta(minutes=1)
_SATURDAY: Final = 5
_LONGEST_PAUSE: Final = 41
"""Years between two 29ths of February on one day of the week, around a century that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """These days of the month."""

    numbers: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDate:
    """The last day of the month, or with ``is_weekday`` the last one from Monday to Friday."""

    is_weekday: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestWeekday:
    """The day from Monday to Friday that is nearest to this day, in the same month."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekdays:
    """These days of the week, counted from Monday as 0."""

    numbers: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class NthWeekday:
    """The first to fifth of one day of the week in a month; ``nth`` None means the last."""

    number: int
    nth: int | None


DayRule = Dates | LastDate | NearestWeekday | Weekdays | NthWeekday


@dataclass(frozen=True, slots=True, kw_only=True)
class CronLine:
    """The times that a cron line names; all numbers rise.

    Args:
        takes_either: whether a day needs to fit one of the rules, and not all of them.
        years: None means every year.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    days: tuple[DayRule, ...]
    takes_either: bool = False
    years: tuple[int, ...] | None = None

    @property
    def is_hourly(self) -> bool:
        """Whether it names every hour of its days."""
        return len(self.hours) == 24

    def first_from(self, wall: datetime) -> datetime | None:
        """Return the first of its times at or after *wall*, or None when there is none any more."""
        start = wall.replace(second=0, microsecond=0)
        if start < wall:
            start += _MINUTE
        for day in self._days_from(start.date()):
            found = self._time_from(start.time() if day == start.date() else time.min)
            if found is not None:
                return datetime.combine(day, found)
        return None

    def _time_from(self, earliest: time) -> time | None:
        hours = (hour for hour in self.hours if hour >= earliest.hour)
        times = (time(hour, minute) for hour in hours for minute in self.minutes)
        return next((each for each in times if each >= earliest), None)

    def _days_from(self, first: date) -> Iterator[date]:
        for year in self._years_from(first.year):
            for month in self.months:
                if (year, month) >= (first.year, first.month):
                    days = (date(year, month, day) for day in self._days_of(year, month))
                    yield from (day for day in days if day >= first)

    def _years_from(self, first: int) -> Iterator[int]:
        if self.years is None:
            return iter(range(first, first + _LONGEST_PAUSE))
        return (year for year in self.years if year >= first)

    def _days_of(self, year: int, month: int) -> Iterator[int]:
        whole = any if self.takes_either else all
        chosen = [_days_of(rule, year, month) for rule in self.days]
        every = range(1, monthrange(year, month)[1] + 1)
        return (day for day in every if whole(day in days for days in chosen))


def _days_of(rule: DayRule, year: int, month: int) -> frozenset[int]:
    first, length = monthrange(year, month)
    match rule:
        case Dates():
            return rule.numbers
        case LastDate():
            return frozenset({_nearest_weekday(year, month, length) if rule.is_weekday else length})
        case NearestWeekday():
            near = _nearest_weekday(year, month, rule.number) if rule.number <= length else None
            return frozenset(() if near is None else (near,))
        case Weekdays():
            return frozenset(day for day in range(1, length + 1) if (first + day - 1) % 7 in rule.numbers)
        case NthWeekday():
            days = list(range(1 + (rule.number - first) % 7, length + 1, 7))
            at = -1 if rule.nth is None else rule.nth - 1
            return frozenset(days[at:][:1])
        case _:
            assert_never(rule)


def _nearest_weekday(year: int, month: int, day: int) -> int:
    past_friday = weekday(year, month, day) - _SATURDAY + 1
    if past_friday <= 0:
        return day
    near = day - 1 if past_friday == 1 else day + 1
    if near < 1:
        return day + 2
    return day - 2 if near > monthrange(year, month)[1] else near
