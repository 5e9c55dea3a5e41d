"""What every inbox promises."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.ports import Inbox, RunStore
from everfit.domain.errors import BusyError, IllegalMoveError, NotFoundError
from everfit.domain.inbox import Pause
from everfit.domain.run import Cancellation, Outcome, Run, RunId, RunState
from everfit.domain.trigger import Amount, EventEnd, EventRecord, TriggerEvent, TriggerKind
from tests.stored import MINUTE, START, a_run, an_event

PLACE = ("churn", "production")
LEASE = timedelta(seconds=30)
LATER = START + timedelta(days=365)


@dataclass
class Kept:
    """An inbox, the runs beside it, and their clock."""

    inbox: Inbox
    store: RunStore
    clock: SettableClock

    def accept(self, *names: str, **changes: object) -> Sequence[bool]:
        return self.inbox.accept([replace(an_event(name), **changes) for name in names])  # type: ignore[arg-type]

    def started(self, name: str = "run-1", *, seen: int | None = None) -> Run:
        return self.inbox.start(a_run(name), seen)

    def ended(self, outcome: Outcome, name: str = "run-1") -> None:
        claim = self.store.claim(*PLACE, owner="worker", lease=LEASE, run=RunId(name))
        self.store.end(claim, outcome, "the reason")
        self.store.release(claim)

    def ends(self) -> dict[str, tuple[EventEnd, str | None]]:
        return {record.event.id: (record.end, record.run) for record in self.inbox.events()}

    @property
    def newest(self) -> EventRecord:
        return self.inbox.events(limit=1)[0]


@pytest.fixture
def kept(database: Database | None) -> Kept:
    clock = SettableClock(START)
    if database is None:
        store = MemoryRunStore(clock)
        return Kept(MemoryInbox(store, clock), store, clock)
    return Kept(SqlInbox(database, clock), SqlRunStore(database, clock), clock)


def files(number: int) -> Amount:
    return Amount(files=number, rows=2 * number, bytes=3 * number)


# Accepting


def test_an_event_that_is_delivered_again_is_known(kept: Kept) -> None:
    """The same event delivered twice, or out of order, starts one run."""
    assert kept.accept("one", "two", "one") == [True, True, False]
    assert kept.accept("two", "three") == [False, True]
    assert kept.inbox.waiting(*PLACE).count == 3


def test_an_event_is_kept_as_it_came(kept: Kept) -> None:
    event = replace(an_event(), trigger="data", subject="3 files", amount=files(3), detail={"force": True, "ö": [1]})
    kept.inbox.accept((event,))
    record = kept.inbox.event(*PLACE, event.id)
    assert (record.event, record.end, record.accepted) == (event, EventEnd.PENDING, START)


def test_events_and_marks_are_written_together_or_not_at_all(kept: Kept) -> None:
    unwritable = replace(an_event("two"), detail={"at": object()})
    with pytest.raises(TypeError):
        kept.inbox.accept((an_event("one"), unwritable), {"source": {"seen": 2}})
    assert (kept.inbox.marks(""), list(kept.inbox.events())) == ({}, [])


def test_marks_are_found_by_the_beginning_of_their_key(kept: Kept) -> None:
    kept.inbox.accept((), {"data:a": {"seen": 1}, "data:b": {}, "git:a": {"at": "x"}})
    kept.inbox.accept((), {"data:a": {"seen": 2}})
    assert kept.inbox.marks("data:") == {"data:a": {"seen": 2}, "data:b": {}}
    kept.inbox.forget_mark("data:a")
    kept.inbox.forget_mark("data:a")
    assert list(kept.inbox.marks("")) == ["data:b", "git:a"]


def test_an_unknown_event_is_not_found(kept: Kept) -> None:
    with pytest.raises(NotFoundError, match="no trigger event 'nix'"):
        kept.inbox.event(*PLACE, "nix")


def test_a_refused_event_has_ended_and_never_waits(kept: Kept) -> None:
    assert kept.inbox.refuse(an_event(), "the tag holds no version")
    assert not kept.inbox.refuse(an_event(), "again")
    assert kept.accept(an_event().id) == [False]
    assert (kept.newest.end, kept.newest.reason) == (EventEnd.SKIPPED, "the tag holds no version")
    assert list(kept.inbox.all_waiting()) == []


# What waits


def test_what_waits_is_summed_up_by_trigger(kept: Kept) -> None:
    kept.accept("a", trigger="data", amount=files(1))
    kept.clock.advance(MINUTE)
    kept.accept("b", trigger="data", amount=files(2))
    kept.accept("c", kind=TriggerKind.DRIFT)
    waiting = kept.inbox.waiting(*PLACE)
    data = waiting.backlogs["data"]
    assert (data.count, data.amount, data.first, data.last) == (2, files(3), START, START + MINUTE)
    assert (waiting.backlogs["drift"].count, waiting.count) == (1, 3)


def test_all_that_waits_is_told_by_model_and_environment(kept: Kept) -> None:
    kept.accept("a")
    kept.accept("a", environment="staging")
    kept.accept("b", model="fraud")
    found = {(one.model, one.environment): one.count for one in kept.inbox.all_waiting()}
    assert found == {PLACE: 1, ("churn", "staging"): 1, ("fraud", "production"): 1}


def test_nothing_waits_where_nothing_was_accepted(kept: Kept) -> None:
    waiting = kept.inbox.waiting(*PLACE)
    assert (waiting.count, waiting.unconsumed, kept.inbox.joining(*PLACE)) == (0, Amount(), [])


def test_those_that_would_join_are_read_a_page_at_a_time(kept: Kept) -> None:
    kept.accept("a", "b", "c", "d")
    page = kept.inbox.joining(*PLACE, limit=3)
    rest = kept.inbox.joining(*PLACE, before=page[-1].place, limit=3)
    assert [record.event.id for record in (*page, *rest)] == ["d", "c", "b", "a"]


# Starting and ending


def test_a_burst_joins_one_run_and_nothing_waits_after_it(kept: Kept) -> None:
    """N objects uploaded in a burst start one run, not N; the run's record names all N."""
    kept.accept(*"abcde")
    run = kept.started()
    assert (run.state, kept.inbox.waiting(*PLACE).count) == (RunState.QUEUED, 0)
    assert {record.event.id for record in kept.inbox.events(run=run.id)} == set("abcde")


