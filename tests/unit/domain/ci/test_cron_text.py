"""A schedule means the same to GitHub, or is not given to it."""

import pytest

from everfit.domain.ci.cron_text import Unsayable, cron_text
from everfit.domain.triggers import Schedule


def said(expression: str) -> str | Unsayable:
    return cron_text(Schedule(key="s", environments=("production",), expression=expression))


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("0 0 * * SAT", "0 0 * * SAT"),
        ("0 0 * * 7", "0 0 * * SUN"),
        ("0 0 * * 0", "0 0 * * SUN"),
        ("*/15 8-10 1,15 * *", "0,15,30,45 8,9,10 1,15 * *"),
        ("30 2 1 JAN *", "30 2 1 1 *"),
        ("0 0 13 * FRI", "0 0 13 * FRI"),
        ("cron(0 9 ? * SUN *)", "0 9 * * SUN"),
        ("cron(0 9 ? * 2-6 *)", "0 9 * * MON,TUE,WED,THU,FRI"),
        ("cron(0 12 1 * ? *)", "0 12 1 * *"),
        ("0 * * * *", "0 * * * *"),
    ],
)
def test_a_line_keeps_its_meaning(expression: str, line: str) -> None:
    assert said(expression) == line


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("rate(7 days)", "a rate has no cron line"),
        ("cron(0 9 L * ? *)", "knows no L, W and #"),
        ("cron(0 9 ? * 6#2 *)", "knows no L, W and #"),
        ("cron(0 9 ? * SUN 2027)", "has no year"),
        ("* * * * *", "every five minutes"),
        ("0 0 */2 * MON", "not both together"),
    ],
)
def test_what_five_fields_cannot_say_has_a_reason(expression: str, reason: str) -> None:
    found = said(expression)
    assert isinstance(found, Unsayable)
    assert (found.schedule, reason in found.reason) == (expression, True)
