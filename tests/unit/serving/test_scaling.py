"""How many processes a version gets."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from everfit.serving.scaling import PRESSED, QUIET, Look, Scale, next_scale

PRESSING = Look(seconds=1.0, workers=1, starting=0, wait=0.5, call=0.1, busy=1.0, computing=1.0, idle_cores=3.0)
RESTING = Look(seconds=1.0, workers=2, starting=0, wait=0.0, call=0.1, busy=0.1, computing=0.1, idle_cores=4.0)


def after(scale: Scale, look: Look, seconds: float, least: int = 1, most: int = 4) -> Scale:
    for _ in range(int(seconds / look.seconds)):
        scale = next_scale(scale, look, least, most)
    return scale


def test_one_is_added_when_requests_wait_longer_than_a_call_takes_for_some_time() -> None:
    assert after(Scale(workers=1), PRESSING, PRESSED - 1).workers == 1
    assert after(Scale(workers=1), PRESSING, PRESSED).workers == 2


def test_none_is_added_where_no_core_is_idle() -> None:
    assert after(Scale(workers=1), replace(PRESSING, idle_cores=0.1), 60).workers == 1


def test_processes_that_wait_for_something_else_than_a_core_are_joined_by_others() -> None:
    assert after(Scale(workers=1), replace(PRESSING, idle_cores=0.1, computing=0.1), PRESSED).workers == 2


def test_none_is_added_while_one_is_being_started() -> None:
    assert after(Scale(workers=2), replace(PRESSING, workers=2, starting=1), 60).workers == 2


def test_waiting_that_lasts_a_moment_only_adds_none() -> None:
    scale = Scale(workers=1)
    for _ in range(20):
        scale = next_scale(next_scale(scale, PRESSING, 1, 4), RESTING, 1, 4)
    assert scale.workers == 1


def test_one_goes_when_the_others_would_do_for_a_long_time() -> None:
    assert after(Scale(workers=2), RESTING, QUIET - 1).workers == 2
    assert after(Scale(workers=2), RESTING, QUIET).workers == 1


def test_none_goes_while_the_others_would_be_busy() -> None:
    assert after(Scale(workers=2), replace(RESTING, busy=0.9), 600).workers == 2


LOOKS = st.builds(
    Look,
    seconds=st.floats(0.1, 100.0),
    workers=st.integers(0, 10),
    starting=st.integers(0, 3),
    wait=st.floats(0.0, 100.0),
    call=st.floats(0.0, 10.0),
    busy=st.floats(0.0, 10.0),
    computing=st.floats(0.0, 10.0),
    idle_cores=st.floats(0.0, 64.0),
)


@given(
    looks=st.lists(LOOKS, max_size=100),
    start=st.integers(0, 20),
    bounds=st.tuples(st.integers(1, 5), st.integers(1, 8)),
)
def test_whatever_is_seen_the_bounds_are_kept_and_it_goes_step_by_step(
    looks: list[Look], start: int, bounds: tuple[int, int]
) -> None:
    least, most = bounds
    scale = next_scale(Scale(workers=start), PRESSING, least, most)
    for look in looks:
        following = next_scale(scale, look, least, most)
        assert least <= following.workers <= max(least, most)
        assert abs(following.workers - scale.workers) <= 1
        scale = following


@given(look=LOOKS, more=st.floats(0.0, 50.0))
def test_longer_waits_never_mean_fewer_processes(look: Look, more: float) -> None:
    scale = Scale(workers=2, pressed=PRESSED, quiet=QUIET)
    one, other = next_scale(scale, look, 1, 4), next_scale(scale, replace(look, wait=look.wait + more), 1, 4)
    assert other.workers >= one.workers
