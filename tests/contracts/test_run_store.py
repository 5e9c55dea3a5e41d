"""What every run store promises."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.sql.database import Database
from everfit.application.ports import Claim
from everfit.domain.errors import (
    BusyError,
    FencedError,
    IllegalMoveError,
    NotFoundError,
    RefusedError,
    RunFailedError,
)
from everfit.domain.run import Outcome, Run, RunId, RunState, StepOutcome
from everfit.domain.trigger import EventEnd
from tests.kept import Kept, MemoryKept, SqlKept
from tests.stored import MINUTE, START, a_run, an_event

LEASE = timedelta(seconds=30)
DEAD: set[str] = set()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


@pytest.fixture
def store(database: Database | None, clock: SettableClock) -> Kept:
    DEAD.clear()
    if database is None:
        return MemoryKept(clock, DEAD.__contains__)
    return SqlKept(database, clock, DEAD.__contains__)


def claimed(store: Kept, name: str = "run-1", owner: str = "worker") -> Claim:
    run = store.begin(a_run(name))
    return store.claim("churn", "production", owner=owner, lease=LEASE, run=run.id)


def ends(store: Kept) -> list[tuple[EventEnd, str | None]]:
    return [(record.end, record.run) for record in store.events("churn", "production")]


# Events


def test_an_event_that_is_delivered_twice_is_accepted_once(store: Kept) -> None:
    """The same event delivered twice, or out of order, starts one run."""
    assert [store.accept(an_event()), store.accept(an_event())] == [True, False]
    assert len(store.events("churn", "production")) == 1


def test_one_happening_may_concern_two_environments(store: Kept) -> None:
    assert store.accept(an_event())
    assert store.accept(an_event(environment="staging"))


def test_an_accepted_event_is_kept_as_it_came(store: Kept) -> None:
    store.accept(an_event())
    record = store.events("churn", "production")[0]
    assert (record.event, record.end, record.run) == (an_event(), EventEnd.PENDING, None)


def test_a_burst_joins_one_run_that_names_them_all(store: Kept) -> None:
    """N objects uploaded in a burst start one run, not N; the run's record names all N."""
    for number in range(5):
        store.accept(an_event(f"object-{number}"))
    store.begin(a_run())
    assert ends(store) == [(EventEnd.PENDING, "run-1")] * 5


def test_an_event_during_a_run_waits_for_the_next_one(store: Kept) -> None:
    """Nothing that arrives while a run is active is lost: it starts one more run after it, with the newest data."""
    store.accept(an_event("before"))
    claim = claimed(store)
    store.accept(an_event("during"))
    store.end(claim, Outcome.DEPLOYED, "It is better.")
    assert ends(store) == [(EventEnd.RAN, "run-1"), (EventEnd.PENDING, None)]
    store.begin(a_run("run-2"))
    assert ends(store)[1] == (EventEnd.PENDING, "run-2")


def test_events_of_another_environment_stay_where_they_are(store: Kept) -> None:
    store.accept(an_event(environment="staging"))
    store.begin(a_run())
    assert store.events("churn", "staging")[0].run is None


def test_an_event_delivered_again_after_its_run_is_still_known(store: Kept) -> None:
    store.accept(an_event())
    store.end(claimed(store), Outcome.DEPLOYED, "It is better.")
    assert not store.accept(an_event())
    assert ends(store) == [(EventEnd.RAN, "run-1")]


@pytest.mark.parametrize(
    ("outcome", "first", "second"),
    [
        (Outcome.DEPLOYED, EventEnd.RAN, EventEnd.MERGED),
        (Outcome.APPROVED, EventEnd.RAN, EventEnd.MERGED),
        (Outcome.REJECTED, EventEnd.RAN, EventEnd.MERGED),
        (Outcome.SKIPPED, EventEnd.SKIPPED, EventEnd.SKIPPED),
        (Outcome.FAILED, EventEnd.FAILED, EventEnd.FAILED),
    ],
)
def test_every_event_ends_with_its_run_and_its_reason(
    store: Kept, outcome: Outcome, first: EventEnd, second: EventEnd
) -> None:
    """Each accepted trigger has exactly one recorded end."""
    store.accept(an_event("one"))
    store.accept(an_event("two"))
    store.end(claimed(store), outcome, "the reason")
    records = store.events("churn", "production")
    assert [record.end for record in records] == [first, second]
    assert {record.reason for record in records} == {"the reason"}


