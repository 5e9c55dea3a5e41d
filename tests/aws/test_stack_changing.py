"""One small stack, brought to what its template says from whatever state it was left in."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.stack.changes import drift_of
from everfit.adapters.aws.stack.changing import Wanted, change, remove, settled
from everfit.adapters.aws.stack.cloudformation import Body, CloudFormation
from everfit.domain.errors import BackendError, BusyError, EverfitError, RefusedError, RequestError
from tests.aws.bench.client import ROOT, Bench, until

NAME = "everfit-churn-production"


def template(**queues: int) -> Body:
    made = {
        name: {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"churn-{name}", "VisibilityTimeout": seconds}}
        for name, seconds in queues.items()
    }
    return Body(text=json.dumps({"Resources": made}))


class OneStack:
    """A stack on the bench, seen by the product's own code."""

    def __init__(self, bench: Bench, clients: Clients) -> None:
        self.bench, self.cloud = bench, CloudFormation(clients, interval=0.01)
        self.said: list[str] = []

    def apply(self, body: Body) -> int:
        state = settled(self.cloud, NAME, self.said.append)
        return len(change(self.cloud, Wanted(name=NAME, body=body, tags={"a": "b"}), state, self.said.append))

    @property
    def status(self) -> str | None:
        state = self.cloud.state(NAME)
        return None if state is None else state.status

    def queues(self) -> dict[str, str]:
        sqs = self.bench.client("sqs")
        urls = sqs.list_queues().get("QueueUrls", [])
        found = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls}
        return {url.rpartition("/")[2]: each["VisibilityTimeout"] for url, each in found.items()}


@pytest.fixture
def stack(bench: Bench, aws_clients: Clients) -> OneStack:
    return OneStack(bench, aws_clients)


def test_a_stack_is_made_changed_and_left_alone(stack: OneStack) -> None:
    assert stack.apply(template(A=30)) == 1
    assert stack.apply(template(A=30)) == 0
    assert stack.apply(template(A=60, B=30)) == 2
    assert (stack.status, stack.queues()) == ("UPDATE_COMPLETE", {"churn-A": "60", "churn-B": "30"})
    assert stack.bench.client("cloudformation").list_change_sets(StackName=NAME)["Summaries"] == []


def test_what_happens_is_told_as_it_happens(stack: OneStack) -> None:
    stack.apply(template(A=30))
    assert "A create complete" in stack.said


def test_a_creation_that_fails_tells_the_first_cause_and_the_next_one_begins_anew(stack: OneStack) -> None:
    stack.bench.set(stack_failure="B")
    with pytest.raises(BackendError, match=r"B \(AWS::SQS::Queue\): .*told that this resource fails.*goes on from"):
        stack.apply(template(A=30, B=30))
    assert stack.status == "ROLLBACK_COMPLETE"
    stack.bench.set(stack_failure="")
    stack.apply(template(A=30, B=30))
    assert (stack.status, set(stack.queues())) == ("CREATE_COMPLETE", {"churn-A", "churn-B"})


def test_a_change_that_fails_leaves_everything_as_it_was(stack: OneStack) -> None:
    stack.apply(template(A=30))
    stack.bench.set(stack_failure="B")
    with pytest.raises(BackendError, match="Everything is as it was before"):
        stack.apply(template(A=60, B=30))
    assert (stack.status, stack.queues()) == ("UPDATE_ROLLBACK_COMPLETE", {"churn-A": "30"})
    stack.bench.set(stack_failure="")
    assert stack.apply(template(A=60, B=30)) == 2


def test_an_undoing_that_failed_is_gone_on_with(stack: OneStack) -> None:
    stack.apply(template(A=30))
    stack.bench.set(stack_failure="B", stack_rollback="fails")
    with pytest.raises(BackendError, match="everfit apply goes on from there"):
        stack.apply(template(A=60, B=30))
    assert stack.status == "UPDATE_ROLLBACK_FAILED"
    stack.bench.set(stack_failure="")
    stack.apply(template(A=60))
    assert (stack.status, stack.queues()) == ("UPDATE_COMPLETE", {"churn-A": "60"})


def test_an_undoing_that_cannot_be_gone_on_with_says_what_to_do(stack: OneStack) -> None:
    stack.apply(template(A=30))
    stack.bench.set(stack_failure="B", stack_rollback="fails")
    with pytest.raises(BackendError):
        stack.apply(template(A=60, B=30))
    sqs = stack.bench.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="churn-A")["QueueUrl"])
    with pytest.raises(RefusedError, match="aws cloudformation continue-update-rollback"):
        stack.apply(template(A=60))