def test_only_what_was_seen_joins(kept: Kept) -> None:
    kept.accept("seen", trigger="data", amount=files(1))
    seen = kept.newest.place
    kept.clock.advance(MINUTE)
    kept.accept("unseen", trigger="data", amount=files(4))
    kept.started(seen=seen)
    waiting = kept.inbox.waiting(*PLACE)
    assert kept.ends() == {"seen": (EventEnd.PENDING, "run-1"), "unseen": (EventEnd.PENDING, None)}
    assert (waiting.backlogs["data"].amount, waiting.backlogs["data"].first) == (files(4), START + MINUTE)
    assert waiting.unconsumed == files(1)


def test_a_run_is_started_once(kept: Kept) -> None:
    run = kept.started()
    kept.accept("later")
    assert kept.started() == run
    assert kept.inbox.waiting(*PLACE).count == 1


def test_no_run_is_started_beside_one_that_has_not_ended(kept: Kept) -> None:
    kept.started()
    with pytest.raises(BusyError, match="run-1 of churn in production has not ended"):
        kept.started("run-2")
    assert [run.id for run in kept.store.open()] == ["run-1"]


def test_a_run_starts_beside_one_that_waits_for_a_person(kept: Kept) -> None:
    run = kept.started()
    claim = kept.store.claim(*PLACE, owner="worker", lease=LEASE, run=run.id)
    kept.store.wait(claim, "approval", Outcome.NEEDS_APPROVAL)
    assert kept.started("run-2").id == "run-2"


def test_only_a_queued_run_is_started(kept: Kept) -> None:
    with pytest.raises(IllegalMoveError):
        kept.inbox.start(replace(a_run(), state=RunState.RUNNING))