# Runs


def test_a_run_is_kept_as_it_began(store: Kept) -> None:
    run = replace(a_run(), force=True, promote=3)
    assert store.begin(run) == run
    assert store.run(run.id) == run


def test_beginning_a_run_twice_begins_it_once(store: Kept) -> None:
    claimed(store)
    store.accept(an_event("later"))
    assert store.begin(a_run()).state is RunState.RUNNING
    assert len(store.runs("churn")) == 1
    assert ends(store) == [(EventEnd.PENDING, None)]


def test_only_a_queued_run_begins(store: Kept) -> None:
    with pytest.raises(IllegalMoveError, match="running"):
        store.begin(replace(a_run(), state=RunState.RUNNING))


def test_an_unknown_run_is_not_found(store: Kept) -> None:
    with pytest.raises(NotFoundError, match="run-9"):
        store.run(RunId("run-9"))


def test_runs_come_newest_first_whatever_the_clock_said(store: Kept) -> None:
    for number in range(4):
        store.begin(replace(a_run(f"run-{number}"), started=START - number * MINUTE))
    store.begin(a_run("elsewhere", environment="staging"))
    assert [run.id for run in store.runs("churn", "production", limit=2)] == ["run-3", "run-2"]
    assert store.runs("churn")[0].id == "elsewhere"
    assert store.runs("other") == []


def test_the_oldest_unfinished_run_comes_first(store: Kept) -> None:
    assert store.unfinished("churn", "production") is None
    claim = claimed(store)
    store.begin(a_run("run-2"))
    assert unfinished(store) == "run-1"
    store.end(claim, Outcome.FAILED, "It broke.")
    assert unfinished(store) == "run-2"


def test_a_run_that_waits_for_a_person_is_not_unfinished_work(store: Kept) -> None:
    """Approving v3 after v7 exists deploys v3's bytes: what waits keeps no later run from starting."""
    claim = claimed(store)
    store.wait(claim, "job:train")
    assert (unfinished(store), store.waiting("churn", "production")) == ("run-1", [])
    store.wait(claim, "approval:1", Outcome.NEEDS_APPROVAL)
    store.release(claim)
    assert unfinished(store) is None
    assert [run.id for run in store.waiting("churn", "production")] == ["run-1"]
    store.claim("churn", "production", owner="later", lease=LEASE, run=RunId("run-1"))
    assert (unfinished(store), store.waiting("churn", "production")) == ("run-1", [])


def test_a_run_ends_together_with_the_step_that_ends_it(store: Kept) -> None:
    claim = claimed(store)
    store.begin_step(claim, "snapshot")
    store.end(claim, Outcome.SKIPPED, "Nothing is new.", last=("snapshot", {"snapshot": "blake3:1"}))
    assert store.run(RunId("run-1")).outcome is Outcome.SKIPPED
    assert store.steps(RunId("run-1"))[0].result == {"snapshot": "blake3:1"}


def test_a_step_under_way_has_failed_when_its_run_ends(store: Kept, clock: SettableClock) -> None:
    claim = claimed(store)
    store.begin_step(claim, "snapshot")
    store.finish_step(claim, "snapshot", {})
    store.begin_step(claim, "train")
    store.end(claim, Outcome.CANCELLED, "cancelled by ada")
    done, under_way = store.steps(RunId("run-1"))
    assert (done.outcome, done.error) == (StepOutcome.DONE, None)
    assert (under_way.outcome, under_way.error) == (StepOutcome.FAILED, "cancelled by ada")
    assert under_way.ended == clock.now()


