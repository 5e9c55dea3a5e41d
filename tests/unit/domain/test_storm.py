"""What is told at once, what is held, and what stands for others."""

import itertools
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.storm import WINDOW, Earlier, Plan, plan, thread_of
from tests.stored import MINUTE, START

FAILED = Notice(id="1", kind=NoticeKind.FAILED, model="m", environment="e", run="run-1", cause="failed:train", at=START)


def test_the_first_of_a_cause_is_told_at_once() -> None:
    assert plan(FAILED, None, None, START) == Plan(due=START)


def test_a_repetition_is_held_until_the_window_is_over() -> None:
    assert plan(FAILED, Earlier(planned=START), None, START + MINUTE) == Plan(due=START + WINDOW, since=START)


def test_another_repetition_takes_the_place_of_the_one_that_is_held() -> None:
    held = Earlier(planned=START + WINDOW, repeats=3, since=START)
    assert plan(FAILED, held, None, START + MINUTE) == Plan(due=START + WINDOW, repeats=4, since=START, supersedes=True)


def test_a_change_of_outcome_since_then_makes_it_news_again() -> None:
    assert plan(FAILED, Earlier(planned=START), START + MINUTE, START + 2 * MINUTE).due == START + 2 * MINUTE


def test_trouble_that_comes_and_goes_is_no_news() -> None:
    trouble = Notice(
        id="1", kind=NoticeKind.TROUBLE, model="m", environment="e", run=None, cause="data:trouble:1", at=START
    )
    assert plan(trouble, Earlier(planned=START), START + MINUTE, START + 2 * MINUTE).due == START + WINDOW


def test_trouble_and_its_end_are_one_thread() -> None:
    kinds = (NoticeKind.TROUBLE, NoticeKind.RECOVERED)
    notices = [
        Notice(id="1", kind=kind, model="m", environment="e", run=None, cause=f"data:{kind.value}:1", at=START)
        for kind in kinds
    ]
    assert len({thread_of(notice) for notice in notices}) == 1


@given(st.lists(st.integers(min_value=0, max_value=100_000), max_size=60))
def test_no_more_than_one_is_told_in_any_window(seconds: list[int]) -> None:
    told: list[datetime] = []
    earlier: Earlier | None = None
    now = START
    for step in seconds:
        now += timedelta(seconds=step)
        planned = plan(FAILED, earlier, None, now)
        if planned.supersedes:
            told.pop()
        told.append(planned.due)
        earlier = Earlier(planned=planned.due, repeats=planned.repeats, since=planned.since)
    assert all(later - sooner >= WINDOW for sooner, later in itertools.pairwise(told))