def test_a_template_that_cannot_be_used_is_told_and_leaves_nothing_to_clean_up(stack: OneStack) -> None:
    broken = Body(text=json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queu"}}}))
    with pytest.raises(EverfitError, match=r"plan the stack|cannot plan"):
        stack.apply(broken)
    assert stack.apply(template(A=30)) == 1


KILLED = """
import sys
from everfit.adapters.aws.clients import Clients
from tests.aws.test_stack_changing import OneStack, template
OneStack(None, Clients("us-east-1")).apply(template(A=60, B=30))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", ["CreateChangeSet", "ExecuteChangeSet"])
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "old"])
def test_an_apply_that_is_killed_is_gone_on_with_by_the_next(
    stack: OneStack, operation: str, moment: str, *, is_new: bool
) -> None:
    if not is_new:
        stack.apply(template(A=30))
    fault = stack.bench.hang("cloudformation", operation, moment=moment)
    variables: Mapping[str, str] = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=ROOT, env=variables)
    until(lambda: stack.bench.hangs(fault), "the call")
    process.send_signal(signal.SIGKILL)
    process.wait()
    stack.bench.release(fault)
    stack.apply(template(A=60, B=30))
    assert stack.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert stack.queues() == {"churn-A": "60", "churn-B": "30"}
    assert stack.apply(template(A=60, B=30)) == 0


def test_an_answer_that_is_lost_after_the_change_began_is_settled_by_looking(stack: OneStack) -> None:
    stack.bench.lose_answer("cloudformation", "ExecuteChangeSet")
    assert stack.apply(template(A=30)) == 1
    assert (stack.status, len(stack.bench.calls("sqs", "CreateQueue"))) == ("CREATE_COMPLETE", 1)


def test_a_plan_that_somebody_else_has_overtaken_is_not_carried_out(stack: OneStack) -> None:
    stack.apply(template(A=30))
    planned = stack.cloud.planned(NAME, template(A=60), {}, is_new=False)
    stack.apply(template(A=90))
    with pytest.raises(BusyError, match="Somebody else is changing the stack"):
        stack.cloud.execute(planned)
    assert stack.queues() == {"churn-A": "90"}


def test_a_plan_that_vanishes_because_somebody_carries_out_another_one_is_told_so(stack: OneStack) -> None:
    gone = {"code": "ChangeSetNotFound", "message": "ChangeSet [x] does not exist", "status": 404}
    stack.bench.fault("cloudformation", "DescribeChangeSet", **gone)
    with pytest.raises(BusyError, match="Somebody else is changing the stack"):
        stack.apply(template(A=30))
    assert stack.apply(template(A=30)) == 1


def test_applies_at_once_end_with_one_stack_and_no_word_but_that_somebody_else_is_at_it(stack: OneStack) -> None:
    def tried(_: int) -> EverfitError | None:
        try:
            stack.apply(template(A=60, B=30))
        except EverfitError as error:
            return error
        return None

    with ThreadPoolExecutor(4) as pool:
        errors = [each for each in pool.map(tried, range(4)) if each is not None]
    assert all(isinstance(each, BusyError) for each in errors), errors
    stack.apply(template(A=60, B=30))
    assert stack.queues() == {"churn-A": "60", "churn-B": "30"}


def test_throttling_is_waited_out(stack: OneStack) -> None:
    for operation in ("DescribeStacks", "CreateChangeSet"):
        stack.bench.throttle("cloudformation", operation)
    assert stack.apply(template(A=30)) == 1


@pytest.mark.parametrize("operation", ["DescribeStacks", "CreateChangeSet", "ExecuteChangeSet"])
def test_a_missing_permission_is_told_by_the_call(stack: OneStack, operation: str) -> None:
    stack.bench.deny("cloudformation", operation)
    with pytest.raises(RequestError, match=f"may not call {operation}"):
        stack.apply(template(A=30))


def test_credentials_that_have_expired_are_told(stack: OneStack) -> None:
    stack.bench.expire()
    with pytest.raises(RequestError, match="credentials have expired"):
        stack.apply(template(A=30))


def test_what_was_changed_or_deleted_by_hand_is_found(stack: OneStack) -> None:
    groups = {
        name: {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"churn-{name}", "RetentionInDays": 30}}
        for name in ("A", "B", "C")
    }
    stack.apply(Body(text=json.dumps({"Resources": groups})))
    logs = stack.bench.client("logs")
    logs.put_retention_policy(logGroupName="churn-A", retentionInDays=3)
    logs.delete_log_group(logGroupName="churn-B")
    found = {each.resource: each for each in drift_of(stack.cloud.drift(NAME, 10.0) or [])}
    assert found.keys() == {"A", "B"}
    assert ("RetentionInDays", "30", "3") in found["A"].differences
    assert found["B"].is_deleted


def test_a_stack_is_removed_and_one_that_is_gone_stays_so(stack: OneStack) -> None:
    stack.apply(template(A=30))
    state = stack.cloud.state(NAME)
    assert state is not None
    remove(stack.cloud, state, stack.said.append)
    assert (stack.status, stack.queues()) == (None, {})