def test_an_event_during_a_run_waits_for_the_next_one(kept: Kept) -> None:
    """Nothing that arrives while a run is active is lost: it starts one more run after it, with the newest data."""
    kept.accept("before")
    kept.started()
    kept.accept("during")
    kept.ended(Outcome.DEPLOYED)
    assert kept.ends() == {"before": (EventEnd.RAN, "run-1"), "during": (EventEnd.PENDING, None)}
    kept.started("run-2")
    assert kept.ends()["during"] == (EventEnd.PENDING, "run-2")


@pytest.mark.parametrize(
    ("outcome", "first", "second"),
    [
        (Outcome.DEPLOYED, EventEnd.RAN, EventEnd.MERGED),
        (Outcome.REJECTED, EventEnd.RAN, EventEnd.MERGED),
        (Outcome.SKIPPED, EventEnd.SKIPPED, EventEnd.SKIPPED),
        (Outcome.CANCELLED, EventEnd.SKIPPED, EventEnd.SKIPPED),
        (Outcome.FAILED, EventEnd.FAILED, EventEnd.FAILED),
    ],
)
def test_every_event_ends_with_its_run(kept: Kept, outcome: Outcome, first: EventEnd, second: EventEnd) -> None:
    """Each accepted trigger has exactly one recorded end."""
    kept.accept("one", "two")
    kept.started()
    kept.clock.advance(MINUTE)
    kept.ended(outcome)
    records = kept.inbox.events()
    assert kept.ends() == {"one": (first, "run-1"), "two": (second, "run-1")}
    assert {(record.reason, record.ended) for record in records} == {("the reason", START + MINUTE)}


def test_what_is_skipped_ends_with_the_reason(kept: Kept) -> None:
    kept.accept("a", "b")
    assert kept.inbox.skip(*PLACE, "everfit.yaml has no environment 'production' any more") == 2
    assert kept.inbox.skip(*PLACE, "again") == 0
    assert (kept.newest.end, kept.newest.run) == (EventEnd.SKIPPED, None)
    assert kept.inbox.waiting(*PLACE).count == 0


def test_only_what_was_seen_is_skipped(kept: Kept) -> None:
    kept.accept("a")
    seen = kept.newest.place
    kept.accept("b")
    assert kept.inbox.skip(*PLACE, "the tag was refused", seen=seen) == 1
    assert (kept.ends()["b"], kept.inbox.waiting(*PLACE).count) == ((EventEnd.PENDING, None), 1)


def test_another_place_is_left_alone(kept: Kept) -> None:
    kept.accept("a", environment="staging")
    kept.started()
    kept.inbox.skip(*PLACE, "gone")
    assert kept.inbox.waiting("churn", "staging").count == 1


# What a run did not learn from


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FAILED, Outcome.CANCELLED])
def test_a_run_without_a_good_end_does_not_consume_the_data(kept: Kept, outcome: Outcome) -> None:
    """A rejected run does not consume the data."""
    kept.accept("a", amount=files(2))
    kept.started()
    kept.ended(outcome)
    assert kept.inbox.waiting(*PLACE).unconsumed == files(2)
    kept.accept("b", amount=files(1))
    kept.started("run-2")
    assert kept.inbox.waiting(*PLACE).unconsumed == files(3)


@pytest.mark.parametrize("outcome", [Outcome.DEPLOYED, Outcome.APPROVED, Outcome.SKIPPED])
def test_a_run_with_a_good_end_consumes_all_that_was_there(kept: Kept, outcome: Outcome) -> None:
    kept.accept("a", amount=files(2))
    kept.started()
    kept.ended(Outcome.REJECTED)
    kept.accept("b", amount=files(1))
    kept.started("run-2")
    kept.ended(outcome, "run-2")
    assert kept.inbox.waiting(*PLACE).unconsumed == Amount()


