"""What EventBridge Scheduler is told so that it calls at the times of a schedule.

Whoever is called looks at the schedule itself and starts a run only when one is due. So a line that Scheduler cannot
say exactly is said a little wider, and nothing fires too often by that.
"""

from typing import Final

from everfit.domain.cron import CronLine, Dates, DayRule, Weekdays
from everfit.domain.schedule import Rate, times_of

# Scheduler's user guide, "Cron-based schedules": six fields, exactly one of the two day fields is ?.
_WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_ALL_DATES: Final = frozenset(range(1, 32))
_ALL_WEEKDAYS: Final = frozenset(range(7))


def scheduler_expressions(text: str) -> tuple[str, ...]:
    """Return the expressions of EventBridge Scheduler that together call at every time of the schedule.

    Two are needed for a cron line that fires on a day of the month or of the week.

    Raises:
        RuleError: it cannot be read.
    """
    words = text.strip()
    times = times_of(words)
    if isinstance(times, Rate) or words.startswith("cron("):
        # Everfit reads these as Scheduler does: the words are the same.
        return (words,)
    return tuple(f"cron({_fields(times, dates, days)})" for dates, days in _day_fields(times))


def _fields(line: CronLine, dates: str, days: str) -> str:
    minutes = _numbers(line.minutes, 0, 59)
    return f"{minutes} {_numbers(line.hours, 0, 23)} {dates} {_numbers(line.months, 1, 12)} {days} *"


def _day_fields(line: CronLine) -> tuple[tuple[str, str], ...]:
    dates, weekdays = _dates_of(line.days), _weekdays_of(line.days)
    by_date = (_numbers(tuple(sorted(dates)), 1, 31), "?")
    by_weekday = ("?", ",".join(_WEEKDAYS[number] for number in sorted(weekdays)))
    if line.takes_either:
        return by_date, by_weekday
    # A line that wants both calls on each such day of the week, of which some are not due.
    return (by_date,) if weekdays == _ALL_WEEKDAYS else (by_weekday,)


def _dates_of(rules: tuple[DayRule, ...]) -> frozenset[int]:
    return next((rule.numbers for rule in rules if isinstance(rule, Dates)), _ALL_DATES)


def _weekdays_of(rules: tuple[DayRule, ...]) -> frozenset[int]:
    return next((rule.numbers for rule in rules if isinstance(rule, Weekdays)), _ALL_WEEKDAYS)


def _numbers(values: tuple[int, ...], low: int, high: int) -> str:
    """Return rising numbers as a field: all, a range, a step, or a list."""
    first, last = values[0], values[-1]
    if len(values) == high - low + 1:
        return "*"
    if len(values) > 2:
        step = values[1] - values[0]
        if values == tuple(range(first, last + 1, step)):
            if step == 1:
                return f"{first}-{last}"
            if last + step > high:
                return f"{first}/{step}"
    return ",".join(map(str, values))
