"""What every store of kept answers promises."""

from dataclasses import replace
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.replies import MemoryReplies
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.replies import SqlReplies
from everfit.application.ports.replies import Replies
from everfit.domain.reply import KEPT_FOR, Asking, Turn
from tests.stored import START

ASKING = Asking(caller="bot", key="key", digest="one", owner="alive")
DEAD = {"dead"}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


@pytest.fixture
def replies(database: Database | None, clock: SettableClock) -> Replies:
    if database is None:
        return MemoryReplies(clock, DEAD.__contains__)
    return SqlReplies(database, clock, DEAD.__contains__)


def plan() -> str:
    return "to 3"


def no_plan() -> str:
    raise AssertionError("the plan was made before")


def test_a_request_is_done_once_and_answered_the_same_ever_after(replies: Replies) -> None:
    assert replies.begin(ASKING, plan)[0] is Turn.DO
    assert replies.begin(replace(ASKING, owner="other"), no_plan)[0] is Turn.UNDER_WAY
    replies.answer(ASKING, 202, '{"run":1}')
    turn, reply = replies.begin(replace(ASKING, owner="other"), no_plan)
    assert (turn, reply.status, reply.body) == (Turn.REPLAY, 202, '{"run":1}')


def test_another_request_under_the_same_key_is_noticed(replies: Replies) -> None:
    replies.begin(ASKING, plan)
    assert replies.begin(replace(ASKING, digest="two"), no_plan)[0] is Turn.ANOTHER


def test_callers_have_keys_of_their_own(replies: Replies) -> None:
    replies.begin(ASKING, plan)
    assert replies.begin(replace(ASKING, caller="other"), plan)[0] is Turn.DO


@pytest.mark.parametrize("how", ["dead", "left"])
def test_what_was_left_half_way_is_done_again_by_the_same_plan(replies: Replies, how: str) -> None:
    first = replace(ASKING, owner="dead") if how == "dead" else ASKING
    replies.begin(first, plan)
    if how == "left":
        replies.leave(first)
    turn, reply = replies.begin(replace(ASKING, owner="second"), no_plan)
    assert (turn, reply.plan) == (Turn.DO_AGAIN, "to 3")
    assert replies.begin(ASKING, no_plan)[0] is Turn.UNDER_WAY
    replies.answer(first, 500, "late")
    replies.answer(replace(ASKING, owner="second"), 200, "right")
    assert replies.begin(ASKING, no_plan)[1].body == "right"


def test_what_changed_nothing_leaves_its_key_free(replies: Replies) -> None:
    replies.begin(ASKING, plan)
    replies.forget(replace(ASKING, owner="other"))
    assert replies.begin(ASKING, no_plan)[0] is Turn.UNDER_WAY
    replies.forget(ASKING)
    assert replies.begin(replace(ASKING, digest="two"), plan)[0] is Turn.DO


def test_an_answer_is_kept_for_two_days(replies: Replies, clock: SettableClock) -> None:
    replies.begin(ASKING, plan)
    replies.answer(ASKING, 200, "{}")
    clock.advance(KEPT_FOR - timedelta(seconds=1))
    assert replies.begin(ASKING, no_plan)[0] is Turn.REPLAY
    clock.advance(timedelta(seconds=1))
    assert replies.begin(replace(ASKING, digest="two"), plan)[0] is Turn.DO


def test_an_answer_that_was_given_is_not_taken_back(replies: Replies) -> None:
    replies.begin(ASKING, plan)
    replies.answer(ASKING, 200, "{}")
    replies.forget(ASKING)
    replies.leave(ASKING)
    replies.answer(ASKING, 500, "other")
    assert replies.begin(ASKING, no_plan)[1].body == "{}"


def test_old_answers_go_when_new_ones_come(sql_database: Database, clock: SettableClock) -> None:
    replies = SqlReplies(sql_database, clock)
    for number in range(3):
        replies.begin(replace(ASKING, key=f"key-{number}"), plan)
    clock.advance(KEPT_FOR)
    replies.begin(ASKING, plan)
    with sql_database.reading() as rows:
        assert [row["key"] for row in rows.all("select key from reply", {})] == ["key"]
