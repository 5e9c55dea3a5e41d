"""A run that is taken one call at a time ends as one that is driven by one process, whatever happens between calls."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from everfit.application.journal import LEASE, drive
from everfit.application.loop import LOOP
from everfit.application.ports import Artifact
from everfit.application.releases import Decision, keep
from everfit.application.retraining import Request, begin
from everfit.application.serverless import (
    LONGEST,
    SHORTEST,
    Answer,
    AskedBack,
    Taken,
    broken,
    go_back,
    pause_after,
    take,
)
from everfit.application.triggering import cancel
from everfit.domain.errors import BackendError, EverfitError, NotFoundError, RefusedError
from everfit.domain.job import JobFailure, JobKind, JobState, JobStatus
from everfit.domain.run import Outcome, RunId, RunState
from everfit.domain.trigger import EventEnd
from tests.fakes import World
from tests.kept import events_of

STEPS = [step.name for step in LOOP]
SETTLING = [step.name for step in LOOP if step.settles]
REQUEST = Request(environment="production", actor="ada")
MOST_CALLS = 500


class SlowJobs:
    """Jobs that run for some looks each."""

    def __init__(self, jobs: Any, looks: int) -> None:
        self._jobs, self._looks, self._seen = jobs, looks, dict[str, int]()

    def observe(self, name: str) -> JobStatus:
        status: JobStatus = self._jobs.observe(name)
        if status.state is JobState.SUCCEEDED:
            self._seen[name] = self._seen.get(name, 0) + 1
            if self._seen[name] <= self._looks:
                return JobStatus(state=JobState.RUNNING)
        return status

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)


class SlowEndpoints:
    """An endpoint that moves its traffic in steps, each of which somebody has to ask for when its time has come.

    Args:
        is_busy: it moves by itself instead, and takes some looks.
    """

    def __init__(self, endpoints: Any, steps: int, *, is_busy: bool = False) -> None:
        self._endpoints, self.left, self._is_busy = endpoints, steps, is_busy

    def shift(self, *arguments: Any, **named: Any) -> bool:
        if self.left:
            self.left -= 1
            return False
        return bool(self._endpoints.shift(*arguments, **named))

    def wait(self, name: str, patience: timedelta) -> bool:
        del name, patience
        if self._is_busy and self.left:
            self.left -= 1
            return False
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoints, name)


class MovingEndpoints:
    """An endpoint that takes a change and comes to it later, whatever becomes of who asked."""

    def __init__(self, endpoints: Any) -> None:
        self._endpoints = endpoints
        self._change: Callable[[], object] | None = None

    def arrive(self) -> None:
        """Have the change that is under way come to its end."""
        change, self._change = self._change, None
        if change is not None:
            change()

    def shift(self, name: str, weights: Any, releases: Any, *, fence: int) -> bool:
        return self._asked(name, weights, lambda: self._endpoints.shift(name, weights, releases, fence=fence))

    def restore(self, name: str, version: Any, proof: Any, *, fence: int) -> bool:
        return self._asked(
            name, {version.version: 1.0}, lambda: self._endpoints.restore(name, version, proof, fence=fence)
        )

    def wait(self, name: str, patience: timedelta) -> bool:
        del name, patience
        return self._change is None

    def _asked(self, name: str, weights: object, change: Callable[[], object]) -> bool:
        if self._change is not None:
            return False
        if self._endpoints.describe(name).weights == weights:
            return True
        self._change = change
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoints, name)


def promoted(world: World, version: int) -> RunId:
    """Begin the promotion of a version from production to live."""
    request = Request(environment="live", actor="ada", promote=version)
    return begin(request, world.workspace, world.environment("live"), world.ports()).id


def begun(world: World) -> RunId:
    return begin(REQUEST, world.workspace, world.environment(), world.ports()).id


def called(world: World, act: Callable[[], Taken]) -> Taken:
    """Do what one invocation does; the next one is another process."""
    taken = act()
    world.lives += 1
    world.clock.advance(timedelta(seconds=1 + taken.seconds))
    return taken


def walked(world: World, run: RunId, **ports: Any) -> Sequence[Taken]:
    """Do what the state machine does, from its first state on."""
    every: list[Taken] = []
    for step in STEPS:
        every.append(called(world, partial(take, run, step, world.workspace, world.ports(**ports))))
        while every[-1].answer is Answer.WAITS:
            assert len(every) < MOST_CALLS
            every.append(called(world, partial(take, run, step, world.workspace, world.ports(**ports))))
        if every[-1].answer is not Answer.DONE:
            break
    return every


def approved(world: World) -> None:
    """Have a person approve what waits."""
    decision = Decision(version=1, approved=True, actor="grace", reason="It is good.")
    keep(decision, world.environment(), world.workspace, world.ports())


def end_state(world: World) -> object:
    """What is the same however a run was taken to its end; its times and its attempts are its own."""
    (run,) = world.store.runs("line", "production")
    history = world.registry.history("line", "production")
    return (
        (run.state, run.outcome, run.reason, run.version, run.waits_for),
        [(record.name, record.outcome) for record in world.store.steps(run.id)],
        (world.serving(), [(served.version, served.run, served.reason) for served in history]),
        [(event.end, event.run) for event in events_of(world.inbox, "line", "production")],
        [spec.name for spec in world.jobs.specs],
        [(notice.id, notice.facts) for notice in world.outbox.unaddressed()],
    )


STORIES: dict[str, Callable[[World], None]] = {
    "better": lambda world: None,
    "worse": lambda world: setattr(world, "mae", 9.0),
    "not measured": lambda world: setattr(world, "mae", None),
    "a judging job is lost": lambda world: world.lose.update({JobKind.EVALUATE: 1}),
    "the training is lost": lambda world: world.lose.update({JobKind.TRAIN: 1}),
}


def driven(story: str, approval: str) -> object:
    world = World(approval)
    STORIES[story](world)
    run = begun(world)
    if drive(run, world.workspace, world.ports()).outcome is Outcome.NEEDS_APPROVAL:
        approved(world)
        drive(run, world.workspace, world.ports())
    return end_state(world)


def finished(world: World, run: RunId, **ports: Any) -> Taken:
    """Walk to the end; a person approves where one is asked."""
    last = walked(world, run, **ports)[-1]
    if last.answer is Answer.ASKS:
        with suppress(EverfitError):
            approved(world)
        last = walked(world, run, **ports)[-1]
    return last


@pytest.mark.parametrize("approval", ["automatic", "manual"])
@pytest.mark.parametrize("story", STORIES)
def test_a_run_taken_step_by_step_ends_as_one_that_is_driven(story: str, approval: str) -> None:
    world = World(approval)
    STORIES[story](world)
    run = begun(world)
    last = finished(world, run, jobs=SlowJobs(world.jobs, looks=3))
    assert last.answer is Answer.ENDED
    assert end_state(world) == driven(story, approval)


@dataclass(frozen=True)
class Call:
    """One invocation: of a step, dying at one of its calls of a port, or not."""

    step: int
    dies_at: int | None
    after: bool


def calls() -> some.SearchStrategy[list[Call]]:
    died = some.builds(Call, some.integers(0, len(STEPS) - 1), some.integers(1, 60), some.booleans())
    lived = some.builds(Call, some.integers(0, len(STEPS) - 1), some.none(), some.booleans())
    return some.lists(died | lived, max_size=7)


@settings(deadline=None, max_examples=200)
@given(
    story=some.sampled_from(sorted(STORIES)),
    approval=some.sampled_from(["automatic", "manual"]),
    made=calls(),
    looks=some.integers(0, 3),
    moves=some.integers(0, 12),
    is_forgotten=some.booleans(),
)
def test_calls_that_die_come_twice_or_in_another_order_change_nothing(
    story: str, approval: str, made: list[Call], looks: int, moves: int, is_forgotten: bool
) -> None:
    world = World(approval)
    STORIES[story](world)
    run = begun(world)
    slow = {"jobs": SlowJobs(world.jobs, looks), "endpoints": SlowEndpoints(world.endpoints, moves)}
    for call in made:
        if not is_forgotten:
            # Nobody knows that a function was killed: what it held has to run out.
            world.stopped.add(world.owner)
        step = STEPS[call.step]
        world.killed_at(
            call.dies_at or 100_000,
            after=call.after,
            act=partial(take, run, step, world.workspace, world.ports(**slow)),
        )
    assert finished(world, run, **slow).answer is Answer.ENDED
    assert end_state(world) == driven(story, approval)


def test_a_step_that_was_done_is_answered_without_changing_anything() -> None:
    world = World()
    run = begun(world)
    walked(world, run)
    before = world.store.run(run)
    assert {take(run, step, world.workspace, world.ports()).answer for step in STEPS} == {Answer.ENDED}
    assert world.store.run(run) == before


def test_a_training_that_goes_on_is_started_once_and_uses_up_no_attempts() -> None:
    world = World()
    run = begun(world)
    taken = walked(world, run, jobs=SlowJobs(world.jobs, looks=40))
    assert sum(each.answer is Answer.WAITS for each in taken) > 100
    assert [record.attempt for record in world.store.steps(run)] == [1] * len(STEPS)
    assert len(list(world.started(JobKind.TRAIN))) == 1
    assert taken[-1].outcome is Outcome.DEPLOYED


class Counted:
    """A store that counts what is written to it."""

    def __init__(self, store: Any) -> None:
        self._store, self.writes = store, 0

    def __getattr__(self, name: str) -> Any:
        self.writes += name in ("claim", "wait", "release", "begin_step", "finish_step", "end", "renew")
        return getattr(self._store, name)


def test_a_look_at_a_job_that_goes_on_writes_nothing() -> None:
    """A training of hours is looked at hundreds of times, and each write is several calls to S3."""
    world = World()
    world.endless = {JobKind.TRAIN}
    run = stopped_after(world, "check")
    take(run, "train", world.workspace, world.ports())
    store = Counted(world.store)
    for _ in range(10):
        assert take(run, "train", world.workspace, world.ports(store=store)).answer is Answer.WAITS
    assert store.writes == 0
    cancel(run, "ada", "wrong data", world.ports())
    assert take(run, "train", world.workspace, world.ports(store=store)).outcome is Outcome.CANCELLED


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_endpoint_that_moves_in_many_steps_uses_up_no_attempts(*, is_busy: bool) -> None:
    """Twenty steps of five percent are more looks than a step may be started."""
    world = World()
    run = begun(world)
    taken = walked(world, run, endpoints=SlowEndpoints(world.endpoints, steps=20, is_busy=is_busy))
    assert (taken[-1].outcome, world.serving()) == (Outcome.DEPLOYED, 1)
    assert [record.attempt for record in world.store.steps(run)] == [1] * len(STEPS)


def test_a_version_that_is_withdrawn_while_the_endpoint_moves_to_it_is_taken_back() -> None:
    world = World()
    served_twice(world)
    walked(world, promoted(world, 1))
    assert world.serving("line-live") == 1
    slow = MovingEndpoints(world.endpoints)
    run = promoted(world, 2)
    for step in STEPS[: STEPS.index("deploy")]:
        called(world, partial(take, run, step, world.workspace, world.ports(endpoints=slow)))
    under_way = called(world, partial(take, run, "deploy", world.workspace, world.ports(endpoints=slow)))
    assert under_way.answer is Answer.WAITS
    go_back(AskedBack(actor="grace", before=2), "production", world.workspace, world.ports())
    answers = [under_way]
    while answers[-1].answer is Answer.WAITS:
        slow.arrive()
        answers.append(called(world, partial(take, run, "deploy", world.workspace, world.ports(endpoints=slow))))
        assert len(answers) < 10
    assert answers[-1].outcome is Outcome.FAILED
    assert "rolled back in production" in (answers[-1].reason or "")
    slow.arrive()
    assert (world.serving("line-live"), world.registry.champion("line", "live")) == (1, 1)


def test_a_step_whose_process_never_survives_its_jobs_end_comes_to_an_end() -> None:
    world = World()
    run = stopped_after(world, "check")
    take(run, "train", world.workspace, world.ports())

    class Deadly:
        def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
            raise ZeroDivisionError(f"{model} {code} {requirements}")

    for _ in range(11):
        with suppress(ZeroDivisionError):
            take(run, "train", world.workspace, world.ports(artifacts=Deadly()))
        world.lives += 1
    ended = world.store.run(run)
    assert (ended.outcome, "never came to an end" in (ended.reason or "")) == (Outcome.FAILED, True)


def test_a_cancelled_run_stops_the_job_that_goes_on() -> None:
    world = World()
    world.endless = {JobKind.TRAIN}
    run = begun(world)
    for step in STEPS[: STEPS.index("train")]:
        while called(world, partial(take, run, step, world.workspace, world.ports())).answer is Answer.WAITS:
            pass
    waits = called(world, lambda: take(run, "train", world.workspace, world.ports()))
    assert (waits.answer, waits.reason) == (Answer.WAITS, f"job:{run}-train")
    cancel(run, "ada", "wrong data", world.ports())
    ended = called(world, lambda: take(run, "train", world.workspace, world.ports()))
    assert (ended.answer, ended.outcome) == (Answer.ENDED, Outcome.CANCELLED)
    assert [world.jobs.observe(name).failure for name in world.started(JobKind.TRAIN)] == [JobFailure.STOPPED]


def test_what_somebody_else_drives_is_waited_for_and_goes_on_when_their_lease_has_run_out() -> None:
    world = World()
    run = begun(world)
    world.store.claim("line", "production", owner="a laptop", lease=LEASE, run=run)
    world.stopped.add("a laptop")
    waits = take(run, "snapshot", world.workspace, world.ports())
    assert (waits.answer, waits.seconds) == (Answer.WAITS, SHORTEST)
    assert "a laptop" in (waits.reason or "")
    world.clock.advance(LEASE)
    assert take(run, "snapshot", world.workspace, world.ports()).answer is Answer.DONE


def test_a_person_is_asked_once_and_a_call_meanwhile_changes_nothing() -> None:
    world = World("manual")
    run = begun(world)
    assert walked(world, run)[-1].answer is Answer.ASKS
    before = world.store.run(run)
    assert [each.answer for each in walked(world, run)] == [Answer.ASKS]
    assert world.store.run(run) == before
    approved(world)
    assert walked(world, run)[-1].outcome is Outcome.DEPLOYED


def test_looks_become_rarer_the_longer_a_job_goes_on_and_a_history_has_room_for_five_days() -> None:
    looks, waited = 0, 0.0
    while waited < timedelta(days=5).total_seconds():
        seconds = pause_after(timedelta(seconds=waited))
        assert SHORTEST <= seconds <= LONGEST
        assert seconds <= max(SHORTEST, waited / 20)
        waited, looks = waited + seconds, looks + 1
    assert looks * 10 < 25_000


class Passing:
    """A store of which one call fails in a way that may pass, or may not."""

    def __init__(self, store: Any, call: str, error: EverfitError, times: int = 1) -> None:
        self._store, self._call, self._error, self.left = store, call, error, times

    def __getattr__(self, name: str) -> Any:
        if name == self._call and self.left:
            self.left -= 1
            raise self._error
        return getattr(self._store, name)


def test_a_store_that_is_busy_for_a_moment_is_asked_again() -> None:
    world = World()
    run = begun(world)
    busy = Passing(world.store, "begin_step", BackendError("The state is being written.", retryable=True))
    waits = take(run, "snapshot", world.workspace, world.ports(store=busy))
    assert (waits.answer, waits.reason) == (Answer.WAITS, "The state is being written.")
    assert walked(world, run)[-1].outcome is Outcome.DEPLOYED


def test_what_waiting_does_not_mend_is_raised_for_the_state_machine() -> None:
    world = World()
    run = begun(world)
    gone = Passing(world.store, "begin_step", BackendError("The state is damaged."))
    with pytest.raises(BackendError, match="damaged"):
        take(run, "snapshot", world.workspace, world.ports(store=gone))
    assert world.store.run(run).state is not RunState.ENDED


def test_a_step_of_another_release_and_a_run_that_is_not_there_are_refused() -> None:
    world = World()
    run = begun(world)
    with pytest.raises(RefusedError, match="everfit apply"):
        take(run, "watch", world.workspace, world.ports())
    with pytest.raises(NotFoundError):
        take(RunId("run-9999"), "train", world.workspace, world.ports())


# What is broken


def stopped_after(world: World, step: str, **ports: Any) -> RunId:
    run = begun(world)
    for name in STEPS[: STEPS.index(step) + 1]:
        while called(world, partial(take, run, name, world.workspace, world.ports(**ports))).answer is (Answer.WAITS):
            pass
    return run


def test_a_broken_run_ends_as_failed_once_with_its_cause() -> None:
    world = World()
    run = stopped_after(world, "prepare")
    first = broken(run, "Lambda.Unknown: the function ran out of memory", world.workspace, world.ports())
    assert (first.answer, first.outcome) == (Answer.ENDED, Outcome.FAILED)
    assert "ran out of memory" in (first.reason or "")
    assert broken(run, "something else", world.workspace, world.ports()) == first
    assert [event.end for event in world.inbox.events()] == [EventEnd.FAILED]
    assert [notice.kind.value for notice in world.outbox.unaddressed()] == ["failed"]


def test_a_broken_run_stops_its_training() -> None:
    world = World()
    world.endless = {JobKind.TRAIN}
    run = stopped_after(world, "check")
    take(run, "train", world.workspace, world.ports())
    broken(run, "States.Timeout", world.workspace, world.ports())
    assert [world.jobs.observe(name).failure for name in world.started(JobKind.TRAIN)] == [JobFailure.STOPPED]


def test_a_broken_run_that_was_to_stop_ends_as_cancelled() -> None:
    world = World()
    run = stopped_after(world, "prepare")
    cancel(run, "ada", "wrong data", world.ports())
    assert broken(run, "States.Timeout", world.workspace, world.ports()).outcome is Outcome.CANCELLED


def test_a_run_that_asks_a_person_is_not_ended_by_what_broke_behind_it() -> None:
    world = World("manual")
    run = begun(world)
    walked(world, run)
    assert broken(run, "States.Timeout", world.workspace, world.ports()).answer is Answer.ASKS


def test_a_run_that_somebody_else_drives_is_never_ended() -> None:
    world = World()
    run = stopped_after(world, "prepare")
    world.store.claim("line", "production", owner="a laptop", lease=LEASE, run=run)
    world.stopped.add("a laptop")
    assert broken(run, "States.Timeout", world.workspace, world.ports()).answer is Answer.WAITS
    assert world.store.run(run).state is not RunState.ENDED


@pytest.mark.parametrize("after", [False, True])
def test_a_deployment_that_has_begun_is_finished_and_not_ended_half_way(*, after: bool) -> None:
    reached = set[Outcome | None]()
    for call in range(1, 60):
        world = World()
        run = stopped_after(world, "approve")
        was_killed = world.killed_at(
            call,
            after=after,
            act=lambda: take(run, "deploy", world.workspace, world.ports()),  # noqa: B023
        )
        ended = broken(run, "Lambda.Unknown", world.workspace, world.ports())
        reached.add(ended.outcome)
        if ended.answer is Answer.DONE:
            ended = replace(ended, outcome=world.store.run(run).outcome)
        champion = world.registry.champion("line", "production")
        assert world.serving() == champion
        assert (world.store.run(run).outcome is Outcome.DEPLOYED) == (champion == 1)
        if not was_killed:
            assert reached == {Outcome.FAILED, Outcome.DEPLOYED}
            return
    raise AssertionError("it was killed at every call")


# The way back


def served_twice(world: World) -> None:
    for rows in (100, 200):
        world.data.rows = rows
        walked(world, begun(world))
    assert world.serving() == 2


def test_a_rollback_that_is_asked_for_twice_goes_back_once() -> None:
    world = World()
    served_twice(world)
    asked = AskedBack(actor="an alarm", before=2, reason="The error rate is too high.")
    first = go_back(asked, "production", world.workspace, world.ports())
    assert (first.answer, world.serving()) == (Answer.ENDED, 1)
    world.lives += 1
    again = go_back(asked, "production", world.workspace, world.ports())
    assert (again.answer, world.serving()) == (Answer.ENDED, 1)
    assert "does not serve any more" in (again.reason or "")


def test_of_two_alarms_at_the_same_time_one_goes_back_and_not_both() -> None:
    world = World()
    served_twice(world)
    world.data.rows = 300
    walked(world, begun(world))
    assert world.serving() == 3
    asked = AskedBack(actor="an alarm", before=3)

    class Meanwhile:
        """The first rollback ends while the second one makes sure that it could go back."""

        left = 1

        def unpacked(self, artifact: str) -> object:
            if self.left:
                self.left -= 1
                go_back(asked, "production", world.workspace, replace(world.ports(), owner="the first"))
            return world.artifacts.unpacked(artifact)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.artifacts, name)

    second = go_back(asked, "production", world.workspace, world.ports(artifacts=Meanwhile()))
    assert (second.answer, world.serving()) == (Answer.ENDED, 2)
    assert "does not serve any more" in (second.reason or "")
    assert world.registry.champion("line", "production") == 2


def went_back_in_time(world: World) -> None:
    """Have the endpoint know many more claims than the state does: that was put back to an earlier one."""
    world.endpoints.settle("line", [1, 2], fence=500)


def test_a_state_that_was_put_back_to_an_earlier_one_keeps_nobody_from_going_back() -> None:
    world = World()
    served_twice(world)
    went_back_in_time(world)
    answer = go_back(AskedBack(actor="grace", before=2), "production", world.workspace, world.ports())
    assert (answer.answer, world.serving()) == (Answer.ENDED, 1)
    assert world.registry.champion("line", "production") == 1


def test_a_state_that_was_put_back_to_an_earlier_one_keeps_no_run_from_deploying() -> None:
    world = World()
    served_twice(world)
    went_back_in_time(world)
    world.data.rows = 300
    assert walked(world, begun(world))[-1].outcome is Outcome.DEPLOYED
    assert (world.serving(), world.registry.champion("line", "production")) == (3, 3)


def test_a_rollback_with_nowhere_to_go_ends_with_words() -> None:
    world = World()
    walked(world, begun(world))
    refused = go_back(AskedBack(actor="an alarm", before=1), "production", world.workspace, world.ports())
    assert (refused.answer, world.serving()) == (Answer.ENDED, 1)
    assert "only one that has served well" in (refused.reason or "")


def test_a_rollback_that_takes_longer_than_a_function_may_is_gone_on_with() -> None:
    world = World()
    served_twice(world)

    class Slow(SlowEndpoints):
        def restore(self, *arguments: Any, **named: Any) -> bool:
            if self.left:
                self.left -= 1
                return False
            return bool(self._endpoints.restore(*arguments, **named))

    slow = Slow(world.endpoints, steps=2, is_busy=True)
    asked = AskedBack(actor="an alarm", before=2)
    answers: list[Answer] = []
    while not answers or answers[-1] is Answer.WAITS:
        ports = replace(world.ports(endpoints=slow), leaving=lambda: True)
        answers.append(called(world, partial(go_back, asked, "production", world.workspace, ports)).answer)
        assert len(answers) < 10
    assert (answers[-1], world.serving()) == (Answer.ENDED, 1)
    assert Answer.WAITS in answers