def test_a_run_that_waits_for_a_person_has_learnt_and_consumes_nothing_later(kept: Kept) -> None:
    kept.accept("a", amount=files(2))
    run = kept.started()
    claim = kept.store.claim(*PLACE, owner="worker", lease=LEASE, run=run.id)
    kept.store.wait(claim, "approval", Outcome.NEEDS_APPROVAL)
    kept.store.release(claim)
    assert kept.inbox.waiting(*PLACE).unconsumed == Amount()
    kept.accept("b", amount=files(1))
    kept.started("run-2")
    kept.ended(Outcome.DEPLOYED)
    assert kept.inbox.waiting(*PLACE).unconsumed == files(1)


# Pace


def test_runs_that_were_skipped_or_cancelled_do_not_count(kept: Kept) -> None:
    for number, outcome in enumerate([Outcome.DEPLOYED, Outcome.SKIPPED, Outcome.REJECTED, Outcome.CANCELLED]):
        run = replace(a_run(f"run-{number}"), started=START + number * MINUTE)
        kept.inbox.start(run)
        kept.ended(outcome, run.id)
    assert kept.inbox.started_since(*PLACE, START) == 2
    assert kept.inbox.started_since(*PLACE, START + MINUTE) == 1
    assert kept.inbox.last_started(*PLACE) == START + 2 * MINUTE


def test_nothing_was_started_where_no_run_is(kept: Kept) -> None:
    assert (kept.inbox.started_since(*PLACE, START), kept.inbox.last_started(*PLACE)) == (0, None)


def test_a_pause_holds_until_it_is_taken_back(kept: Kept) -> None:
    pause = Pause(model="churn", environment=None, actor="ada", reason="holiday", since=START)
    narrow = replace(pause, environment="production", reason="audit")
    for one in (pause, narrow, replace(narrow, reason="longer audit")):
        kept.inbox.pause(one)
    assert list(kept.inbox.pauses()) == [pause, replace(narrow, reason="longer audit")]
    assert [kept.inbox.resume("churn", None), kept.inbox.resume("churn", None)] == [True, False]
    assert [one.environment for one in kept.inbox.pauses()] == ["production"]


# Reading and archiving


def test_events_are_listed_newest_first_by_any_filter(kept: Kept) -> None:
    kept.accept("a", "b")
    kept.started()
    kept.accept("c")
    kept.accept("d", environment="staging")
    kept.ended(Outcome.DEPLOYED)
    names = [record.event.id for record in kept.inbox.events(model="churn", environment="production")]
    assert names == ["c", "b", "a"]
    assert [record.event.id for record in kept.inbox.events(end=EventEnd.MERGED)] == ["b"]
    assert [record.event.id for record in kept.inbox.events(run="run-1", limit=1)] == ["b"]
    assert [record.event.id for record in kept.inbox.events(model="fraud")] == []
    assert list(kept.inbox.events(model="fraud", run="run-1")) == []
    assert list(kept.inbox.events(environment="staging", run="run-1")) == []
    pages = [kept.newest, *kept.inbox.events(before=kept.newest.place)]
    assert [record.event.id for record in pages] == ["d", "c", "b", "a"]


def test_only_events_that_ended_long_ago_are_archived_and_dropped(kept: Kept) -> None:
    kept.accept("waits", environment="staging")
    kept.accept("a", "b")
    kept.inbox.skip(*PLACE, "gone")
    kept.clock.advance(MINUTE)
    kept.accept("c")
    kept.inbox.skip(*PLACE, "gone")
    old = kept.inbox.archive(START + MINUTE)
    assert [record.event.id for record in old] == ["a", "b"]
    assert kept.inbox.drop(old[-1]) == 2
    assert set(kept.ends()) == {"waits", "c"}
    assert kept.inbox.drop(old[-1]) == 0


def test_an_event_that_waited_longer_than_newer_ones_stays_longer(kept: Kept) -> None:
    kept.accept("slow")
    kept.accept("quick", environment="staging")
    kept.inbox.skip("churn", "staging", "gone")
    kept.clock.advance(MINUTE)
    kept.inbox.skip(*PLACE, "gone")
    (quick,) = kept.inbox.archive(START + MINUTE)
    assert (quick.event.id, kept.inbox.drop(quick)) == ("quick", 1)
    assert [record.event.id for record in kept.inbox.archive(LATER)] == ["slow"]


