"""What each function makes of what it is called with: each call parses, does one thing and answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from everfit.application.kept import Kept
from everfit.application.loop import LOOP
from everfit.application.ports import Mark
from everfit.domain.aws import aws_place
from everfit.domain.errors import BackendError, RequestError, StateError
from everfit.domain.project import Data
from everfit.domain.run import Outcome, RunId, RunState
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import NewData, OtherEvent, Pace
from everfit.interfaces.lambdas import events, step, tick, trigger
from everfit.interfaces.lambdas.answers import CallError
from tests.stack import DAY, MINUTE, Breaking, Stack

STEPS = [each.name for each in LOOP]
RUN = RunId("run-0001")
KEYS: Mapping[str, Any] = {"region": "eu-west-1", "bucket": "everfit-bench"}


class OnAws(Stack):
    """A stack whose data lies in a bucket."""

    def __init__(self, approval: str = "automatic", quiet: Any = 5 * MINUTE) -> None:
        super().__init__(approval)
        place = aws_place("line", "production", KEYS, {})
        environments = dict(self.workspace.project.environments)
        environments["production"] = replace(environments["production"], aws=place)
        pace = Pace(quiet_for=quiet, at_most=quiet * 12)
        data = NewData(key="data", environments=("production",), every=10 * MINUTE, pace=pace)
        self.change(environments=environments, triggers=(data,), data=Data(source="s3://rows/line/"))

    def step(self, name: str, **ports: Any) -> Mapping[str, object]:
        self.lives += 1
        return step.handle({"run": RUN, "step": name}, self.kept(**ports))

    def queue(self, *bodies: object, **ports: Any) -> Sequence[str]:
        """Hand a batch of the queue over; return the ids of what has to come again."""
        records = [
            {
                "messageId": f"m{number}",
                "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for number, body in enumerate(bodies, 1)
        ]
        self.lives += 1
        answer: Any = trigger.handle({"Records": records}, self.kept(**ports))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def created(key: str, bucket: str = "rows", sequencer: str = "01") -> Mapping[str, object]:
    """An event of EventBridge about a new object."""
    return {
        "id": f"{key}-{sequencer}",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "account": "123456789012",
        "region": "eu-west-1",
        "time": "2026-11-21T09:00:00Z",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 10, "sequencer": sequencer}},
    }


# Steps


def test_each_step_answers_what_the_state_machine_is_to_do() -> None:
    stack = OnAws()
    stack.trigger("one")
    stack.tick()
    answers = [stack.step(name)["answer"] for name in STEPS[:2]]
    assert answers == ["done", "waits"]
    answer = stack.step("prepare")
    assert answer == {"answer": "done", "seconds": 0, "outcome": None, "reason": None}


def test_the_last_answer_names_the_outcome() -> None:
    stack = OnAws()
    stack.trigger("one")
    stack.tick()
    assert stack.walk(RUN).outcome is Outcome.DEPLOYED
    answer = stack.step("record")
    assert (answer["answer"], answer["outcome"]) == ("ended", "deployed")


def test_a_run_that_is_not_there_or_of_another_environment_is_left_alone() -> None:
    stack = OnAws()
    assert step.handle({"run": "run-9999", "step": "train"}, stack.kept())["answer"] == "ended"
    stack.trigger("one")
    stack.tick()
    answer = step.handle({"run": RUN, "step": "snapshot"}, stack.kept("live"))
    assert (answer["answer"], "of line in production" in str(answer["reason"])) == ("ended", True)
    assert step.handle({"run": RUN, "broken": "States.Timeout"}, stack.kept("live"))["answer"] == "ended"
    assert stack.store.run(RUN).state is RunState.QUEUED


def test_a_step_that_this_release_does_not_have_ends_the_run_with_what_to_do() -> None:
    stack = OnAws()
    stack.trigger("one")
    stack.tick()
    answer = stack.step("watch")
    assert (answer["answer"], answer["outcome"]) == ("ended", "failed")
    assert "everfit apply" in str(answer["reason"])


class Refusing:
    """A port of which every call is refused."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def refusing(*arguments: object, **named: object) -> Any:
            raise self._error

        return refusing


def test_what_passes_is_asked_for_again_and_what_does_not_is_raised_without_a_long_trail() -> None:
    stack = OnAws()
    stack.trigger("one")
    stack.tick()

    class Busy:
        def __init__(self, error: BackendError) -> None:
            self._error = error

        def __getattr__(self, name: str) -> Any:
            if name == "claim":
                raise self._error
            return getattr(stack.store, name)

    waits = stack.step("snapshot", store=Busy(BackendError("Somebody writes the state.", retryable=True)))
    assert (waits["answer"], waits["reason"]) == ("waits", "Somebody writes the state.")
    with pytest.raises(CallError, match="The state is damaged") as caught:
        stack.step("snapshot", store=Busy(StateError("The state is damaged.")))
    assert caught.value.__cause__ is None
    assert stack.store.run(RUN).state is not RunState.ENDED