def test_a_run_whose_last_step_cannot_be_finished_does_not_end(store: Kept) -> None:
    claim = claimed(store)
    with pytest.raises(NotFoundError):
        store.end(claim, Outcome.SKIPPED, "Nothing is new.", last=("snapshot", {}))
    with pytest.raises(RunFailedError):
        store.end(claim, Outcome.SKIPPED, "Nothing is new.", last=("snapshot", {"rows": {1, 2}}))
    assert store.run(RunId("run-1")).state is RunState.RUNNING


def unfinished(store: Kept) -> str | None:
    run = store.unfinished("churn", "production")
    return None if run is None else run.id


def test_a_run_ends_with_its_outcome_reason_error_and_time(store: Kept, clock: SettableClock) -> None:
    claim = claimed(store)
    store.note_version(claim, 7)
    clock.advance(MINUTE)
    store.end(claim, Outcome.FAILED, "The training failed.", "ValueError: no rows")
    run = store.run(RunId("run-1"))
    assert (run.state, run.outcome, run.version) == (RunState.ENDED, Outcome.FAILED, 7)
    assert (run.reason, run.error, run.ended) == ("The training failed.", "ValueError: no rows", START + MINUTE)


def test_a_run_cannot_end_as_waiting_for_approval(store: Kept) -> None:
    with pytest.raises(IllegalMoveError, match="needs approval"):
        store.end(claimed(store), Outcome.NEEDS_APPROVAL, "Somebody must look.")


@pytest.mark.parametrize("outcome", [Outcome.DEPLOYED, Outcome.FAILED])
def test_a_run_that_has_ended_never_moves(store: Kept, outcome: Outcome) -> None:
    claim = claimed(store)
    store.end(claim, outcome, "the reason")
    before = store.run(RunId("run-1"))
    for write in WRITES.values():
        with pytest.raises(IllegalMoveError):
            write(store, claim)
    with pytest.raises(IllegalMoveError):
        store.claim("churn", "production", owner="other", lease=LEASE, run=before.id, take_over=True)
    assert store.run(before.id) == before
    store.renew(claim, LEASE)


def test_a_run_waits_for_a_person_and_goes_on_when_it_is_claimed_again(store: Kept) -> None:
    claim = claimed(store)
    store.wait(claim, "approval", Outcome.NEEDS_APPROVAL)
    run = store.run(RunId("run-1"))
    assert (run.state, run.waits_for, run.outcome) == (RunState.WAITING, "approval", Outcome.NEEDS_APPROVAL)
    store.release(claim)
    store.claim("churn", "production", owner="later", lease=LEASE, run=run.id)
    run = store.run(run.id)
    assert (run.state, run.waits_for, run.outcome) == (RunState.RUNNING, None, None)


def test_a_run_that_waits_for_a_job_goes_on_with_its_next_step(store: Kept) -> None:
    claim = claimed(store)
    store.begin_step(claim, "train")
    store.wait(claim, "job:train")
    store.finish_step(claim, "train", {})
    store.begin_step(claim, "evaluate")
    assert store.run(RunId("run-1")).state is RunState.RUNNING


def test_a_run_cannot_wait_with_the_outcome_of_an_end(store: Kept) -> None:
    with pytest.raises(IllegalMoveError, match="deployed"):
        store.wait(claimed(store), "approval", Outcome.DEPLOYED)


# Leases


def test_the_fence_grows_with_every_claim_and_is_never_reset(store: Kept) -> None:
    fences: list[int] = []
    for number in range(3):
        claim = store.claim("churn", "production", owner=f"worker-{number}", lease=LEASE)
        fences.append(claim.fence)
        store.release(claim)
    assert fences == [1, 2, 3]


def test_the_next_fence_is_beyond_one_that_was_used_elsewhere(store: Kept) -> None:
    first = store.claim("churn", "production", owner="a", lease=LEASE)
    store.release(first, beyond=40)
    second = store.claim("churn", "production", owner="b", lease=LEASE)
    store.release(second, beyond=3)
    third = store.claim("churn", "production", owner="c", lease=LEASE)
    store.release(second, beyond=90)
    store.release(third)
    assert (second.fence, third.fence) == (41, 42)
    assert store.claim("churn", "production", owner="d", lease=LEASE).fence == 43


