"""Schedules as the five fields of POSIX cron, which GitHub reads; those that five fields cannot say have a reason."""

from dataclasses import dataclass
from typing import Final

from everfit.domain.cron import CronLine, Dates, DayRule, Weekdays
from everfit.domain.schedule import Rate, times_of
from everfit.domain.triggers import Schedule

_DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MOST_STARTS: Final = 12
"""GitHub starts a schedule every five minutes at most (events that trigger workflows, "schedule")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsayable:
    """A schedule that GitHub cannot keep, and why."""

    schedule: str
    reason: str


def cron_text(schedule: Schedule) -> str | Unsayable:
    """Return the five fields, in the time zone of the schedule."""
    times = times_of(schedule.expression)
    reason = "a rate has no cron line" if isinstance(times, Rate) else _reason(times)
    if isinstance(times, Rate) or reason is not None:
        return Unsayable(schedule=schedule.expression, reason=reason or "")
    dates, weekdays = _dates(times), _weekdays(times)
    return " ".join(
        (
            _field(times.minutes, range(60)),
            _field(times.hours, range(24)),
            "*" if dates is None else _field(dates, range(1, 32)),
            _field(times.months, range(1, 13)),
            "*" if weekdays is None else ",".join(_DAYS[day] for day in weekdays),
        )
    )


def _reason(line: CronLine) -> str | None:
    if line.years is not None:
        return "a cron line there has no year"
    if any(not isinstance(rule, (Dates, Weekdays)) for rule in line.days):
        return "a cron line there knows no L, W and #"
    if len(line.minutes) > _MOST_STARTS:
        return "GitHub starts nothing more often than every five minutes"
    if not line.takes_either and _dates(line) is not None and _weekdays(line) is not None:
        return "a cron line there takes either of the two day fields, not both together"
    return None


def _dates(line: CronLine) -> tuple[int, ...] | None:
    """Return the days of the month; None when the line takes every one."""
    found = next((sorted(rule.numbers) for rule in line.days if isinstance(rule, Dates)), None)
    return None if found is None or len(found) == 31 else tuple(found)


def _weekdays(line: CronLine) -> tuple[int, ...] | None:
    rule: DayRule | None = next((rule for rule in line.days if isinstance(rule, Weekdays)), None)
    found = sorted(rule.numbers) if isinstance(rule, Weekdays) else None
    return None if found is None or len(found) == 7 else tuple(found)


def _field(values: tuple[int, ...], every: range) -> str:
    return "*" if len(values) == len(every) else ",".join(map(str, values))
