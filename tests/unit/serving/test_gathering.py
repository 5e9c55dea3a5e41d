"""How long requests wait for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.endpoint import Service
from everfit.serving.gathering import Gathering


def learnt(
    clients: int = 16,
    gather: float = 0.002,
    batch: int = 64,
    call: float = 0.001,
    way: float = 0.0,
    fixed: float = 0.0005,
) -> Gathering:
    """Return what is known after some calls that all clients shared.

    Args:
        way: seconds that it takes until a request is back.
    """
    gathering = Gathering(Service(gather=gather, batch=batch), timeout=60.0)
    gathering.fixed_cost = fixed
    for _ in range(20):
        gathering.sent(clients)
        gathering.answered(clients, call)
        gathering.came_back(clients, way * clients)
    return gathering


def test_a_lone_request_never_waits() -> None:
    assert learnt(clients=1).pause(1, 0, 1) == 0.0


def test_the_first_of_many_waits_for_the_rest_and_all_of_them_go_at_once() -> None:
    gathering = learnt(clients=16)
    assert gathering.pause(1, 0, 1) > 0.0
    assert gathering.pause(15, 0, 1) > 0.0
    assert gathering.pause(16, 0, 1) == 0.0
    assert gathering.share(1) == 16


def test_where_the_way_takes_longer_than_a_call_costs_there_is_a_group_more_than_processes() -> None:
    gathering = learnt(clients=64, way=0.00003)
    assert (gathering.share(1), gathering.share(3)) == (32, 16)
    assert gathering.pause(31, 0, 1) > 0.0
    assert gathering.pause(32, 0, 1) == 0.0


def test_where_a_call_costs_more_than_the_way_each_process_has_its_group() -> None:
    gathering = learnt(clients=64, way=0.00003, call=0.02, fixed=0.01)
    assert (gathering.share(1), gathering.share(2)) == (64, 32)


def test_those_that_are_being_answered_are_not_waited_for() -> None:
    assert learnt(clients=16).pause(8, 8, 1) == 0.0


def test_a_full_call_goes() -> None:
    assert learnt(clients=64, batch=8).pause(8, 0, 1) == 0.0


def test_no_request_waits_longer_than_it_may_nor_than_a_call_takes() -> None:
    assert learnt(gather=0.002, call=0.05).pause(1, 0, 1) == pytest.approx(0.002)
    assert learnt(gather=0.002, call=0.001).pause(1, 0, 1) == pytest.approx(0.001)
    assert learnt(gather=0.0, call=0.05).pause(1, 0, 1) == 0.0
    assert learnt(call=0.0001).pause(1, 0, 1) == 0.0


def test_callers_that_went_away_are_forgotten_soon() -> None:
    gathering = learnt(clients=16)
    pauses = 0
    while gathering.pause(1, 0, 1):
        gathering.sent(1)
        pauses += 1
    assert pauses < 15


def test_a_slow_model_is_given_no_more_than_it_answers_in_good_time() -> None:
    for call, most in ((1.0, 7), (100.0, 1), (0.001, 64)):
        gathering = learnt(clients=1, call=call)
        gathering.sent(1000)
        assert gathering.share(1) == most


@given(
    sent=st.lists(st.integers(1, 200), max_size=30),
    calls=st.lists(st.tuples(st.integers(1, 64), st.floats(0.0, 100.0), st.floats(0.0, 100.0)), max_size=30),
    fixed=st.none() | st.floats(0.0, 100.0),
    waiting=st.integers(1, 1000),
    under_way=st.integers(0, 1000),
)
def test_whatever_was_seen_pauses_and_calls_keep_their_bounds(
    sent: list[int], calls: list[tuple[int, float, float]], fixed: float | None, waiting: int, under_way: int
) -> None:
    gathering = Gathering(Service(), timeout=60.0)
    gathering.fixed_cost = fixed
    for each in sent:
        gathering.sent(each)
    for requests, seconds, way in calls:
        gathering.answered(requests, seconds)
        gathering.came_back(requests, way)
    for processes in (1, 2, 8):
        assert 0.0 <= gathering.pause(waiting, under_way, processes) <= Service().gather
        assert 1 <= gathering.share(processes) <= Service().batch