def test_environments_have_leases_of_their_own(store: Kept) -> None:
    store.claim("churn", "production", owner="one", lease=LEASE)
    assert store.claim("churn", "staging", owner="two", lease=LEASE).fence == 1
    assert store.claim("fraud", "production", owner="two", lease=LEASE).fence == 1


def test_a_claimed_run_runs_with_the_claims_fence(store: Kept) -> None:
    claim = claimed(store)
    run = store.run(RunId("run-1"))
    assert (run.state, run.fence, claim.run) == (RunState.RUNNING, claim.fence, run.id)


def test_a_second_worker_is_told_who_is_at_work(store: Kept) -> None:
    claimed(store, owner="laptop/4242/99")
    with pytest.raises(BusyError) as caught:
        store.claim("churn", "production", owner="other", lease=LEASE)
    for word in ("4242", "laptop", "run-1", "2026-11-21 09:00:00", "--resume"):
        assert word in str(caught.value)


def test_not_even_the_same_owner_holds_two_claims(store: Kept) -> None:
    claimed(store)
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="worker", lease=LEASE)


def test_a_dead_owners_lease_is_taken_at_once(store: Kept) -> None:
    claim = claimed(store)
    DEAD.add("worker")
    taken = store.claim("churn", "production", owner="next", lease=LEASE, run=claim.run)
    assert taken.fence == claim.fence + 1


def test_a_lease_that_ran_out_is_taken_and_not_a_moment_earlier(store: Kept, clock: SettableClock) -> None:
    claimed(store)
    clock.advance(LEASE - timedelta(microseconds=1))
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="next", lease=LEASE)
    clock.advance(timedelta(microseconds=1))
    assert store.claim("churn", "production", owner="next", lease=LEASE).fence == 2


def test_a_renewed_lease_holds_longer(store: Kept, clock: SettableClock) -> None:
    claim = claimed(store)
    clock.advance(LEASE)
    store.renew(claim, LEASE)
    clock.advance(LEASE - timedelta(seconds=1))
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="next", lease=LEASE)


def test_the_way_back_is_taken_from_a_living_owner(store: Kept) -> None:
    claim = claimed(store)
    store.claim("churn", "production", owner="person", lease=LEASE, take_over=True)
    with pytest.raises(FencedError):
        store.finish_step(claim, "deploy", {})


def test_a_refused_claim_changes_nothing(store: Kept) -> None:
    claim = claimed(store)
    store.begin(a_run("run-2"))
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="other", lease=LEASE, run=RunId("run-2"))
    assert store.run(RunId("run-2")).state is RunState.QUEUED
    store.begin_step(claim, "snapshot")


def test_a_claim_of_an_ended_or_unknown_or_foreign_run_takes_no_lease(store: Kept) -> None:
    claim = claimed(store)
    store.end(claim, Outcome.SKIPPED, "Nothing is new.")
    store.release(claim)
    store.begin(a_run("elsewhere", environment="staging"))
    for name, error in (("run-1", IllegalMoveError), ("run-9", NotFoundError), ("elsewhere", RefusedError)):
        with pytest.raises(error):
            store.claim("churn", "production", owner="next", lease=LEASE, run=RunId(name))
    assert store.claim("churn", "production", owner="next", lease=LEASE).fence == claim.fence + 1


def test_a_clock_that_jumps_back_loses_no_lease(store: Kept, clock: SettableClock) -> None:
    claimed(store)
    clock.advance(timedelta(hours=-2))
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="next", lease=LEASE)


def test_a_clock_that_jumps_forth_and_back_loses_a_lease_once(store: Kept, clock: SettableClock) -> None:
    claimed(store)
    clock.advance(timedelta(hours=2))
    second = store.claim("churn", "production", owner="second", lease=LEASE)
    clock.advance(timedelta(hours=-2))
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="third", lease=LEASE)
    store.renew(second, LEASE)