def test_no_answer_no_error_and_no_log_line_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    stack = OnAws()
    stack.change(secrets=frozenset({"s3cret"}))
    leak = "https://user:s3cret@storage"
    told: list[str] = []
    for error in (BackendError(leak, retryable=True), BackendError(leak), StateError(leak), RequestError(leak)):
        try:
            told.append(str(stack.step("snapshot", store=Refusing(error))))
        except CallError as failure:
            told.append(str(failure))
        told.append(str(stack.queue(created("line/a.csv"), inbox=Refusing(error))))
    printed = capsys.readouterr().out
    assert "***@storage" in str(told)
    assert "***@storage" in printed
    assert "s3cret" not in str(told) + printed


def test_a_broken_run_is_ended_by_its_machine() -> None:
    stack = OnAws()
    stack.trigger("one")
    stack.tick()
    answer = step.handle({"run": RUN, "broken": "Lambda.Unknown: out of memory"}, stack.kept())
    assert (answer["answer"], answer["outcome"]) == ("ended", "failed")


def test_a_way_back_is_gone_once() -> None:
    stack = OnAws()
    for name in ("one", "two"):
        stack.data.rows += 100
        stack.trigger(name)
        stack.tick()
        stack.go()
    asked = {"rollback": {"actor": "an alarm", "before": 2, "to": None, "reason": "too many errors"}}
    answers = [step.handle(asked, stack.kept())["answer"] for _ in range(2)]
    assert (answers, stack.serving()) == (["ended", "ended"], 1)


# New objects


def test_a_burst_of_fifty_objects_is_one_run_that_names_them_all() -> None:
    stack = OnAws()
    keys = [f"line/{number:02}.csv" for number in range(50)]
    for first in range(0, 50, 10):
        assert stack.queue(*(created(key) for key in keys[first : first + 10])) == []
    assert stack.store.open() == []
    for _ in range(6):
        stack.tick()
    stack.go()
    runs = {record.run for record in stack.inbox.events()}
    named = {record.event.detail["key"] for record in stack.inbox.events(run=RUN)}
    assert (runs, named) == ({RUN}, set(keys))


def test_messages_that_come_twice_and_in_another_order_are_accepted_once() -> None:
    stack = OnAws(quiet=0 * MINUTE)
    messages = [created("line/a.csv"), created("line/b.csv")]
    for batch in (messages, messages[::-1], messages):
        assert stack.queue(*batch) == []
    assert len(stack.inbox.events()) == 2
    assert stack.executions.started == [(RUN, 1)]


def test_an_object_that_arrives_while_a_run_is_under_way_makes_one_more_run_after_it() -> None:
    stack = OnAws(quiet=0 * MINUTE)
    stack.queue(created("line/a.csv"))
    stack.queue(created("line/b.csv"))
    stack.queue(created("line/c.csv"))
    stack.go()
    stack.data.rows += 1
    stack.tick()
    stack.go()
    assert [run.outcome for run in stack.store.runs()] == [Outcome.DEPLOYED] * 2
    assert [record.run for record in stack.inbox.events()] == ["run-0002", "run-0002", "run-0001"]


@pytest.mark.parametrize(
    "body",
    [
        created("elsewhere/a.csv"),
        created("line/a.csv", bucket="somebody-elses"),
        created("line/.part/a.csv"),
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "rows"},
        {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {}},
    ],
)
def test_what_is_not_this_models_data_is_acknowledged_and_starts_nothing(body: object) -> None:
    stack = OnAws(quiet=0 * MINUTE)
    assert stack.queue(body) == []
    assert stack.inbox.events() == []


def test_what_a_run_itself_wrote_into_the_bucket_starts_no_run() -> None:
    stack = OnAws(quiet=0 * MINUTE)
    stack.change(data=Data(source="s3://everfit-bench/"))
    stack.queue(created("everfit/models/line/1/model.csv", bucket="everfit-bench"))
    assert stack.inbox.events() == []
    stack.queue(created("rows.csv", bucket="everfit-bench"))
    assert len(stack.inbox.events()) == 1


def test_a_message_that_nobody_can_read_stays_in_the_queue_and_holds_up_no_other() -> None:
    stack = OnAws()
    assert stack.queue("{no json", created("line/a.csv")) == ["m1"]
    assert len(stack.inbox.events()) == 1


class FullInbox:
    """An inbox that takes nothing, or nothing of one object."""

    def __init__(self, inbox: Any, poison: str = "") -> None:
        self._inbox, self._poison = inbox, poison

    def accept(self, found: Sequence[TriggerEvent], marks: Mapping[str, Mark] | None = None) -> Sequence[bool]:
        if any(self._poison in event.subject for event in found):
            raise BackendError("The state cannot be written now.", retryable=True)
        taken: Sequence[bool] = self._inbox.accept(found, marks)
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)


def test_a_message_is_acknowledged_only_when_its_event_is_in_the_inbox() -> None:
    stack = OnAws()
    messages = [created("line/a.csv"), created("line/b.csv")]
    assert stack.queue(*messages, inbox=FullInbox(stack.inbox)) == ["m1", "m2"]
    assert stack.inbox.events() == []
    assert stack.queue(*messages, inbox=FullInbox(stack.inbox, poison="a.csv")) == ["m1"]
    assert stack.queue(*messages) == []
    assert len(stack.inbox.events()) == 2


