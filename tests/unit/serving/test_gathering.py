"""How long requests wait for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.endpoint import Service
from everfit.serving.gathering import Gathering


def learnt(gather: float = 0.002, batch: int = 64, clients: int = 16, call: float = 0.001) -> Gathering:
    """Return what is known after some calls that all clients shared."""
    gathering = Gathering(Service(gather=gather, batch=batch), timeout=60.0)
    for _ in range(20):
        gathering.sent(clients, 0)
        gathering.answered(clients, call)
    return gathering


def test_a_lone_request_never_waits() -> None:
    gathering = learnt(clients=1)
    assert gathering.pause(1, 0) == 0.0


def test_the_first_of_many_waits_for_the_rest_and_all_of_them_go_at_once() -> None:
    gathering = learnt(clients=16)
    assert gathering.pause(1, 0) > 0.0
    assert gathering.pause(15, 0) > 0.0
    assert gathering.pause(16, 0) == 0.0


def test_those_that_are_being_answered_are_not_waited_for() -> None:
    assert learnt(clients=16).pause(8, 8) == 0.0


def test_a_full_call_goes() -> None:
    assert learnt(clients=64, batch=8).pause(8, 0) == 0.0


def test_no_request_waits_longer_than_it_may_nor_than_a_call_takes() -> None:
    assert learnt(gather=0.002, call=0.05).pause(1, 0) == pytest.approx(0.002)
    assert learnt(gather=0.002, call=0.001).pause(1, 0) == pytest.approx(0.001)
    assert learnt(gather=0.0, call=0.05).pause(1, 0) == 0.0
    assert learnt(call=0.0001).pause(1, 0) == 0.0


def test_callers_that_went_away_are_forgotten_soon() -> None:
    gathering = learnt(clients=16)
    pauses = 0
    while gathering.pause(1, 0):
        gathering.sent(1, 0)
        pauses += 1
    assert pauses < 15


def test_a_slow_model_is_given_no_more_than_it_answers_in_good_time() -> None:
    assert learnt(clients=1, call=1.0).most == 7
    assert learnt(clients=1, call=100.0).most == 1
    assert learnt(clients=1, call=0.001).most == 64


@given(
    sent=st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100)), max_size=30),
    calls=st.lists(st.tuples(st.integers(1, 64), st.floats(0.0, 100.0)), max_size=30),
    waiting=st.integers(1, 1000),
    under_way=st.integers(0, 1000),
)
def test_whatever_was_seen_pauses_and_calls_keep_their_bounds(
    sent: list[tuple[int, int]], calls: list[tuple[int, float]], waiting: int, under_way: int
) -> None:
    gathering = Gathering(Service(), timeout=60.0)
    for each in sent:
        gathering.sent(*each)
    for requests, seconds in calls:
        gathering.answered(requests, seconds)
    assert 0.0 <= gathering.pause(waiting, under_way) <= Service().gather
    assert 1 <= gathering.most <= Service().batch