def test_a_clock_that_jumped_back_keeps_nobody_out_for_ever(store: Kept, clock: SettableClock) -> None:
    claimed(store)
    clock.advance(timedelta(hours=-2))
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="next", lease=LEASE)
    clock.advance(LEASE)
    assert store.claim("churn", "production", owner="next", lease=LEASE).fence == 2


def test_a_late_worker_cannot_give_back_the_lease_of_the_next(store: Kept) -> None:
    claim = claimed(store)
    store.claim("churn", "production", owner="next", lease=LEASE, take_over=True)
    store.release(claim)
    with pytest.raises(BusyError):
        store.claim("churn", "production", owner="third", lease=LEASE)


WRITES: dict[str, Callable[[Kept, Claim], object]] = {
    "begin_step": lambda store, claim: store.begin_step(claim, "new"),
    "finish_step": lambda store, claim: store.finish_step(claim, "old", {}),
    "fail_step": lambda store, claim: store.fail_step(claim, "old", "It broke."),
    "wait": lambda store, claim: store.wait(claim, "approval"),
    "note_version": lambda store, claim: store.note_version(claim, 1),
    "end": lambda store, claim: store.end(claim, Outcome.DEPLOYED, "It is better."),
    "end with a step": lambda store, claim: store.end(claim, Outcome.DEPLOYED, "It is better.", last=("old", {})),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("loss", ["taken", "released"])
def test_nothing_is_written_under_a_lost_claim(store: Kept, write: str, loss: str) -> None:
    store.accept(an_event())
    claim = claimed(store)
    store.begin_step(claim, "old")
    if loss == "taken":
        store.claim("churn", "production", owner="next", lease=LEASE, run=claim.run, take_over=True)
    else:
        store.release(claim)
    before = everything(store)
    with pytest.raises(FencedError):
        WRITES[write](store, claim)
    assert everything(store) == before


def everything(store: Kept) -> object:
    run = store.run(RunId("run-1"))
    return run, store.steps(run.id), store.events("churn", "production")


def test_a_lost_claim_cannot_be_renewed(store: Kept) -> None:
    claim = claimed(store)
    store.release(claim)
    with pytest.raises(FencedError):
        store.renew(claim, LEASE)


def test_a_claim_without_a_run_writes_to_no_run(store: Kept) -> None:
    claim = store.claim("churn", "production", owner="person", lease=LEASE)
    with pytest.raises(RefusedError, match="without a run"):
        store.begin_step(claim, "deploy")


# Steps


def test_a_step_is_found_again_with_its_result(store: Kept, clock: SettableClock) -> None:
    claim = claimed(store)
    store.begin_step(claim, "train")
    clock.advance(MINUTE)
    store.finish_step(claim, "train", {"model": "sha256:1", "zürich": [1, 2.5, None, {"a": True}]})
    step = store.steps(RunId("run-1"))[0]
    assert (step.outcome, step.attempt, step.started, step.ended) == (StepOutcome.DONE, 1, START, START + MINUTE)
    assert step.result == {"model": "sha256:1", "zürich": [1, 2.5, None, {"a": True}]}


def test_a_step_that_had_started_is_told_its_next_attempt(store: Kept) -> None:
    claim = claimed(store)
    assert [store.begin_step(claim, "train").attempt for _ in range(3)] == [1, 2, 3]


def test_a_failed_step_may_be_tried_again(store: Kept) -> None:
    claim = claimed(store)
    store.begin_step(claim, "train")
    store.fail_step(claim, "train", "It broke.")
    failed = store.steps(RunId("run-1"))[0]
    assert (failed.outcome, failed.error) == (StepOutcome.FAILED, "It broke.")
    again = store.begin_step(claim, "train")
    assert (again.outcome, again.attempt, again.error) == (StepOutcome.STARTED, 2, None)
    assert store.steps(RunId("run-1")) == [again]


def test_a_step_that_is_done_is_never_done_again(store: Kept) -> None:
    claim = claimed(store)
    store.begin_step(claim, "train")
    store.finish_step(claim, "train", {"first": True})
    for write in (
        lambda: store.begin_step(claim, "train"),
        lambda: store.finish_step(claim, "train", {}),
        lambda: store.fail_step(claim, "train", "It broke."),
    ):
        with pytest.raises(IllegalMoveError, match="train"):
            write()
    assert store.steps(RunId("run-1"))[0].result == {"first": True}


def test_a_step_that_has_not_started_cannot_be_finished(store: Kept) -> None:
    with pytest.raises(NotFoundError, match="train"):
        store.finish_step(claimed(store), "train", {})


def test_steps_keep_the_order_of_their_first_start(store: Kept) -> None:
    claim = claimed(store)
    for name in ("snapshot", "prepare", "train", "prepare"):
        store.begin_step(claim, name)
    assert [step.name for step in store.steps(RunId("run-1"))] == ["snapshot", "prepare", "train"]


def test_steps_of_an_unknown_run_are_none(store: Kept) -> None:
    assert store.steps(RunId("run-9")) == []


def test_the_next_owner_finds_what_the_last_one_did(store: Kept) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    claim = claimed(store)
    store.begin_step(claim, "train")
    store.finish_step(claim, "train", {"model": "sha256:1"})
    store.begin_step(claim, "deploy")
    DEAD.add("worker")
    taken = store.claim("churn", "production", owner="next", lease=LEASE, run=claim.run)
    assert [step.outcome for step in store.steps(RunId("run-1"))] == [StepOutcome.DONE, StepOutcome.STARTED]
    assert store.begin_step(taken, "deploy").attempt == 2


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"rows": ["x" * 1000] * 1001}, "bytes; a result may have 1,000,000"),
        ({"rows": {1, 2}}, "not JSON"),
        ({"when": START}, "not JSON"),
        ({"text": "\ud800"}, "not JSON"),
    ],
)
def test_a_result_that_is_too_large_or_not_json_is_refused(store: Kept, result: dict[str, object], words: str) -> None:
    claim = claimed(store)
    store.begin_step(claim, "train")
    with pytest.raises(RunFailedError, match=words):
        store.finish_step(claim, "train", result)
    assert store.steps(RunId("run-1"))[0].outcome is StepOutcome.STARTED


