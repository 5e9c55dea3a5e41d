import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RuleError
from everfit.domain.schedule import MOST_COUNTED, Timetable, check_schedule, times_of

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana")

moments = st.integers(0, 60 * 24 * 800).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes, seconds=17))


def timetable(expression: str, zone: str = "UTC", anchor: datetime = NEW_YEAR) -> Timetable:
    return Timetable(times=times_of(expression), zone=ZoneInfo(zone), anchor=anchor)


def ticks(expression: str, zone: str, after: str, count: int) -> list[str]:
    """Return what clocks in the zone show at the next ticks, with their offsets."""
    table, found = timetable(expression, zone), datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone))
    shown: list[str] = []
    for _ in range(count):
        tick = table.next_after(found)
        if tick is None:
            break
        found = tick
        shown.append(found.astimezone(ZoneInfo(zone)).isoformat(" ", "minutes"))
    return shown


@pytest.mark.parametrize(
    "text",
    [
        "0 0 * * SAT",
        "*/15 8-18 * * MON-FRI",
        "0 0 1,15 JAN-MAR *",
        "5/10 * * * 7",
        "0 0 31 * *",
        "0 0 29 2 *",
        "0 0 30 2 MON",
        "cron(0 0 ? * SAT *)",
        "cron(0/5 8 L * ? 2030-2040)",
        "cron(0 0 ? * 6#3 *)",
        "cron(0 0 ? * FRIL *)",
        "cron(0 0 ? * L *)",
        "cron(0 0 LW * ? *)",
        "cron(0 0 15W * ? *)",
        "cron(0 0 29 2 ? 2028)",
        "rate(1 hour)",
        "rate(5 minutes)",
    ],
)
def test_a_schedule_that_can_fire_is_taken(text: str) -> None:
    assert check_schedule(text) == text
    assert timetable(text).next_after(NEW_YEAR) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 0 * *",
        "0 0 * * * *",
        "60 0 * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 8",
        "0 0 31 2 *",
        "0 0 31 4,6 *",
        "0 0 31 2 */2",
        "*/0 * * * *",
        "5-1 * * * *",
        "0 0 * * SAT,",
        "0 0 * * ?",
        "@daily",
        "rate(1 hours)",
        "rate(2 hour)",
        "rate(0 hours)",
        "rate(999999999 days)",
        "cron(0 0 * * SAT *)",
        "cron(0 0 ? * ? *)",
        "cron(0 0 ? * SAT)",
        "cron(0 0 ? * 0 *)",
        "cron(0 0 ? * SAT#6 *)",
        "cron(0 0 32W * ? *)",
        "cron(0 0 31W 2 ? *)",
        "cron(0 0 29 2 ? 2027)",
        "cron(0 0 1 1 ? 2019)",
        "cron(0 0 ? 2 SUN#5 2027)",
    ],
)
def test_a_schedule_that_cannot_fire_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        check_schedule(text)


def test_a_mistyped_day_names_the_right_one() -> None:
    with pytest.raises(RuleError) as refused:
        check_schedule("0 0 * * SATT")
    assert refused.value.nearest == "SAT"


def test_days_that_run_backwards_are_said_the_right_way_round() -> None:
    with pytest.raises(RuleError) as refused:
        check_schedule("0 0 * * FRI-MON")
    assert refused.value.expected == "two parts such as FRI-SAT,SUN-MON"


