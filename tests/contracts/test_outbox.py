"""What every outbox promises: each notice reaches each channel, or is known not to have."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.outbox import MemoryOutbox
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.application.ports import Outbox
from everfit.domain.delivery import MOST_ATTEMPTS, ROUND, Delivery, DeliveryState
from everfit.domain.errors import IllegalMoveError, NotFoundError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.storm import WINDOW
from tests.stored import MINUTE, START

SLACK = {"slack": WINDOW}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


@pytest.fixture
def outbox(database: Database | None, clock: SettableClock) -> Outbox:
    return MemoryOutbox(clock) if database is None else SqlOutbox(database, clock)


def a_notice(
    name: str = "run:1:failed",
    kind: NoticeKind = NoticeKind.FAILED,
    cause: str = "failed:train",
    run: str | None = "run-1",
    model: str = "churn",
    environment: str | None = "production",
) -> Notice:
    return Notice(
        id=name,
        kind=kind,
        model=model,
        environment=environment,
        run=run,
        cause=cause,
        at=START,
        facts={"reason": "no ümläut left\n", "version": 3, "serving": None},
    )


def told(outbox: Outbox, notice: Notice, channels: Mapping[str, timedelta] = SLACK) -> Delivery:
    outbox.note(notice)
    outbox.address(notice, channels)
    return outbox.deliveries(limit=1)[0]


def test_a_notice_is_kept_once_and_whole(outbox: Outbox) -> None:
    assert [outbox.note(a_notice()), outbox.note(a_notice())] == [True, False]
    (kept,) = outbox.unaddressed()
    assert (kept.id, dict(kept.facts), kept.place) == (a_notice().id, dict(a_notice().facts), 1)


def test_a_notice_is_addressed_once(outbox: Outbox) -> None:
    outbox.note(a_notice())
    first, second = (outbox.address(a_notice(), {"slack": WINDOW, "email": WINDOW}) for _ in range(2))
    assert ([each.channel for each in first], list(second)) == (["slack", "email"], [])
    assert list(outbox.unaddressed()) == []


def test_a_notice_for_nobody_is_done(outbox: Outbox) -> None:
    outbox.note(a_notice())
    outbox.address(a_notice(), {})
    assert (list(outbox.unaddressed()), list(outbox.deliveries()), outbox.next_due()) == ([], [], None)


def test_new_notices_come_in_pages_and_by_model(outbox: Outbox) -> None:
    for number in range(5):
        outbox.note(a_notice(f"notice-{number}", model="churn" if number % 2 else "line"))
    first = outbox.unaddressed(limit=2)
    assert [each.id for each in outbox.unaddressed(after=first[-1].place)] == ["notice-2", "notice-3", "notice-4"]
    assert [each.id for each in outbox.unaddressed("churn")] == ["notice-1", "notice-3"]


def test_what_is_taken_is_nobody_elses_until_the_round_is_over(outbox: Outbox, clock: SettableClock) -> None:
    told(outbox, a_notice())
    (first,) = outbox.take(10)
    assert (first.attempts, list(outbox.take(10))) == (1, [])
    clock.advance(ROUND)
    assert [each.attempts for each in outbox.take(10)] == [2]


def test_only_the_models_that_are_meant_are_taken(outbox: Outbox) -> None:
    told(outbox, a_notice())
    assert list(outbox.take(10, frozenset({"line"}))) == list(outbox.take(10, frozenset())) == []
    assert len(outbox.take(10, frozenset({"churn", "line"}))) == 1


def test_only_what_is_about_the_environment_that_is_meant_is_taken(outbox: Outbox) -> None:
    for name, environment in (("one", "production"), ("two", "staging"), ("three", None)):
        told(outbox, a_notice(name=name, cause=name, environment=environment))
    assert [each.notice.id for each in outbox.take(10, environment="staging")] == ["two", "three"]
    assert [each.notice.id for each in outbox.take(10, frozenset({"churn"}), "production")] == ["one"]


def test_fresh_deliveries_are_taken_before_those_that_failed(outbox: Outbox, clock: SettableClock) -> None:
    told(outbox, a_notice("old"))
    outbox.failed(outbox.take(1)[0], "down")
    told(outbox, a_notice("new", cause="failed:check"))
    clock.advance(MINUTE)
    assert [each.notice.id for each in outbox.take(10)] == ["new", "old"]


def test_what_has_arrived_stays_so(outbox: Outbox) -> None:
    told(outbox, a_notice())
    (taken,) = outbox.take(10)
    outbox.delivered(taken)
    outbox.failed(taken, "too late")
    (kept,) = outbox.deliveries()
    assert (kept.state, kept.error, kept.ended, outbox.next_due()) == (DeliveryState.DELIVERED, None, START, None)
    with pytest.raises(IllegalMoveError):
        outbox.retry(kept.id)


def test_what_failed_is_tried_again_after_a_pause(outbox: Outbox) -> None:
    told(outbox, a_notice())
    outbox.failed(outbox.take(10)[0], "x" * 10_000)
    (kept,) = outbox.deliveries(state=DeliveryState.WAITING)
    assert (kept.due, len(kept.error or "")) == (START + MINUTE, 500)
    assert outbox.next_due() == START + MINUTE


def test_after_three_days_it_is_given_up_and_can_be_tried_anew(outbox: Outbox, clock: SettableClock) -> None:
    told(outbox, a_notice())
    while outbox.next_due() is not None:
        clock.advance(timedelta(hours=1))
        for taken in outbox.take(10):
            outbox.failed(taken, "down")
    (lost,) = outbox.deliveries(state=DeliveryState.GIVEN_UP)
    assert (lost.attempts, lost.error) == (MOST_ATTEMPTS + 1, "down")
    assert timedelta(days=3) <= clock.now() - START <= timedelta(days=4)
    outbox.retry(lost.id)
    assert [each.attempts for each in outbox.take(10)] == [1]


def test_what_was_not_tried_after_all_is_put_back(outbox: Outbox) -> None:
    told(outbox, a_notice())
    outbox.put_back(outbox.take(10)[0], START)
    assert [each.attempts for each in outbox.take(10)] == [1]


def test_a_delivery_that_is_not_there_is_named(outbox: Outbox) -> None:
    with pytest.raises(NotFoundError, match="everfit alerts"):
        outbox.retry(7)


def test_a_storm_is_told_once_and_counted(outbox: Outbox, clock: SettableClock) -> None:
    told(outbox, a_notice("0"))
    for number in range(1, 13):
        clock.advance(MINUTE)
        told(outbox, a_notice(str(number), run=f"run-{number}"))
    assert [each.notice.id for each in outbox.take(100)] == ["0"]
    clock.advance(WINDOW)
    held = next(each for each in outbox.take(100) if each.notice.id == "12")
    assert (held.repeats, held.since) == (11, START)
    assert len(outbox.deliveries(state=DeliveryState.MUTED)) == 11


def test_a_change_of_outcome_is_told_at_once_and_mutes_what_was_held(outbox: Outbox, clock: SettableClock) -> None:
    for name in ("0", "1"):
        told(outbox, a_notice(name))
        clock.advance(MINUTE)
    told(outbox, a_notice("good", NoticeKind.DEPLOYED, "deployed:run-2"))
    clock.advance(MINUTE)
    told(outbox, a_notice("bad again"))
    assert [each.notice.id for each in outbox.take(100)] == ["0", "good", "bad again"]
    assert [each.notice.id for each in outbox.deliveries(state=DeliveryState.MUTED)] == ["1"]


def test_trouble_that_comes_and_goes_is_told_once_in_a_window_and_ends_true(
    outbox: Outbox, clock: SettableClock
) -> None:
    for number in range(20):
        kind = NoticeKind.RECOVERED if number % 2 else NoticeKind.TROUBLE
        told(outbox, a_notice(str(number), kind, f"data source:{kind.value}:1", run=None))
        clock.advance(MINUTE)
    assert [each.notice.id for each in outbox.take(100)] == ["0", "1"]
    clock.advance(WINDOW)
    assert next(each.notice.id for each in outbox.take(100)) == "19"


def test_channels_and_places_do_not_mute_each_other(outbox: Outbox) -> None:
    told(outbox, a_notice("1"), {"slack": WINDOW})
    told(outbox, a_notice("2"), {"email": WINDOW})
    told(outbox, a_notice("3", model="line"), {"slack": WINDOW})
    assert [each.notice.id for each in outbox.take(100)] == ["1", "2", "3"]


def test_deliveries_are_listed_newest_first_in_pages(outbox: Outbox) -> None:
    for number in range(3):
        told(outbox, a_notice(str(number), cause=f"failed:{number}"))
    first = outbox.deliveries(model="churn", limit=2)
    assert [each.notice.id for each in first] == ["2", "1"]
    assert [each.notice.id for each in outbox.deliveries(before=first[-1].id)] == ["0"]
    assert list(outbox.deliveries(model="line")) == []


def test_the_newest_notice_of_a_cause_is_found(outbox: Outbox) -> None:
    for name in ("1", "2"):
        outbox.note(a_notice(name, cause="no success"))
    found = outbox.newest("churn", "production", "no success")
    assert (found and found.id, outbox.newest("churn", "staging", "no success")) == ("2", None)


def test_a_place_is_watched_since_it_was_first_seen(outbox: Outbox, clock: SettableClock) -> None:
    outbox.watch([("churn", "production")])
    clock.advance(MINUTE)
    both = [("churn", "production"), ("churn", "staging")]
    assert outbox.watch(both) == {both[0]: START, both[1]: START + MINUTE}
