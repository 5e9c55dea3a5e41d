"""Schedules: what a cron line may say."""

import re
from typing import NamedTuple

from everfit.domain.errors import RuleError
from everfit.domain.words import nearest

SCHEDULE_WORDS = 'a cron line of five fields such as "0 0 * * SAT", or cron(…) or rate(…) of EventBridge'

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    special: str = ""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)
_EVENTBRIDGE_FIELDS = (
    *_FIELDS[:2],
    _Field("day of the month", 1, 31, special=r"\?|L|LW|[0-9]{1,2}W"),
    _FIELDS[3],
    _Field("day of the week", 1, 7, _DAYS, r"\?|L|[1-7]L|[1-7]#[1-5]"),
    _Field("year", 1970, 2199),
)
_RATE = re.compile(r"rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)")


def check_schedule(text: str) -> str:
    """Return *text* when it is a schedule that can fire, and raise ``RuleError`` otherwise."""
    words = text.strip()
    if words.startswith("rate("):
        rate = _RATE.fullmatch(words)
        if rate is None or (rate[1] == "1") == bool(rate[3]):
            raise RuleError("it is not a rate", expected="rate(1 hour), rate(5 minutes) or rate(7 days)")
    elif words.startswith("cron(") and words.endswith(")"):
        _check_eventbridge(words[5:-1].split())
    else:
        _check_cron(words.split())
    return words


def _check_cron(fields: list[str]) -> None:
    if len(fields) != 5:
        raise RuleError(f"it has {_counted(len(fields))} instead of 5", expected=SCHEDULE_WORDS)
    values = [_values(text, field) for text, field in zip(fields, _FIELDS, strict=True)]
    if fields[4] == "*" and min(values[2]) > max(_DAYS_IN_MONTH[month - 1] for month in values[3]):
        raise RuleError("no such day exists, so it would never fire", expected="a day that the month has")


def _check_eventbridge(fields: list[str]) -> None:
    if len(fields) != 6:
        raise RuleError(f"cron() has {_counted(len(fields))} instead of 6", expected="cron(0 0 ? * SAT *)")
    for text, field in zip(fields, _EVENTBRIDGE_FIELDS, strict=True):
        if not re.fullmatch(field.special, text):
            _values(text, field)
    if (fields[2] == "?") == (fields[4] == "?"):
        raise RuleError("exactly one of the two day fields of cron() must be ?", expected="cron(0 0 ? * SAT *)")


def _values(text: str, field: _Field) -> set[int]:
    """Return the numbers that *text* stands for."""
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not re.fullmatch(r"[1-9][0-9]{0,3}", step):
            raise _wrong(part, field)
        first, dash, last = span.partition("-")
        start = field.low if span == "*" else _number(first, part, field)
        end = _number(last, part, field) if dash else field.high if span == "*" or slash else start
        if end < start:
            raise RuleError(f"{part} runs backwards in the field for the {field.name}", expected=f"{last}-{first}")
        values.update(range(start, end + 1, int(step or 1)))
    return values


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


def _counted(count: int) -> str:
    return f"{count} field" if count == 1 else f"{count} fields"
