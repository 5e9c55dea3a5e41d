"""The bench's state machines, rules and schedules: moto's interpreter with what it lacks, and events that arrive."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, until
from tests.aws.test_bench_functions import Functions

ACCOUNT = "123456789012"
INVOKE = "arn:aws:states:::lambda:invoke"


def task(step: str, **more: Any) -> dict[str, Any]:
    payload = {"step": step, "run": "{% $states.input.run %}"}
    arguments = {"FunctionName": "step", "Payload": payload}
    return {
        "Type": "Task",
        "Resource": INVOKE,
        "Arguments": arguments,
        "Output": "{% $states.result.Payload %}",
        **more,
    }


LOOP = {
    "QueryLanguage": "JSONata",
    "StartAt": "Train",
    "States": {
        "Train": task("train", Next="Asked"),
        "Asked": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.answer = 'waits' %}", "Next": "Wait"},
                {"Condition": "{% $states.input.answer = 'done' %}", "Next": "Done"},
            ],
            "Default": "Failed",
        },
        "Wait": {"Type": "Wait", "Seconds": "{% $states.input.seconds %}", "Next": "Train"},
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail", "Error": "Everfit", "Cause": "It cannot go on."},
    },
}
STEP = """
import boto3
def handler(event, context):
    s3 = boto3.client("s3")
    seen = s3.list_objects_v2(Bucket="marks").get("KeyCount", 0)
    s3.put_object(Bucket="marks", Key=str(seen), Body=b"")
    if event["run"] == "bad":
        return {"answer": "ended", "run": event["run"]}
    return {"answer": "done" if seen else "waits", "seconds": 30, "run": event["run"]}
