"""The bench's functions: zips executed as packed, with versions, weights, retries and queues."""

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, until

ECHO = """
import os
def handler(event, context):
    print("seen", event)
    return {"event": event, "colour": os.environ.get("COLOUR"), "name": context.function_name,
            "left": context.get_remaining_time_in_millis() > 0}
"""
ACCOUNT = "123456789012"


def packed(code: str, name: str = "h.py") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, code)
    return made.getvalue()


class Functions:
    """One function, its role, and its clients."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.client = bench, bench.client("lambda")
        self.role = bench.role("function", "lambda")

    def make(self, code: str, name: str = "step", **given: Any) -> str:
        made = self.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=self.role,
            Handler="h.handler",
            Code={"ZipFile": packed(code)},
            **{"Timeout": 10, **given},
        )
        self.wait(name)
        return str(made["FunctionArn"])

    def wait(self, name: str = "step") -> None:
        def is_ready() -> bool:
            shown = self.client.get_function_configuration(FunctionName=name)
            return bool(shown["State"] == "Active" and shown["LastUpdateStatus"] == "Successful")

        until(is_ready, "the function")

    def invoke(self, event: Any = None, name: str = "step", **given: Any) -> dict[str, Any]:
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event or {}), **given)
        return {**answer, "Payload": json.loads(answer["Payload"].read() or "null")}


@pytest.fixture
def functions(bench: Bench) -> Functions:
    return Functions(bench)


def test_a_function_runs_as_it_was_packed(functions: Functions) -> None:
    functions.make(ECHO, Environment={"Variables": {"COLOUR": "green"}})
    assert functions.invoke({"a": 1})["Payload"] == {
        "event": {"a": 1},
        "colour": "green",
        "name": "step",
        "left": True,
    }


def test_a_package_that_forgets_something_fails(functions: Functions) -> None:
    functions.make("import boto3, botocore\nimport click\ndef handler(e, c): return 1")
    answer = functions.invoke()
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == "Runtime.ImportModuleError"
    assert "click" in answer["Payload"]["errorMessage"]


def test_a_function_calls_as_its_role(functions: Functions) -> None:
    functions.make("import boto3\ndef handler(e, c): return boto3.client('sts').get_caller_identity()['Arn']")
    assert functions.invoke()["Payload"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/function/bench"
    assert functions.bench.calls("sts")[0]["role"] == functions.role


def test_errors_have_the_shape_of_lambda(functions: Functions) -> None:
    functions.make("def handler(e, c): raise KeyError('x')")
    payload = functions.invoke()["Payload"]
    assert (payload["errorType"], payload["errorMessage"]) == ("KeyError", "'x'")
    assert payload["stackTrace"]


def test_a_function_that_takes_too_long_is_ended(functions: Functions) -> None:
    functions.make("import time\ndef handler(e, c): time.sleep(60)", Timeout=1)
    functions.bench.set(runtime_factor=0.1)
    assert "Task timed out after 1.00 seconds" in functions.invoke()["Payload"]["errorMessage"]


def test_a_warm_sandbox_is_used_again_until_it_is_made_cold(functions: Functions) -> None:
    functions.make("import os\ndef handler(e, c): return os.getpid()")
    first = functions.invoke()["Payload"]
    assert functions.invoke()["Payload"] == first
    functions.bench.ask("cold")
    assert functions.invoke()["Payload"] != first


def test_an_alias_shares_its_calls_by_weight(functions: Functions) -> None:
    functions.make("def handler(e, c): return 1", Publish=True)
    functions.client.update_function_code(FunctionName="step", ZipFile=packed("def handler(e, c): return 2"))
    functions.wait()
    assert functions.client.publish_version(FunctionName="step")["Version"] == "2"
    assert functions.client.publish_version(FunctionName="step")["Version"] == "2"
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    functions.client.create_alias(FunctionName="step", Name="live", FunctionVersion="1", RoutingConfig=weights)
    answers = [functions.invoke(Qualifier="live") for _ in range(20)]
    assert {(answer["Payload"], answer["ExecutedVersion"]) for answer in answers} == {(1, "1"), (2, "2")}


def test_a_version_that_an_alias_uses_cannot_be_deleted(functions: Functions) -> None:
    functions.make("def handler(e, c): return 1", Publish=True)
    functions.client.create_alias(FunctionName="step", Name="live", FunctionVersion="1")
    with pytest.raises(ClientError, match="ResourceConflictException"):
        functions.client.delete_function(FunctionName="step", Qualifier="1")


def test_an_asynchronous_call_is_tried_three_times_and_then_noted(functions: Functions) -> None:
    functions.make("def handler(e, c): raise RuntimeError('no')")
    functions.client.invoke(FunctionName="step", InvocationType="Event", Payload=b"{}")
    note = until(lambda: functions.bench.notes("async-failed"), "the end of the attempts")[0]
    assert note["error"]["errorMessage"] == "no"


QUEUE = """
import json
def handler(event, context):
    bad = [r["messageId"] for r in event["Records"] if r["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in bad]}
"""


def test_messages_of_a_queue_are_handed_over_and_only_the_failed_come_back(functions: Functions) -> None:
    queues = functions.bench.client("sqs")
    url = queues.create_queue(QueueName="data", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    functions.make(QUEUE)
    functions.client.create_event_source_mapping(
        FunctionName="step",
        EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:data",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BatchSize=10,
    )
    queues.send_message_batch(
        QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate(["good", "bad", "good"])]
    )
    until(lambda: len(functions.bench.calls("sqs", "DeleteMessage")) == 2, "the deletion of what was done")
    left = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    assert left["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_a_queue_must_hide_messages_as_long_as_the_function_may_run(functions: Functions) -> None:
    functions.bench.client("sqs").create_queue(QueueName="data", Attributes={"VisibilityTimeout": "5"})
    functions.make(QUEUE)
    with pytest.raises(ClientError, match="is less than Function timeout"):
        functions.client.create_event_source_mapping(
            FunctionName="step", EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:data"
        )


def test_a_package_that_is_too_large_must_come_from_a_bucket(functions: Functions) -> None:
    functions.bench.set(package_limit=10)
    with pytest.raises(ClientError, match="Request must be smaller"):
        functions.make(ECHO)
    s3 = functions.bench.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="step.zip", Body=packed(ECHO))
    functions.client.create_function(
        FunctionName="step",
        Runtime="python3.11",
        Role=functions.role,
        Handler="h.handler",
        Code={"S3Bucket": "packages", "S3Key": "step.zip"},
    )
    functions.wait()
    assert functions.invoke({"x": 1})["Payload"]["event"] == {"x": 1}


REFUSED: dict[str, dict[str, Any]] = {
    "cannot be assumed by Lambda": {"Role": f"arn:aws:iam::{ACCOUNT}:role/nobody"},
    "Reserved keys": {"Environment": {"Variables": {"AWS_REGION": "eu-west-1"}}},
    "exceeded the 4KB limit": {"Environment": {"Variables": {"LONG": "x" * 5000}}},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_function_is_refused(functions: Functions, reason: str) -> None:
    given = {"Role": functions.role, **REFUSED[reason]}
    with pytest.raises(ClientError, match=reason):
        functions.client.create_function(
            FunctionName="step", Runtime="python3.11", Handler="h.handler", Code={"ZipFile": packed(ECHO)}, **given
        )


def test_a_change_must_end_before_the_next(functions: Functions) -> None:
    functions.make(ECHO)
    functions.bench.set(step=0.2)
    functions.client.update_function_configuration(FunctionName="step", Timeout=5)
    with pytest.raises(ClientError, match="An update is in progress"):
        functions.client.update_function_configuration(FunctionName="step", Timeout=6)


def test_a_reserved_concurrency_of_none_refuses_calls(functions: Functions) -> None:
    functions.make(ECHO)
    functions.client.put_function_concurrency(FunctionName="step", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        functions.invoke()
