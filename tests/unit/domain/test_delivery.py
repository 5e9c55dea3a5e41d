"""How often and for how long a message is tried."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.delivery import FIRST_PAUSE, LONGEST_PAUSE, MOST_ATTEMPTS, pause_after


def test_the_pauses_of_all_attempts_take_three_days() -> None:
    taken = sum((pause_after(attempt) or timedelta(0) for attempt in range(1, MOST_ATTEMPTS + 1)), timedelta(0))
    assert timedelta(days=3) <= taken < timedelta(days=3) + LONGEST_PAUSE
    assert pause_after(MOST_ATTEMPTS + 1) is None


@given(st.integers(min_value=1, max_value=MOST_ATTEMPTS - 1))
def test_pauses_never_become_shorter_and_have_a_ceiling(attempts: int) -> None:
    pause, following = pause_after(attempts), pause_after(attempts + 1)
    assert pause is not None
    assert following is not None
    assert FIRST_PAUSE <= pause <= following <= LONGEST_PAUSE