"""


class Machines:
    """A state machine whose steps a function takes."""

    def __init__(self, bench: Bench, code: str = STEP) -> None:
        self.bench, self.states = bench, bench.client("stepfunctions")
        bench.client("s3").create_bucket(Bucket="marks")
        Functions(bench).make(code)
        self.role = bench.role("machine", "states")

    def make(self, machine: dict[str, Any], name: str = "loop") -> str:
        given = {"name": name, "roleArn": self.role, "definition": json.dumps(machine)}
        return str(self.states.create_state_machine(**given)["stateMachineArn"])

    def run(self, machine: str, name: str = "run-1", run: str = "r") -> dict[str, Any]:
        given = {"stateMachineArn": machine, "name": name, "input": json.dumps({"run": run})}
        return self.end(self.states.start_execution(**given)["executionArn"])

    def end(self, execution: str) -> dict[str, Any]:
        def shown() -> dict[str, Any]:
            told: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            return told

        until(lambda: shown()["status"] != "RUNNING", "the end of the execution")
        return shown()


@pytest.fixture
def machines(bench: Bench) -> Machines:
    return Machines(bench)


def test_jsonata_waits_and_functions_work_together(machines: Machines) -> None:
    told = machines.run(machines.make(LOOP))
    assert told["status"] == "SUCCEEDED", told
    assert json.loads(told["output"])["answer"] == "done"


def test_the_machine_calls_as_its_role_and_the_function_as_its_own(machines: Machines) -> None:
    machines.run(machines.make(LOOP))
    assert {call["role"] for call in machines.bench.calls("lambda", "Invoke")} == {machines.role}
    puts = machines.bench.calls("s3", "PutObject")
    assert {call["role"] for call in puts} == {f"arn:aws:iam::{ACCOUNT}:role/function"}


def test_the_end_of_an_execution_is_an_event(machines: Machines) -> None:
    machines.run(machines.make(LOOP), run="bad")
    told = until(lambda: machines.bench.notes("event"), "the event")[-1]["event"]
    assert told["detail-type"] == "Step Functions Execution Status Change"
    assert (told["detail"]["status"], told["detail"]["error"]) == ("FAILED", "Everfit")


def test_a_name_that_was_used_cannot_be_used_again(machines: Machines) -> None:
    machine = machines.make(LOOP)
    machines.run(machine)
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        machines.run(machine)


def test_the_same_start_again_is_the_same_execution(machines: Machines) -> None:
    machines.bench.set(wait_factor=1)
    given = {"stateMachineArn": machines.make(LOOP), "name": "run-1", "input": '{"run": "r"}'}
    first = machines.states.start_execution(**given)
    assert machines.states.start_execution(**given)["executionArn"] == first["executionArn"]
    machines.states.stop_execution(executionArn=first["executionArn"])
    told = machines.end(first["executionArn"])
    assert told["status"] == "ABORTED", told


def test_an_execution_that_is_stopped_in_the_middle_of_a_call_is_aborted(machines: Machines) -> None:
    held = machines.bench.hang("lambda", "Invoke")
    given = {"stateMachineArn": machines.make(LOOP), "name": "run-1", "input": '{"run": "r"}'}
    execution = machines.states.start_execution(**given)["executionArn"]
    until(lambda: machines.bench.hangs(held), "the call of the function")
    machines.states.stop_execution(executionArn=execution)
    machines.bench.release(held, is_answered=True)
    assert machines.end(execution)["status"] == "ABORTED"


def test_an_error_of_a_function_can_be_retried_and_caught(bench: Bench) -> None:
    machines = Machines(bench, "def handler(e, c): raise RuntimeError('no')")
    retry = [{"ErrorEquals": ["RuntimeError"], "IntervalSeconds": 10, "MaxAttempts": 2}]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}]
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "Train",
        "States": {"Train": task("train", End=True, Retry=retry, Catch=catch), "Caught": {"Type": "Succeed"}},
    }
    told = machines.run(machines.make(machine))
    assert json.loads(told["output"])["Error"] == "RuntimeError"
    assert len(bench.calls("lambda", "Invoke")) == 3


def test_a_definition_that_moto_rejects_spoils_no_later_one(machines: Machines) -> None:
    mixed = {"Type": "Pass", "ResultPath": "$.x", "End": True}
    with pytest.raises(ClientError, match="InvalidDefinition"):
        machines.make({"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": mixed}}, "wrong")
    plain = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": {"a": 1}, "ResultPath": "$.b", "End": True}}}
    assert machines.run(machines.make(plain))["status"] == "SUCCEEDED"


def test_an_error_of_a_service_has_the_name_that_a_catch_uses(machines: Machines) -> None:
    get = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Arguments": {"Bucket": "marks", "Key": "nothing"},
        "Catch": [{"ErrorEquals": ["S3.NoSuchKeyException"], "Next": "Caught"}],
        "End": True,
    }
    machine = {"QueryLanguage": "JSONata", "StartAt": "Get", "States": {"Get": get, "Caught": {"Type": "Succeed"}}}
    told = machines.run(machines.make(machine))
    assert told["status"] == "SUCCEEDED", told


def test_an_execution_without_a_name_has_one(machines: Machines) -> None:
    named = {"Type": "Pass", "Output": {"name": "{% $states.context.Execution.Name %}"}, "End": True}
    machine = machines.make({"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": named}})
    told = machines.end(machines.states.start_execution(stateMachineArn=machine, input="{}")["executionArn"])
    assert json.loads(told["output"]) == {"name": told["name"]}


def test_a_reset_ends_what_runs(machines: Machines) -> None:
    machines.bench.set(wait_factor=1)
    given = {"stateMachineArn": machines.make(LOOP), "name": "run-1", "input": '{"run": "r"}'}
    machines.states.start_execution(**given)
    until(lambda: machines.bench.calls("lambda", "Invoke"), "the first step")
    machines.bench.reset()
    assert machines.states.list_state_machines()["stateMachines"] == []
    assert machines.bench.notes() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"Next": "Nowhere"}, "missing state"),
        ({"Resource": "arn:aws:states:::lambda:invokes"}, "has no action"),
        ({"Arguments": {"FunctionNam": "x"}}, "unknown"),
        ({"Output": "{% $max($states.input %}"}, "JSONata"),
        ({"Output": "{% $nobody %}"}, "never assigned"),
        ({"Type": "Tusk"}, "there is no Type"),
    ],
)
def test_a_wrong_definition_is_refused_before_it_runs(bench: Bench, change: dict[str, Any], problem: str) -> None:
    wrong = json.loads(json.dumps(LOOP))
    wrong["States"]["Train"].update(change)
    told = bench.client("stepfunctions").validate_state_machine_definition(definition=json.dumps(wrong))
    assert told["result"] == "FAIL"
    assert any(problem in each["message"] for each in told["diagnostics"]), told


def test_the_right_definition_is_accepted(bench: Bench) -> None:
    told = bench.client("stepfunctions").validate_state_machine_definition(definition=json.dumps(LOOP))
    assert (told["result"], told["diagnostics"]) == ("OK", [])


def test_a_new_object_starts_an_execution_through_a_rule(machines: Machines) -> None:
    machine = machines.make(LOOP)
    s3, events = machines.bench.client("s3"), machines.bench.client("events")
    s3.create_bucket(Bucket="data")
    s3.put_bucket_notification_configuration(Bucket="data", NotificationConfiguration={"EventBridgeConfiguration": {}})
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "in/"}]}}}
    events.put_rule(Name="arrived", EventPattern=json.dumps(pattern))
    transformer = {"InputPathsMap": {"key": "$.detail.object.key"}, "InputTemplate": '{"run": <key>}'}
    target = {"Id": "1", "Arn": machine, "RoleArn": machines.bench.role("rule", "events")}
    events.put_targets(Rule="arrived", Targets=[{**target, "InputTransformer": transformer}])
    s3.put_object(Bucket="data", Key="out/no.csv", Body=b"")
    s3.put_object(Bucket="data", Key="in/2026.csv", Body=b"1,2")
    started = until(lambda: machines.states.list_executions(stateMachineArn=machine)["executions"], "the execution")
    told = machines.end(started[0]["executionArn"])
    assert json.loads(told["input"]) == {"run": "in/2026.csv"}


def test_a_rule_needs_the_permission_of_the_function(machines: Machines) -> None:
    events, functions = machines.bench.client("events"), machines.bench.client("lambda")
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:step"
    rule = events.put_rule(Name="any", EventPattern=json.dumps({"source": ["everfit"]}))["RuleArn"]
    events.put_targets(Rule="any", Targets=[{"Id": "1", "Arn": arn}])
    entry = {"Source": "everfit", "DetailType": "x", "Detail": '{"run": "r"}'}
    events.put_events(Entries=[entry])
    assert "may not invoke" in until(lambda: machines.bench.notes("undelivered"), "the refusal")[0]["error"]
    functions.add_permission(
        FunctionName="step",
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    events.put_events(Entries=[entry])
    until(lambda: machines.bench.calls("lambda", "Invoke"), "the invocation")


def test_events_can_come_twice_and_in_another_order(bench: Bench) -> None:
    bench.set(duplicate_events=2, reorder_events=4)
    events = bench.client("events")
    for number in (1, 2):
        entry = {"Source": "everfit", "DetailType": "x", "Detail": json.dumps({"n": number})}
        events.put_events(Entries=[entry])
    assert [note["event"]["detail"]["n"] for note in bench.notes("event")] == [2, 2, 1, 1]


def test_a_schedule_fires_when_the_test_says_so(machines: Machines) -> None:
    role = machines.bench.role("scheduler", "scheduler")
    scheduler = machines.bench.client("scheduler")
    given = {
        "Name": "weekly",
        "ScheduleExpression": "cron(0 6 ? * MON *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:step",
            "RoleArn": role,
            "Input": '{"run": "<aws.scheduler.scheduled-time>"}',
        },
    }
    scheduler.create_schedule(**given)
    machines.bench.fire("weekly", "2026-11-23T05:00:00Z")
    call = until(lambda: machines.bench.calls("lambda", "Invoke"), "the invocation")[0]
    assert call["role"] == role
    assert scheduler.get_schedule(Name="weekly")["ScheduleExpressionTimezone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("expression", "zone"),
    [("cron(0 6 * * MON *)", "UTC"), ("rate(1 minutes)", "UTC"), ("rate(5 minutes)", "Europe/Nowhere")],
)
def test_a_wrong_schedule_is_refused(bench: Bench, expression: str, zone: str) -> None:
    with pytest.raises(ClientError, match="Invalid"):
        bench.client("scheduler").create_schedule(
            Name="wrong",
            ScheduleExpression=expression,
            ScheduleExpressionTimezone=zone,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", "RoleArn": bench.role("s", "scheduler")},
        )


def test_an_alarm_tells_its_topic_and_the_bus(bench: Bench) -> None:
    queues, topics, watch = bench.client("sqs"), bench.client("sns"), bench.client("cloudwatch")
    url = queues.create_queue(QueueName="told")["QueueUrl"]
    topic = topics.create_topic(Name="ops")["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:told")
    alarm = {"Namespace": "Everfit", "MetricName": "DataDrift", "Statistic": "Maximum", "Period": 300}
    watch.put_metric_alarm(
        AlarmName="drift",
        EvaluationPeriods=1,
        Threshold=0.2,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
        **alarm,
    )
    watch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(drift) OR FALSE")
    bench.alarm("drift")
    bench.alarm("drift")
    body = json.loads(until(lambda: queues.receive_message(QueueUrl=url).get("Messages"), "the message")[0]["Body"])
    assert json.loads(body["Message"])["NewStateValue"] == "ALARM"
    told = [note["event"]["detail"]["alarmName"] for note in bench.notes("event")]
    assert told == ["drift", "any"]
    kinds = watch.describe_alarms(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    assert kinds["CompositeAlarms"][0]["StateValue"] == "ALARM"
