from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.rate import Bucket, Rate, taken

RATE = Rate(each_second=10, at_once=20)


def let_through(moments: list[float], rate: Rate = RATE) -> int:
    bucket: Bucket | None = None
    count = 0
    for moment in moments:
        bucket, early = taken(bucket, rate, moment)
        count += early == 0
    return count


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    assert let_through([0.0] * 100) == 20
    assert let_through([0.0] * 100 + [1.0] * 100) == 30


def test_who_is_too_early_learns_by_how_much_and_is_right_then() -> None:
    bucket = Bucket(left=0.0, at=0.0)
    bucket, early = taken(bucket, RATE, 0.0)
    assert early == 0.1
    assert taken(bucket, RATE, early)[1] == 0


@given(st.lists(st.floats(0, 100), max_size=200).map(sorted))
def test_no_more_is_let_through_than_the_rate_allows(moments: list[float]) -> None:
    span = moments[-1] - moments[0] if moments else 0
    assert let_through(moments) <= RATE.at_once + RATE.each_second * span + 1


@given(st.lists(st.floats(-1e9, 1e9), max_size=50))
def test_a_clock_that_goes_back_lets_nobody_through_for_free(moments: list[float]) -> None:
    bucket: Bucket | None = None
    for moment in moments:
        bucket, _ = taken(bucket, RATE, moment)
        assert 0 <= bucket.left <= RATE.at_once
