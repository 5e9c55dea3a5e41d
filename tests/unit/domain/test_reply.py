from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.reply import KEPT_FOR, Asking, Reply, Turn, digest_of, turn_of
from tests.stored import START

ASKING = Asking(caller="bot", key="k", digest="d", owner="one")
BEGUN = Reply(asking=ASKING, begun=START)
ANSWERED = replace(BEGUN, status=202, body="{}")


def test_a_new_key_is_done() -> None:
    assert turn_of(None, ASKING, START, is_dead=False) is Turn.DO


def test_what_was_answered_is_answered_the_same() -> None:
    assert turn_of(ANSWERED, replace(ASKING, owner="two"), START, is_dead=True) is Turn.REPLAY


def test_what_is_under_way_is_left_alone_unless_whoever_did_it_is_dead() -> None:
    assert turn_of(BEGUN, ASKING, START, is_dead=False) is Turn.UNDER_WAY
    assert turn_of(BEGUN, ASKING, START, is_dead=True) is Turn.DO_AGAIN
    left = replace(BEGUN, asking=replace(ASKING, owner=""))
    assert turn_of(left, ASKING, START, is_dead=False) is Turn.DO_AGAIN


def test_the_same_key_for_something_else_is_refused() -> None:
    for before in (BEGUN, ANSWERED):
        assert turn_of(before, replace(ASKING, digest="e"), START, is_dead=True) is Turn.ANOTHER


def test_a_key_is_free_again_after_two_days() -> None:
    almost = START + KEPT_FOR - timedelta(seconds=1)
    assert turn_of(ANSWERED, ASKING, almost, is_dead=False) is Turn.REPLAY
    assert turn_of(ANSWERED, replace(ASKING, digest="e"), START + KEPT_FOR, is_dead=False) is Turn.DO


@given(st.lists(st.binary(), max_size=4), st.lists(st.binary(), max_size=4))
def test_requests_that_differ_have_digests_that_differ(one: list[bytes], two: list[bytes]) -> None:
    assert (digest_of(*one) == digest_of(*two)) == (one == two)
