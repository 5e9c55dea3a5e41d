"""From the words of a cron line, five fields or EventBridge's six, to the times that it names."""

import re
from datetime import datetime
from typing import Final, NamedTuple

from everfit.domain.cron import CronLine, Dates, DayRule, LastDate, NearestWeekday, NthWeekday, Weekdays
from everfit.domain.errors import RuleError
from everfit.domain.words import nearest

EXAMPLE: Final = 'a cron line of five fields such as "0 0 * * SAT"'
EVENTBRIDGE_EXAMPLE: Final = "cron(0 0 ? * SAT *)"

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY = f"[1-7]|{'|'.join(_DAYS)}"
_EARLIEST: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall-clock time; no installation is older than this


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DATE = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 0, 7, _DAYS)
_EVENTBRIDGE_WEEKDAY = _Field("day of the week", 1, 7, _DAYS)
_YEAR = _Field("year", 1970, 2199)


def read_cron(text: str) -> CronLine:
    """Return the times of a line of five fields; both day fields together mean either, as cron has it.

    Raises:
        RuleError: it cannot be read, or names no time that ever comes.
    """
    minute, hour, day, month, weekday = _fields(text, 5, EXAMPLE)
    rules = (
        Dates(numbers=frozenset(_values(day, _DATE))),
        Weekdays(numbers=frozenset((number - 1) % 7 for number in _values(weekday, _WEEKDAY))),
    )
    # As in cron: a field that begins with a star restricts the other one instead of adding to it.
    is_either = not day.startswith("*") and not weekday.startswith("*")
    return _checked(
        CronLine(
            minutes=_values(minute, _MINUTE),
            hours=_values(hour, _HOUR),
            months=_values(month, _MONTH),
            days=rules,
            takes_either=is_either,
        )
    )


def read_eventbridge(text: str) -> CronLine:
    """Return the times of the six fields within EventBridge's ``cron(…)``, of which one day field is ``?``.

    Raises:
        RuleError: it cannot be read, or names no time that ever comes.
    """
    minute, hour, day, month, weekday, year = _fields(text, 6, EVENTBRIDGE_EXAMPLE)
    if (day == "?") == (weekday == "?"):
        raise RuleError("exactly one of the two day fields of cron() must be ?", expected=EVENTBRIDGE_EXAMPLE)
    return _checked(
        CronLine(
            minutes=_values(minute, _MINUTE),
            hours=_values(hour, _HOUR),
            months=_values(month, _MONTH),
            days=(_date_rule(day) if weekday == "?" else _weekday_rule(weekday),),
            years=None if year == "*" else _values(year, _YEAR),
        )
    )


def _fields(text: str, count: int, example: str) -> list[str]:
    fields = text.split()
    if len(fields) != count:
        counted = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise RuleError(f"it has {counted} instead of {count}", expected=example)
    return fields


def _checked(line: CronLine) -> CronLine:
    if line.first_from(_EARLIEST) is None:
        raise RuleError("no such day comes any more, so it would never fire", expected="a day that the month has")
    return line


def _date_rule(text: str) -> DayRule:
    if text in ("L", "LW"):
        return LastDate(is_weekday=text == "LW")
    nearest_to = re.fullmatch(r"([0-9]{1,2})W", text)
    if nearest_to is not None:
        return NearestWeekday(number=_number(nearest_to[1], text, _DATE))
    return Dates(numbers=frozenset(_values(text, _DATE)))


def _weekday_rule(text: str) -> DayRule:
    if text == "L":
        return Weekdays(numbers=frozenset({_from_monday("SAT")}))
    special = re.fullmatch(rf"({_DAY})(?:L|#([1-5]))", text.upper())
    if special is not None:
        return NthWeekday(number=_from_monday(special[1]), nth=int(special[2]) if special[2] else None)
    return Weekdays(numbers=frozenset((number - 2) % 7 for number in _values(text, _EVENTBRIDGE_WEEKDAY)))


def _from_monday(day: str) -> int:
    """Return EventBridge's day of the week, which counts from Sunday as 1, counted from Monday as 0."""
    return (_number(day, day, _EVENTBRIDGE_WEEKDAY) - 2) % 7


def _values(text: str, field: _Field) -> tuple[int, ...]:
    """Return the numbers that *text* stands for, rising."""
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not re.fullmatch(r"[1-9][0-9]{0,3}", step):
            raise _wrong(part, field)
        first, dash, last = span.partition("-")
        start = field.low if span == "*" else _number(first, part, field)
        end = _number(last, part, field) if dash else field.high if span == "*" or slash else start
        if end < start:
            expected = f"two parts such as {first}-{_word(field, field.high)},{_word(field, field.low)}-{last}"
            raise RuleError(f"{part} runs backwards in the field for the {field.name}", expected=expected)
        values.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(values))


def _word(field: _Field, number: int) -> str:
    at = number - field.low
    return field.names[min(at, len(field.names) - 1)] if field.names else str(number)


def _number(word: str, part: str, field: _Field) -> int:
    if word.upper() in field.names:
        return field.names.index(word.upper()) + field.low
    if not re.fullmatch(r"[0-9]{1,4}", word) or not field.low <= int(word) <= field.high:
        raise _wrong(part, field)
    return int(word)


def _wrong(part: str, field: _Field) -> RuleError:
    words = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    near = nearest(part, field.names) if part.isalpha() else None
    expected = f"{field.low}-{field.high}{words}, lists, ranges, * or */n"
    return RuleError(f"{part!r} does not fit the field for the {field.name}", expected=expected, nearest=near)
