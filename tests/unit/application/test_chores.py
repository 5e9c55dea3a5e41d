"""What a stack does each minute: everything that a service does all the time, whatever goes wrong meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from everfit.application.aws_effects import Effect, EffectKind, nothing
from everfit.application.chores import dispatched, follow, may_go_on, tick
from everfit.application.kept import alone, beside
from everfit.application.ports.executions import Execution
from everfit.application.releases import Decision, keep
from everfit.application.serverless import AskedBack
from everfit.application.triggering import cancel
from everfit.domain.aws import aws_place
from everfit.domain.errors import BackendError, StateError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.project import Environment
from everfit.domain.run import Outcome, RunId
from everfit.domain.trigger import EventRecord, TriggerKind
from everfit.domain.triggers import NewData
from tests.fakes import Killed
from tests.stack import DAY, MINUTE, Breaking, Stack
from tests.stored import START


def test_what_waits_gets_one_run_with_one_execution_and_people_are_told_how_it_ended() -> None:
    stack = Stack()
    for name in ("one", "two", "two"):
        stack.trigger(name)
    assert stack.tick().done["runs"] == "run-0001 starts: api"
    stack.tick()
    stack.go()
    stack.tick()
    assert stack.executions.started == [("run-0001", 1)]
    assert (stack.serving(), stack.told()) == (1, ["version 1 is deployed"])
    assert [record.run for record in stack.inbox.events()] == ["run-0001"] * 2


def test_a_schedule_that_passed_between_two_ticks_fires_once() -> None:
    stack = Stack()
    stack.schedules()
    stack.tick()
    for _ in range(3):
        stack.tick(after=7 * DAY)
        stack.go()
        stack.tick()
    events = [event.event for event in stack.inbox.events()]
    assert {event.kind for event in events} == {TriggerKind.SCHEDULE}
    assert [event.at.isoweekday() for event in events] == [6, 6, 6]


def test_stacks_of_two_environments_leave_each_others_schedules_alone() -> None:
    """Each forgets what it does not see; it must not forget what the other one is waiting for."""
    stack = Stack()
    stack.schedules()
    before = alone(stack.workspace, stack.environment("live"))
    for _ in range(4):
        for environment in ("production", "live"):
            # A function that starts anew each time, as after a rest.
            stack.sources["schedules"] = stack.schedule_source(environment)
            stack.tick(after=2 * DAY, environment=environment)
    assert [trigger.environments for trigger in before.project.triggers] == [("live",)]
    fired = [event.event.environment for event in stack.inbox.events()]
    assert (fired.count("production"), fired.count("live")) == (2, 2)


def test_a_run_without_an_execution_gets_one_and_a_second_only_when_that_has_ended() -> None:
    stack = Stack()
    stack.trigger("one")

    class Unreachable:
        def start(self, run: RunId, number: int = 1) -> bool:
            raise BackendError(f"Step Functions does not answer, for {run}-{number}.", retryable=True)

        def begin(self, name: str, given: Mapping[str, object]) -> bool:
            raise BackendError(f"Step Functions does not answer, for {name} of {given}.", retryable=True)

        def newest(self, run: RunId) -> Execution | None:
            raise BackendError(f"Step Functions does not answer, for {run}.", retryable=True)

    kept = replace(stack.kept(), executions=Unreachable())
    troubles = tick(kept, stack.clock.now()).troubles
    assert set(troubles) == {"runs", "executions"}
    assert len(stack.store.open()) == 1
    for _ in range(3):
        stack.tick()
    assert stack.executions.started == [("run-0001", 1)]
    stack.executions.end(RunId("run-0001"))
    stack.tick()
    assert stack.executions.started[1:] == [("run-0001", 2)]
    stack.go()
    stack.tick()
    assert stack.serving() == 1
    assert len(stack.executions.started) == 2


def test_a_run_that_waits_for_a_person_gets_no_execution_until_the_person_has_decided() -> None:
    stack = Stack("manual")
    stack.trigger("one")
    stack.tick()
    stack.go()
    for _ in range(3):
        stack.tick()
    assert stack.executions.started == [("run-0001", 1)]
    decision = Decision(version=1, approved=True, actor="grace", reason="It is good.")
    keep(decision, stack.environment(), stack.workspace, stack.ports())
    stack.tick()
    stack.go()
    assert stack.executions.started[1:] == [("run-0001", 2)]
    assert stack.store.run(RunId("run-0001")).outcome is Outcome.DEPLOYED


def test_a_run_that_is_to_stop_while_it_waits_for_a_person_is_stopped() -> None:
    stack = Stack("manual")
    stack.trigger("one")
    stack.tick()
    stack.go()
    cancel(RunId("run-0001"), "ada", "wrong data", stack.ports())
    stack.tick()
    stack.go()
    assert stack.store.run(RunId("run-0001")).outcome is Outcome.CANCELLED


def test_an_approval_that_nobody_gave_in_time_ends_its_run() -> None:
    stack = Stack("manual")
    environment = stack.environment()
    asked = replace(environment, approval=replace(environment.approval, expires=2 * DAY))
    stack.change(environments={**stack.workspace.project.environments, "production": asked})
    stack.trigger("one")
    stack.tick()
    stack.go()
    assert "nobody decided in time" in stack.tick(after=2 * DAY).done["approvals"]
    stack.tick()
    stack.go()
    assert stack.store.run(RunId("run-0001")).outcome is Outcome.REJECTED


def test_runs_of_another_environment_are_left_to_its_own_stack() -> None:
    stack = Stack()
    stack.trigger("one")
    stack.tick(environment="live")
    assert (stack.executions.started, stack.store.open()) == ([], [])
    dispatched(stack.kept())
    stack.executions.end(RunId("run-0001"))
    stack.tick(environment="live")
    assert stack.executions.started == [("run-0001", 1)]


def test_silence_is_told() -> None:
    stack = Stack()
    stack.tick()
    stack.tick(after=9 * DAY)
    assert stack.tick().done == {}
    (letter,) = stack.channels.sent
    assert "No successful retraining for 9 days" in letter.message.body


@pytest.mark.parametrize("error", [BackendError("The storage does not answer."), ZeroDivisionError("a fault of ours")])
def test_a_chore_that_fails_keeps_nobody_from_theirs_and_is_told_once_a_day(error: Exception) -> None:
    stack = Stack()
    stack.sources["data"] = Breaking(error)
    stack.trigger("one")
    ticked = stack.tick()
    assert (set(ticked.troubles), ticked.done["runs"]) == ({"data"}, "run-0001 starts: api")
    stack.go()
    for _ in range(5):
        stack.tick()
    told = [notice for notice in stack.outbox.deliveries() if notice.notice.kind is NoticeKind.TROUBLE]
    assert len(told) == 1
    assert str(error) in str(told[0].notice.facts["reason"])
    stack.tick(after=DAY)
    stack.tick()
    assert len([each for each in stack.outbox.deliveries() if each.notice.kind is NoticeKind.TROUBLE]) == 2


def test_a_look_at_data_that_never_comes_to_its_end_keeps_no_run_from_starting() -> None:
    """A listing of very many objects may last longer than its function: it is killed in each pass."""
    stack = Stack()
    stack.sources["data"] = Breaking(Killed())
    stack.trigger("one")
    for _ in range(4):
        with suppress(Killed):
            stack.tick()
        stack.go()
    assert (stack.serving(), stack.told()) == (1, ["version 1 is deployed"])


@pytest.mark.parametrize("kind", [BackendError, ZeroDivisionError])
def test_a_secret_in_the_words_of_a_failure_is_hidden(kind: type[Exception]) -> None:
    stack = Stack()
    stack.change(secrets=frozenset({"s3cret"}))
    stack.sources["data"] = Breaking(kind("https://user:s3cret@storage does not answer."))
    assert "s3cret" not in str(stack.tick().troubles)
    assert "s3cret" not in str(stack.outbox.deliveries())


def test_bytes_of_what_serves_that_somebody_has_written_over_are_told() -> None:
    stack = Stack()
    wrong = ["s3://bucket/model.tar.gz held other bytes"]
    ticked = tick(replace(stack.kept(), mend=lambda: wrong), stack.clock.now())
    assert ticked.troubles["models"].startswith(wrong[0])
    (told,) = stack.outbox.deliveries()
    assert wrong[0] in str(told.notice.facts["reason"])
    assert tick(replace(stack.kept(), mend=list), stack.clock.now()).troubles == {}


def test_a_state_that_cannot_be_used_is_raised_since_nobody_can_be_told() -> None:
    stack = Stack()
    stack.sources["data"] = Breaking(StateError("The state is damaged."))
    with pytest.raises(StateError):
        stack.tick()


def test_a_pass_that_is_to_leave_begins_no_further_chore() -> None:
    stack = Stack()
    stack.trigger("one")
    kept = stack.kept()
    left = replace(kept, ports=replace(kept.ports, leaving=lambda: True))
    assert tick(left, START).done == {}
    assert stack.executions.started == []


@pytest.mark.parametrize("after", [False, True])
def test_a_pass_that_is_killed_anywhere_is_made_up_for_by_the_next(*, after: bool) -> None:
    for call in range(1, 200):
        stack = Stack()
        stack.trigger("one")
        was_killed = stack.killed_at(
            call,
            after=after,
            act=lambda: tick(stack.kept(), stack.clock.now()),  # noqa: B023
        )
        for _ in range(3):
            stack.tick()
            stack.go()
        assert (stack.serving(), stack.told().count("version 1 is deployed")) == (1, 1)
        assert len(stack.store.runs("line", "production")) == 1
        if not was_killed:
            return
    raise AssertionError("it was killed at every call")


def an_execution(**changes: Any) -> Execution:
    return replace(Execution(number=1, ended=START, has_failed=True), **changes)


@pytest.mark.parametrize(
    ("newest", "after", "number"),
    [
        (None, timedelta(0), 1),
        (an_execution(ended=None), DAY, None),
        (an_execution(has_failed=False), timedelta(0), 2),
        (an_execution(), MINUTE - timedelta(seconds=1), None),
        (an_execution(), MINUTE, 2),
        (an_execution(number=3), 3 * MINUTE, None),
        (an_execution(number=3), 4 * MINUTE, 4),
        (an_execution(number=500), timedelta(minutes=59), None),
        (an_execution(number=500), timedelta(minutes=60), 501),
    ],
)
def test_executions_that_fail_again_and_again_follow_each_other_ever_more_slowly(
    newest: Execution | None, after: timedelta, number: int | None
) -> None:
    assert may_go_on(newest, START + after) == number


def on_aws(environment: Environment, bucket: str) -> Environment:
    keys: Mapping[str, Any] = {"region": "eu-west-1", "bucket": bucket}
    return replace(environment, aws=aws_place("line", environment.name, keys, {}))


def test_what_is_about_another_environment_is_told_by_its_own_stack() -> None:
    stack = Stack()
    for name in ("production", "live"):
        notice = Notice(id=name, kind=NoticeKind.FAILED, model="line", environment=name, run=None, cause=name, at=START)
        stack.outbox.note(notice)
    stack.tick(environment="live")
    assert [letter.message.subject.partition(":")[0] for letter in stack.channels.sent] == ["line/live"]
    stack.tick(environment="production")
    assert len(stack.channels.sent) == 2


def test_what_lies_in_the_same_place_is_told_apart_from_what_does_not() -> None:
    stack = Stack()
    data = NewData(key="data", environments=("production", "live", "far"), every=MINUTE)
    given: dict[str, Callable[[Environment], Environment]] = {
        "production": lambda each: on_aws(each, "one-bucket"),
        "live": lambda each: on_aws(each, "one-bucket"),
        "far": lambda each: on_aws(replace(each, name="far"), "another-bucket"),
        "laptop": lambda each: replace(each, name="laptop"),
    }
    environments = {
        name: change(stack.environment("production" if name != "live" else "live")) for name, change in given.items()
    }
    stack.change(environments=environments, triggers=(data,))
    whole = beside(stack.workspace, environments["live"])
    assert set(whole.project.environments) == {"production", "live"}
    assert [trigger.environments for trigger in whole.project.triggers] == [("production", "live")]
    own = alone(stack.workspace, environments["live"])
    assert set(own.project.environments) == {"live"}
    assert alone(stack.workspace, environments["laptop"]).project.triggers == ()


class KeptEvents:
    """An archive, and a mirror of which each look is counted."""

    def __init__(self) -> None:
        self.archived: list[str] = []
        self.looks = 0

    def keep(self, events: Sequence[EventRecord]) -> None:
        self.archived += [record.event.id for record in events]

    def repair(self) -> int:
        self.looks += 1
        return 1


def test_what_mirrors_the_registry_is_looked_at_twice_an_hour_and_old_events_leave_the_inbox() -> None:
    stack, kept = Stack(), KeptEvents()
    stack.trigger("one")

    def tick_now() -> None:
        tick(replace(stack.kept(), archive=kept, repair=kept.repair), stack.clock.now())

    for _ in range(60):
        stack.clock.advance(MINUTE)
        tick_now()
        stack.go()
    assert (kept.looks, kept.archived) == (2, [])
    stack.clock.advance(100 * DAY)
    tick_now()
    assert kept.archived == ["api:one"]


# After an event


def test_a_job_that_ended_gives_its_run_an_execution_only_when_it_has_none() -> None:
    stack = Stack()
    stack.trigger("one")
    stack.tick()
    run = RunId("run-0001")
    wake = Effect(kind=EffectKind.WAKE, run=run, words="run-0001-train is Completed")
    assert follow(wake, stack.kept()) == "run-0001 is gone on with already"
    stack.executions.end(run)
    assert follow(wake, stack.kept()) == "run-0001 goes on"
    assert stack.executions.started == [(run, 1), (run, 2)]


def test_new_data_that_an_event_told_of_starts_a_run_when_it_may() -> None:
    stack = Stack()
    start = Effect(kind=EffectKind.START, words="a file was written", accepted=1)
    assert follow(start, stack.kept()) == "nothing may start yet"
    stack.trigger("one")
    assert follow(start, stack.kept()) == "run-0001 starts"


def test_a_way_back_begins_once_however_often_its_event_is_told() -> None:
    stack = Stack()
    back = AskedBack(actor="an alarm", before=2, reason="too many errors")
    effect = Effect(kind=EffectKind.ROLL_BACK, words="line-5xx is in ALARM", back=back, name="alarm-1")
    told = [follow(effect, stack.kept()) for _ in range(2)]
    assert told == ["the way back alarm-1 begins", "the way back alarm-1 has begun already"]
    asked = {"actor": "an alarm", "before": 2, "to": None, "reason": "too many errors"}
    assert stack.executions.begun == {"alarm-1": {"rollback": asked}}


def test_an_event_that_means_nothing_does_nothing() -> None:
    stack = Stack()
    assert follow(nothing("it is no job of a run"), stack.kept()) == "nothing"
    assert stack.executions.started == []
