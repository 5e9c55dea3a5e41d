import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain import units
from everfit.domain.errors import RuleError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200ms", timedelta(milliseconds=200)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1.5h", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_durations_mean_what_they_say(text: str, expected: timedelta) -> None:
    assert units.duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500MB", 500_000_000), ("10GiB", 10 * 2**30), ("1.5kB", 1500), ("0B", 0), ("2 TB", 2 * 10**12)],
)
def test_sizes_tell_millions_from_powers_of_two(text: str, expected: int) -> None:
    assert units.size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("20%", 0.2), ("0.2", 0.2), ("100%", 1.0), ("1", 1.0), ("0%", 0.0), ("0.1%", 0.001)]
)
def test_shares_are_exact(text: str, expected: float) -> None:
    assert units.share(text) == expected


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("1 hour", "1h"), ("5min", "5m"), ("3 days", "3d"), ("10secs", "10s"), ("200msec", "200ms"), ("1H", "1h")],
)
def test_a_wrong_unit_of_time_names_the_right_one(text: str, nearest: str) -> None:
    with pytest.raises(RuleError) as refused:
        units.duration(text)
    assert refused.value.nearest == nearest


@pytest.mark.parametrize("text", ["60", "", "h", "-1h", "1h30", "1e3s", "٣h", "1y", "99999999w", "one hour"])
def test_no_duration_is_guessed(text: str) -> None:
    with pytest.raises(RuleError):
        units.duration(text)


@pytest.mark.parametrize(("text", "nearest"), [("500mb", "500MB"), ("1gib", "1GiB"), ("5Mb", "5MB")])
def test_a_wrong_unit_of_size_names_the_right_one(text: str, nearest: str) -> None:
    with pytest.raises(RuleError) as refused:
        units.size(text)
    assert refused.value.nearest == nearest


@pytest.mark.parametrize("text", ["500", "", "MB", "-1MB", "1,000MB", "lots"])
def test_no_size_is_guessed(text: str) -> None:
    with pytest.raises(RuleError):
        units.size(text)


def test_twenty_alone_is_no_share_and_the_percentage_is_proposed() -> None:
    with pytest.raises(RuleError) as refused:
        units.share("20")
    assert refused.value.nearest == "20%"


@pytest.mark.parametrize("text", ["120%", "-0.1", "nan", "inf", "", "%", "1/5"])
def test_no_share_is_guessed(text: str) -> None:
    with pytest.raises(RuleError):
        units.share(text)


@given(st.integers(0, 10**9))
def test_milliseconds_survive_the_round_trip(count: int) -> None:
    assert units.duration(f"{count}ms") == timedelta(milliseconds=count)


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_a_rule_error(text: str) -> None:
    for parse in (units.duration, units.size, units.share):
        with contextlib.suppress(RuleError):
            assert parse(text) is not None