def test_a_run_that_cannot_be_started_now_never_makes_its_messages_come_again() -> None:
    stack = OnAws(quiet=0 * MINUTE)
    assert stack.queue(created("line/a.csv"), registry=Refusing(BackendError("It is away.", retryable=True))) == []
    kept = replace(
        stack.kept(), executions=cast("Any", Refusing(BackendError("Step Functions is away.", retryable=True)))
    )
    assert trigger.handle({"Records": []}, kept) == {"batchItemFailures": []}
    stack.tick()
    assert stack.executions.started == [(RUN, 1)]


# Schedules and passes


def test_the_time_of_a_schedule_starts_a_run_once_however_often_it_is_told() -> None:
    stack = OnAws()
    stack.schedules()
    trigger.handle({"schedule": "weekly"}, stack.kept())
    stack.clock.advance(7 * DAY)
    for _ in range(3):
        trigger.handle({"schedule": "weekly"}, stack.kept())
    assert [record.event.kind for record in stack.inbox.events()] == [TriggerKind.SCHEDULE]
    assert stack.executions.started == [(RUN, 1)]


def test_a_schedule_that_cannot_be_taken_now_is_raised_so_that_it_comes_again() -> None:
    stack = OnAws()
    stack.sources["schedules"] = Breaking(BackendError("The state cannot be read.", retryable=True))
    with pytest.raises(CallError, match="cannot be read"):
        trigger.handle({"schedule": "weekly"}, stack.kept())


def test_a_pass_says_what_was_done_and_what_went_wrong() -> None:
    stack = OnAws()
    stack.trigger("one")
    stack.sources["data"] = Breaking(RequestError("The bucket rows is not there."))
    answer: Any = tick.handle(stack.kept())
    assert answer["done"]["runs"] == "run-0001 starts: api"
    assert answer["troubles"] == {"data": "The bucket rows is not there."}


def test_a_pass_over_a_state_that_cannot_be_used_fails_as_a_call() -> None:
    stack = OnAws()
    stack.sources["data"] = Breaking(StateError("The state is damaged."))
    with pytest.raises(CallError, match="damaged"):
        tick.handle(stack.kept())


# Events


class NoPackages:
    """A model registry outside in which nobody has decided anything."""

    def package(self, name: str) -> None:
        del name

    def decided(self) -> Sequence[Any]:
        return ()

    def put_back(self, version: int) -> None:
        raise AssertionError(version)

    def owner(self) -> str:
        return "production"


def an_event(kind: str, detail: Mapping[str, object], **changes: object) -> Mapping[str, object]:
    body = {"id": "1", "source": "aws.sagemaker", "detail-type": kind, "account": "123456789012"}
    return {**body, "region": "eu-west-1", "time": "2026-11-21T09:00:00Z", "detail": detail, **changes}


def listening(stack: Stack) -> Kept:
    return replace(stack.kept(), packages=NoPackages(), account="123456789012")


def job_ended(run: str) -> Mapping[str, object]:
    return an_event(
        "SageMaker Training Job State Change",
        {
            "TrainingJobName": f"{run}-train",
            "TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{run}-train",
            "TrainingJobStatus": "Completed",
        },
    )


def test_a_job_of_nobody_here_is_passed_over_however_often_it_is_told() -> None:
    stack = OnAws()
    for _ in range(2):
        assert events.handle(job_ended("20261121-093112-a1b2c3d4"), listening(stack))["effect"] == "nothing"
    assert stack.executions.started == []


@pytest.mark.parametrize(
    "event",
    [
        {**job_ended("20261121-093112-a1b2c3d4"), "account": "999999999999"},
        {"hello": "world"},
        an_event("SageMaker Training Job State Change", {}),
    ],
)
def test_an_event_of_another_account_or_of_no_shape_is_passed_over_and_not_tried_again(
    event: Mapping[str, object],
) -> None:
    answer = events.handle(event, listening(OnAws()))
    assert (answer["effect"], bool(answer["words"])) == ("nothing", True)


def test_an_event_that_cannot_be_followed_now_is_raised_so_that_it_comes_again() -> None:
    stack = OnAws()
    away = RequestError("These credentials may not call GetObject there.")
    kept = replace(listening(stack), ports=replace(stack.ports(), store=cast("Any", Refusing(away))))
    with pytest.raises(CallError, match="may not call GetObject"):
        events.handle(job_ended("20261121-093112-a1b2c3d4"), kept)


def test_an_event_of_another_program_that_a_trigger_waits_for_starts_one_run() -> None:
    stack = OnAws()
    stack.change(
        triggers=(OtherEvent(key="event:shop:sale", environments=("production",), source="shop", type="sale"),)
    )
    sale = an_event("sale", {"rows": 100}, source="shop")
    for _ in range(2):
        assert events.handle(sale, listening(stack))["effect"] == "start"
    assert events.handle({**sale, "id": "2", "account": "999999999999"}, listening(stack))["effect"] == "nothing"
    assert [record.event.subject for record in stack.inbox.events()] == ["sale from shop"]
    assert stack.executions.started == [(RUN, 1)]