def test_an_archive_is_made_in_parts_of_a_bounded_size(kept: Kept) -> None:
    kept.accept(*"abcde")
    kept.inbox.skip(*PLACE, "gone")
    parts: list[str] = []
    while part := kept.inbox.archive(LATER, limit=2):
        parts.append("".join(record.event.id for record in part))
        kept.inbox.drop(part[-1])
    assert parts == ["ab", "cd", "e"]


# Cancelling, and a place that is reserved


def test_whoever_asks_first_to_cancel_a_run_is_kept(kept: Kept) -> None:
    run = kept.started()
    first = Cancellation(actor="ada", reason="wrong data", at=START)
    assert kept.store.cancel(run.id, first).cancellation == first
    kept.store.cancel(run.id, replace(first, actor="bob"))
    assert kept.store.run(run.id).cancellation == first


def test_a_run_that_has_ended_cannot_be_cancelled(kept: Kept) -> None:
    kept.started()
    kept.ended(Outcome.DEPLOYED)
    with pytest.raises(IllegalMoveError, match="nothing to cancel"):
        kept.store.cancel(RunId("run-1"), Cancellation(actor="ada", reason="x", at=START))


def test_what_a_run_is_to_do_otherwise_is_kept_with_it(kept: Kept) -> None:
    wanted = replace(a_run(), hold=True, commit="abc", release="0.1.2", cause="tag", force=True, promote=3)
    assert kept.inbox.start(wanted) == wanted
    assert kept.store.run(wanted.id) == wanted


def test_a_reserved_place_is_for_the_first_claim_of_its_run_alone(kept: Kept) -> None:
    reserved = kept.store.reserve(*PLACE, owner="cli", lease=LEASE, run=RunId("run-1"))
    kept.started()
    with pytest.raises(BusyError):
        kept.store.claim(*PLACE, owner="worker", lease=LEASE, run=RunId("run-1"))
    claim = kept.store.claim(*PLACE, owner="cli", lease=LEASE, run=RunId("run-1"))
    assert claim.fence == reserved.fence
    with pytest.raises(BusyError):
        kept.store.claim(*PLACE, owner="cli", lease=LEASE, run=RunId("run-1"))


def test_a_taken_place_is_reserved_for_nobody(kept: Kept) -> None:
    kept.store.claim(*PLACE, owner="worker", lease=LEASE)
    with pytest.raises(BusyError):
        kept.store.reserve(*PLACE, owner="cli", lease=LEASE, run=RunId("run-1"))


def test_no_run_is_started_for_what_another_one_has_taken_along(kept: Kept) -> None:
    """Two services may have read the same; the first one's run may even have ended before the second one writes."""
    kept.accept("one")
    seen = kept.inbox.joining(*PLACE)[0].place
    kept.started("run-1", seen=seen)
    kept.ended(Outcome.DEPLOYED)
    kept.accept("two")
    with pytest.raises(BusyError, match="has taken what run-2"):
        kept.started("run-2", seen=seen)
    assert ([run.id for run in kept.store.runs()], kept.inbox.waiting(*PLACE).count) == (["run-1"], 1)


def test_open_runs_are_told_of_every_model(kept: Kept) -> None:
    kept.inbox.start(a_run("run-1"))
    kept.inbox.start(a_run("run-2", model="fraud"))
    kept.ended(Outcome.DEPLOYED)
    assert [run.id for run in kept.store.open()] == ["run-2"]


def test_an_event_of_words_that_no_database_can_hold_is_refused_or_kept(kept: Kept) -> None:
    event: TriggerEvent = replace(an_event(), subject="caf\udce9 \0", actor="caf\udce9")
    kept.inbox.accept((event,))
    assert kept.newest.event.id == event.id
