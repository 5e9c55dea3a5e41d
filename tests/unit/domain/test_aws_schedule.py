"""EventBridge Scheduler is told words that call at every time of a schedule."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfit.domain.aws_schedule import scheduler_expressions
from everfit.domain.errors import RuleError
from everfit.domain.schedule import Timetable, check_schedule, times_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def ticks(text: str, days: int = 35) -> set[datetime]:
    timetable = Timetable(times=times_of(text), zone=UTC, anchor=START)
    found, at = set[datetime](), timetable.next_after(START)
    while at is not None and at <= START + timedelta(days=days):
        found.add(at)
        at = timetable.next_after(at)
    return found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 0 * * SAT", ["cron(0 0 ? * SAT *)"]),
        ("*/5 * * * *", ["cron(0/5 * * * ? *)"]),
        ("30 8-17 * 1-6 MON-FRI", ["cron(30 8-17 ? 1-6 MON,TUE,WED,THU,FRI *)"]),
        ("0 0 * * 7", ["cron(0 0 ? * SUN *)"]),
        ("0 9 1,15 * MON", ["cron(0 9 1,15 * ? *)", "cron(0 9 ? * MON *)"]),
        ("cron(0 9 ? * SUN *)", ["cron(0 9 ? * SUN *)"]),
        ("cron(0 9 ? * 6#3 2027)", ["cron(0 9 ? * 6#3 2027)"]),
        (" rate(5 minutes) ", ["rate(5 minutes)"]),
        ("0 9 */2 * MON", ["cron(0 9 ? * MON *)"]),
    ],
)
def test_a_line_is_said_in_schedulers_own_words(line: str, told: list[str]) -> None:
    assert list(scheduler_expressions(line)) == told


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    steps = st.integers(2, 7)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return st.one_of(
        st.just("*"),
        steps.map(lambda step: f"*/{step}"),
        st.lists(one, min_size=1, max_size=4).map(",".join),
        span.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.tuples(span, steps).map(lambda each: f"{each[0][0]}-{each[0][1]}/{each[1]}"),
    )


@settings(deadline=None)
@given(st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 2), fields(0, 6)))
def test_scheduler_calls_at_every_time_of_a_line_and_seldom_at_others(parts: tuple[str, ...]) -> None:
    minute, hour, day, month, weekday = parts
    # A few minutes of few hours, so that a month has not a hundred thousand times.
    line = f"{minute.split(',')[0].split('/')[0].split('-')[0].replace('*', '7')} {hour} {day} {month} {weekday}"
    try:
        check_schedule(line)
    except RuleError:
        return
    called = set().union(*(ticks(each) for each in scheduler_expressions(line)))
    wanted = ticks(line)
    assert wanted <= called
    both = day != "*" and weekday != "*"
    is_exact = not both or not (day.startswith("*") or weekday.startswith("*"))
    if is_exact:
        assert wanted == called


@settings(deadline=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=30, unique=True))
def test_minutes_are_the_same_however_they_are_written(minutes: list[int]) -> None:
    line = f"{','.join(map(str, minutes))} 3 * * *"
    (told,) = scheduler_expressions(line)
    assert len(told) <= 256
    assert ticks(told, days=2) == ticks(line, days=2)


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(RuleError):
        scheduler_expressions("every monday")