@given(st.text(alphabet="0123456789*/-,? LW#SATcronrate()", max_size=30))
def test_any_text_is_a_schedule_or_a_rule_error(text: str) -> None:
    with contextlib.suppress(RuleError):
        assert check_schedule(text) == text.strip()


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("0 0 * * SAT", "America/New_York", "2026-01-01", ["2026-01-03 00:00-05:00"]),
        ("0 0 * * SAT", "America/New_York", "2026-07-01", ["2026-07-04 00:00-04:00"]),
        # Skipped: the first instant after the gap, then as usual.
        ("30 2 * * *", "America/New_York", "2026-03-08", ["2026-03-08 03:00-04:00", "2026-03-09 02:30-04:00"]),
        ("*/5 2 * * *", "America/New_York", "2026-03-08", ["2026-03-08 03:00-04:00", "2026-03-09 02:00-04:00"]),
        ("30 1 * * *", "Europe/London", "2026-03-29", ["2026-03-29 02:00+01:00", "2026-03-30 01:30+01:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["2026-10-04 02:30+11:00", "2026-10-05 02:15+11:00"]),
        ("0 0 * * *", "America/Havana", "2026-03-07 12:00", ["2026-03-08 01:00-04:00", "2026-03-09 00:00-04:00"]),
        # A day that never was.
        ("0 9 * * FRI", "Pacific/Apia", "2011-12-24", ["2011-12-31 00:00+14:00", "2012-01-06 09:00+14:00"]),
        ("0 9 * * *", "Pacific/Apia", "2011-12-29 12:00", ["2011-12-31 00:00+14:00", "2011-12-31 09:00+14:00"]),
        # Shown twice: the first time only.
        ("30 1 * * *", "America/New_York", "2026-11-01", ["2026-11-01 01:30-04:00", "2026-11-02 01:30-05:00"]),
        ("*/30 1 * * *", "Europe/London", "2026-10-25 01:15", ["2026-10-25 01:30+01:00", "2026-10-26 01:00+00:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["2026-04-05 01:45+11:00", "2026-04-06 01:45+10:30"]),
    ],
)
def test_a_schedule_keeps_its_wall_clock_time(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert ticks(expression, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("30 * * * *", "America/New_York", "2026-03-08 01:00", ["01:30-05:00", "03:30-04:00"]),
        ("30 * * * *", "America/New_York", "2026-11-01 01:00", ["01:30-04:00", "01:30-05:00", "02:30-05:00"]),
        ("*/30 * * * *", "Australia/Lord_Howe", "2026-04-05 01:00", ["01:30+11:00", "01:30+10:30", "02:00+10:30"]),
        ("0 * * * *", "Pacific/Apia", "2011-12-29 22:30", ["23:00-10:00", "00:00+14:00"]),
        ("30 * 1 11 *", "America/New_York", "2026-02-01", ["00:30-04:00", "01:30-04:00", "01:30-05:00"]),
        ("30 * 1 11 *", "America/Havana", "2026-02-01", ["00:30-04:00", "00:30-05:00", "01:30-05:00"]),
        ("0 * 15 7 *", "Europe/London", "2026-12-01", ["00:00+01:00", "01:00+01:00"]),
    ],
)
def test_a_line_that_names_every_hour_goes_by_real_hours(
    expression: str, zone: str, after: str, expected: list[str]
) -> None:
    assert [tick[11:] for tick in ticks(expression, zone, after, len(expected))] == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 9 ? * SUN *)", ["2026-01-04", "2026-01-11", "2026-01-18"]),
        ("cron(0 9 ? * 1 *)", ["2026-01-04", "2026-01-11", "2026-01-18"]),
        ("cron(0 9 ? * L *)", ["2026-01-03", "2026-01-10", "2026-01-17"]),
        ("cron(0 9 ? * 6L *)", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("cron(0 9 ? * TUE#2 *)", ["2026-01-13", "2026-02-10", "2026-03-10"]),
        ("cron(0 9 ? * SUN#5 *)", ["2026-03-29", "2026-05-31", "2026-08-30"]),
        ("cron(0 9 L * ? *)", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("cron(0 9 LW * ? *)", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("cron(0 9 1W * ? *)", ["2026-01-01", "2026-02-02", "2026-03-02"]),
        ("cron(0 9 1W 8 ? *)", ["2026-08-03", "2027-08-02", "2028-08-01"]),
        ("cron(0 9 31W * ? *)", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("cron(0 9 15W 8,11 ? *)", ["2026-08-14", "2026-11-16", "2027-08-16"]),
        ("cron(0 9 1 1 ? 2027-2028)", ["2027-01-01", "2028-01-01"]),
        ("0 9 13 * FRI", ["2026-01-02", "2026-01-09", "2026-01-13"]),
        ("0 9 */15 * FRI", ["2026-01-16", "2026-05-01", "2026-07-31"]),
        ("0 9 * * 0,7", ["2026-01-04", "2026-01-11", "2026-01-18"]),
        ("0 9 29 2 *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
    ],
)
def test_days_are_those_that_the_line_names(expression: str, expected: list[str]) -> None:
    assert [tick[:10] for tick in ticks(expression, "UTC", "2026-01-01", 3)] == expected


def test_a_leap_day_is_not_made_up_in_a_year_without_one() -> None:
    assert ticks("0 0 29 2 *", "UTC", "2096-03-01", 1) == ["2104-02-29 00:00+00:00"]


def test_a_rate_counts_from_where_it_was_first_seen() -> None:
    anchor = datetime(2026, 1, 1, 10, 7, 30, tzinfo=UTC)
    table = timetable("rate(2 hours)", anchor=anchor)
    assert table.next_after(anchor) == anchor + timedelta(hours=2)
    assert table.next_after(anchor + timedelta(hours=5)) == anchor + timedelta(hours=6)
    assert table.next_after(anchor - timedelta(days=1)) == anchor + timedelta(hours=2)


def fields(low: int, high: int, *, star: bool) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # The other cron takes 3-3/2 for 3/2.
    pair = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    spans = pair.map(lambda ends: f"{ends[0]}-{ends[1]}") | st.tuples(pair, st.integers(1, 9)).map(
        lambda each: f"{each[0][0]}-{each[0][1]}/{each[1]}"
    )
    lists = st.lists(number.map(str) | spans, min_size=1, max_size=3).map(",".join)
    return lists | (st.just("*") | st.integers(2, 9).map("*/{}".format) if star else st.nothing())


days_and_months = st.tuples(fields(1, 31, star=True), fields(1, 12, star=True), fields(0, 7, star=True))


@given(
    fields(0, 59, star=True),
    fields(0, 23, star=True),
    days_and_months,
    st.sampled_from(("UTC", "Asia/Kolkata")),
    moments,
)
def test_without_changed_clocks_it_agrees_with_another_cron(
    minute: str, hour: str, days: tuple[str, str, str], zone: str, after: datetime
) -> None:
    expression = " ".join((minute, hour, *days))
    with contextlib.suppress(RuleError):
        found = timetable(expression, zone).next_after(after)
        other = next(CronSim(expression, after.astimezone(ZoneInfo(zone))), None)
        assert found == other


changes = st.sampled_from(("2026-03-08", "2026-11-01", "2027-03-28", "2027-10-31"))
near_changes = st.tuples(changes, st.integers(-90, 900)).map(
    lambda each: datetime.fromisoformat(each[0]).replace(tzinfo=UTC) + timedelta(minutes=each[1])
)


@given(st.integers(0, 59), st.sampled_from(("America/New_York", "Europe/London", "America/Havana")), near_changes)
def test_an_hourly_line_agrees_with_another_cron_through_changed_clocks(
    minute: int, zone: str, after: datetime
) -> None:
    expression = f"{minute} * * * *"
    assert timetable(expression, zone).next_after(after) == next(
        CronSim(expression, after.astimezone(ZoneInfo(zone)))
    ).astimezone(UTC)


@given(st.integers(0, 59), st.integers(0, 23), st.sampled_from(ZONES), moments | near_changes)
def test_a_daily_time_agrees_with_another_cron_through_changed_clocks(
    minute: int, hour: int, zone: str, after: datetime
) -> None:
    expression = f"{minute} {hour} * * *"
    assert timetable(expression, zone).next_after(after) == next(
        CronSim(expression, after.astimezone(ZoneInfo(zone)))
    ).astimezone(UTC)


@given(fields(0, 59, star=False), fields(0, 23, star=True), st.sampled_from(ZONES), moments)
def test_each_time_of_a_day_fires_once_and_never_goes_back(minute: str, hour: str, zone: str, after: datetime) -> None:
    table, names = timetable(f"{minute} {hour} * * *", zone), set[datetime]()
    for _ in range(50):
        tick = table.next_after(after)
        assert tick is not None
        assert tick > after
        after = tick
        names.add(tick.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0))
    repeated = 50 - len(names)
    assert repeated == 0 or times_of(f"{minute} {hour} * * *").is_hourly  # type: ignore[union-attr]


@given(st.sampled_from(("* * * * *", "17 3 * * *", "0 0 1 * *", "rate(7 minutes)")), moments, st.integers(0, 1_500))
def test_missed_ticks_are_the_newest_and_their_number(expression: str, since: datetime, minutes: int) -> None:
    table, now = timetable(expression), since + timedelta(minutes=minutes)
    passed: list[datetime] = []
    tick = table.next_after(since)
    while tick is not None and tick <= now:
        passed.append(tick)
        tick = table.next_after(tick)
    missed = table.missed(since, now)
    assert missed is None if not passed else missed is not None
    if missed is not None:
        assert (missed.newest, missed.count) == (passed[-1], min(len(passed), MOST_COUNTED))


def test_nothing_is_missed_when_the_clock_was_put_back() -> None:
    assert timetable("* * * * *").missed(NEW_YEAR, NEW_YEAR - timedelta(hours=1)) is None