def test_a_figure_that_is_not_a_number_is_kept_as_it_was_said(store: Kept) -> None:
    claim = claimed(store)
    store.begin_step(claim, "train")
    store.finish_step(claim, "train", {"claims": {"loss": math.nan, "gain": math.inf}})
    assert str(store.steps(RunId("run-1"))[0].result) == "{'claims': {'loss': nan, 'gain': inf}}"


def test_text_that_is_no_unicode_is_kept_in_a_readable_form(store: Kept) -> None:
    store.accept(replace(an_event(), actor="caf\udce9"))
    claim = claimed(store)
    store.begin_step(claim, "train")
    store.fail_step(claim, "train", "last words: \udce9\x00")
    store.end(claim, Outcome.FAILED, "It broke: \udce9")
    assert "It broke" in str(store.run(RunId("run-1")).reason)
    assert "last words" in str(store.steps(RunId("run-1"))[0].error)


def test_a_run_is_the_same_by_every_way_of_reading(store: Kept) -> None:
    run: Run = store.begin(a_run())
    assert store.run(run.id) == store.runs("churn")[0] == store.unfinished("churn", "production") == run


def test_the_step_that_ends_a_run_is_done_when_the_run_has_ended(store: Kept) -> None:
    claim = claimed(store)
    store.begin_step(claim, "record")
    store.end(claim, Outcome.DEPLOYED, "it passed", last=("record", {"removed": []}))
    (step,) = store.steps(RunId("run-1"))
    assert (step.outcome, step.result) == (StepOutcome.DONE, {"removed": []})
    assert store.run(RunId("run-1")).outcome is Outcome.DEPLOYED
