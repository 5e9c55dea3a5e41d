"""Amounts as people read them."""

from datetime import timedelta

import pytest

from everfit.domain.amounts import brief


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=1), "1s"),
        (timedelta(seconds=59.2), "1m"),
        (timedelta(minutes=90), "1h 30m"),
        (timedelta(days=1, seconds=5), "1d 5s"),
        (timedelta(days=2, hours=3, minutes=4), "2d 3h"),
    ],
)
def test_a_length_of_time_is_said_in_its_two_largest_units(time: timedelta, words: str) -> None:
    assert brief(time) == words
