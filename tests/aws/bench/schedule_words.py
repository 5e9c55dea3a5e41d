"""Check schedule expressions as EventBridge and its Scheduler do (user guides, "Schedule types")."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tests.aws.bench.errors import AwsError, invalid

RATE = re.compile(r"rate\((\d+) (minute|minutes|hour|hours|day|days)\)")
CRON = re.compile(r"cron\(([^)]+)\)")
MOMENT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
FIELDS = (
    ("minutes", r"\d{1,2}", 0, 59),
    ("hours", r"\d{1,2}", 0, 23),
    ("day of month", r"\d{1,2}W?|L|LW", 1, 31),
    ("month", rf"\d{{1,2}}|{MONTHS}", 1, 12),
    ("day of week", rf"\d(#\d|L)?|({DAYS})(#\d)?|L", 1, 7),
    ("year", r"\d{4}", 1970, 2199),
)


def refuse(expression: str, why: str) -> AwsError:
    return invalid(f"Invalid Schedule Expression {expression}: {why}.")


def check_rule_schedule(expression: str) -> None:
    """Refuse what a rule cannot be scheduled by."""
    if MOMENT.fullmatch(expression):
        raise refuse(expression, "rules know cron and rate only")
    check_schedule(expression)


def check_schedule(expression: str) -> None:
    """Refuse what is no cron, rate or at expression."""
    rate, cron, moment = RATE.fullmatch(expression), CRON.fullmatch(expression), MOMENT.fullmatch(expression)
    if rate:
        if (rate[1] == "1") != (not rate[2].endswith("s")) or rate[1] == "0":
            raise refuse(expression, "one unit is singular, several are plural")
    elif cron:
        check_cron(expression, cron[1].split())
    elif moment:
        try:
            datetime.fromisoformat(moment[1])
        except ValueError as error:
            raise refuse(expression, str(error)) from error
    else:
        raise refuse(expression, "it is neither cron(…) nor rate(…) nor at(…)")


def check_cron(expression: str, fields: list[str]) -> None:
    """Six fields, one of the two days of which is a question mark."""
    if len(fields) != 6:
        raise refuse(expression, f"cron has 6 fields, not {len(fields)}")
    if (fields[2] == "?") == (fields[4] == "?"):
        raise refuse(expression, "exactly one of day of month and day of week is ?")
    for text, (name, pattern, least, most) in zip(fields, FIELDS, strict=True):
        if text == "?" and name.startswith("day"):
            continue
        for part in text.split(","):
            check_part(expression, part, name, (pattern, least, most))


def check_part(expression: str, part: str, name: str, allowed: tuple[str, int, int]) -> None:
    pattern, least, most = allowed
    base, _, step = part.partition("/")
    bounds = [base] if base == "*" else base.split("-")
    for bound in bounds:
        if bound != "*" and not re.fullmatch(pattern, bound):
            raise refuse(expression, f"{part!r} is no {name}")
        number = re.match(r"\d+", bound)
        if number and not least <= int(number[0]) <= most:
            raise refuse(expression, f"{part!r} is no {name}")
    if "/" in part and not step.isdigit():
        raise refuse(expression, f"{part!r} is no {name}")


def check_zone(name: str) -> None:
    """Refuse a time zone that does not exist."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid(f"Invalid ScheduleExpressionTimezone: {name}.") from error
