"""When a run may start for what waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.inbox import Backlog, Pause, Waiting
from everfit.domain.pacing import Held, Start, State, decide, month_of, pause_of
from everfit.domain.trigger import Amount, TriggerKind
from everfit.domain.triggers import FORCED, NewData, Pace, Trigger
from tests.stored import MINUTE, START

MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PAUSE = Pause(model="churn", environment=None, actor="ada", reason="holiday", since=START)


def waiting(*backlogs: Backlog, unconsumed: Amount | None = None) -> Waiting:
    return Waiting(
        model="churn",
        environment="production",
        backlogs={backlog.trigger: backlog for backlog in backlogs},
        unconsumed=unconsumed or Amount(),
    )


def backlog(trigger: str = "data", count: int = 1, *, last: timedelta = timedelta(0), rows: int = 0) -> Backlog:
    """Return events of which the first was accepted at the start and the newest *last* after it."""
    kind = TriggerKind.DATA if trigger == "data" else TriggerKind.API
    amount = Amount(files=count, rows=rows)
    return Backlog(kind=kind, trigger=trigger, count=count, first=START, last=START + last, amount=amount)


def paced(**pace: object) -> Trigger:
    return NewData(key="data", environments=("production",), pace=Pace(**pace), every=HOUR)  # type: ignore[arg-type]


def until(answer: Start | Held | None) -> timedelta | None:
    """Return how long after the start the answer holds; None when it does not, or not until a time."""
    return answer.until - START if isinstance(answer, Held) and answer.until is not None else None


def test_nothing_starts_when_nothing_waits() -> None:
    assert decide(waiting(), (), State(), START) is None


def test_an_event_whose_trigger_is_gone_starts_a_run_at_once() -> None:
    assert decide(waiting(backlog("gone")), (paced(quiet_for=HOUR),), State(), START) == Start(why="1 event of gone")


@pytest.mark.parametrize(("passed", "starts"), [(5 * MINUTE - MOMENT, False), (5 * MINUTE, True)])
def test_a_burst_is_over_when_it_has_been_quiet_for_long_enough(passed: timedelta, starts: bool) -> None:
    events = waiting(backlog(count=3, last=MINUTE))
    answer = decide(events, (paced(quiet_for=5 * MINUTE),), State(), START + MINUTE + passed)
    assert isinstance(answer, Start) == starts
    assert until(answer) == (None if starts else 6 * MINUTE)


@pytest.mark.parametrize(("passed", "starts"), [(HOUR - MOMENT, False), (HOUR, True)])
def test_a_burst_that_never_ends_waits_no_longer_than_the_ceiling(passed: timedelta, starts: bool) -> None:
    events = waiting(backlog(count=900, last=passed))
    answer = decide(events, (paced(quiet_for=5 * MINUTE, at_most=HOUR),), State(), START + passed)
    assert isinstance(answer, Start) == starts


@pytest.mark.parametrize(("passed", "starts"), [(DAY - MOMENT, False), (DAY, True)])
def test_a_trigger_cools_down_after_the_last_run(passed: timedelta, starts: bool) -> None:
    state = State(last_started=START)
    answer = decide(waiting(backlog()), (paced(cooldown=DAY),), state, START + passed)
    assert isinstance(answer, Start) == starts
    assert until(answer) == (None if starts else DAY)


def test_a_hold_says_in_words_what_it_waits_for() -> None:
    quiet = decide(waiting(backlog()), (paced(quiet_for=5 * MINUTE),), State(), START)
    cool = decide(waiting(backlog()), (paced(cooldown=DAY),), State(last_started=START), START)
    assert isinstance(quiet, Held)
    assert isinstance(cool, Held)
    assert quiet.why == "1 event of data: waits until nothing more has arrived for 5 minutes"
    assert cool.why == "1 event of data: cools down for 1 day after the last run"


@pytest.mark.parametrize(("rows", "starts"), [(499, False), (500, True)])
def test_a_run_waits_for_enough_new_data(rows: int, starts: bool) -> None:
    answer = decide(waiting(backlog(rows=rows)), (paced(at_least=Amount(rows=500)),), State(), START)
    assert isinstance(answer, Start) == starts
    assert starts or answer == Held(until=None, why="1 event of data: 499 of 500 new rows are there")


def test_data_that_no_run_has_learnt_from_counts_as_new() -> None:
    """A rejected run does not consume the data."""
    events = waiting(backlog(rows=1), unconsumed=Amount(rows=499))
    assert isinstance(decide(events, (paced(at_least=Amount(rows=500)),), State(), START), Start)


def test_when_one_trigger_may_start_all_join_it() -> None:
    events = waiting(backlog(count=4), backlog("api"))
    assert decide(events, (paced(quiet_for=HOUR),), State(), START) == Start(why="1 event of api")


def test_of_several_that_are_held_the_soonest_is_told() -> None:
    slow = NewData(key="slow", environments=("production",), pace=Pace(quiet_for=DAY), every=HOUR)
    events = waiting(backlog("slow"), backlog())
    assert until(decide(events, (slow, paced(quiet_for=HOUR)), State(), START)) == HOUR


def test_a_run_under_way_is_followed_by_one_more() -> None:
    answer = decide(waiting(backlog(FORCED)), (), State(busy="run-7"), START)
    assert answer == Held(until=None, why="run run-7 is under way; one more follows it")


def test_a_pause_holds_even_what_is_forced() -> None:
    answer = decide(waiting(backlog(FORCED)), (), State(pause=PAUSE, forced=True), START)
    assert answer == Held(until=None, why="paused by ada: holiday")


@pytest.mark.parametrize(
    ("now", "first"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2028, 2, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_spent_budget_holds_until_the_first_of_the_next_month(now: datetime, first: datetime) -> None:
    answer = decide(waiting(backlog()), (), State(budget=4, started_this_month=4), now)
    assert isinstance(answer, Held)
    assert (answer.until, month_of(first)) == (first, first)
    assert answer.why == f"the budget of 4 runs for {now:%B %Y} is used up"


def test_a_budget_allows_as_many_runs_as_it_says_and_a_person_more() -> None:
    events = waiting(backlog())
    assert isinstance(decide(events, (), State(budget=1, started_this_month=0), START), Start)
    assert isinstance(decide(events, (), State(budget=1, started_this_month=1), START), Held)
    assert isinstance(decide(events, (), State(budget=1, started_this_month=1, forced=True), START), Start)


def test_a_pause_of_the_environment_is_told_before_that_of_the_model() -> None:
    narrow = replace(PAUSE, environment="production", reason="audit")
    assert pause_of((PAUSE, narrow), "churn", "production") == narrow
    assert pause_of((PAUSE, narrow), "churn", "staging") == PAUSE
    assert pause_of((PAUSE, narrow), "fraud", "production") is None


times = some.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30))
paces = some.builds(Pace, quiet_for=times, at_most=some.none() | times, cooldown=times)
states = some.builds(State, last_started=some.none() | times.map(lambda ago: START - ago))


@given(pace=paces, state=states, last=times)
def test_whatever_waits_is_started_when_its_hold_is_over(pace: Pace, state: State, last: timedelta) -> None:
    """No event waits for ever, and asking again when it was told to is enough."""
    now, trigger = START + last, replace(paced(), pace=pace)
    events = waiting(backlog(count=2, last=last))
    for _ in range(3):
        answer = decide(events, (trigger,), state, now)
        if isinstance(answer, Start):
            return
        assert isinstance(answer, Held)
        assert answer.until is not None
        assert answer.until > now
        now = answer.until
    raise AssertionError("it was held again and again")


@given(pace=paces, state=states, passed=times, more=times)
def test_what_may_start_now_may_start_later(pace: Pace, state: State, passed: timedelta, more: timedelta) -> None:
    trigger, events = replace(paced(), pace=pace), waiting(backlog())
    if isinstance(decide(events, (trigger,), state, START + passed), Start):
        assert isinstance(decide(events, (trigger,), state, START + passed + more), Start)


@given(pace=paces, state=states, back=times)
def test_a_clock_that_is_set_back_holds_for_no_longer_than_twice_the_pace(
    pace: Pace, state: State, back: timedelta
) -> None:
    """An hour back costs at most that hour once more, and a year back costs nothing."""
    now, trigger = START - back, replace(paced(), pace=pace)
    for _ in range(4):
        answer = decide(waiting(backlog()), (trigger,), state, now)
        now = answer.until if isinstance(answer, Held) and answer.until is not None else now
    assert isinstance(decide(waiting(backlog()), (trigger,), state, now), Start)
    assert now - (START - back) <= 2 * (pace.quiet_for + pace.cooldown)
