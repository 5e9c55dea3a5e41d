"""Invoke a function: at once, or later with two more attempts; by version, or by the weights of an alias."""

import base64
import json
import random
import uuid
from typing import Any

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError
from tests.aws.bench.functions import function_of, qualifier_of, version_of
from tests.aws.bench.operations import operation
from tests.aws.bench.sandboxes import KEPT, UNHANDLED
from tests.aws.bench.world import World

# 6 MB for a synchronous invocation, 1 MB for an asynchronous one (Lambda guide, "Lambda quotas").
SYNCHRONOUS_LIMIT = 6 * 1024 * 1024
ASYNCHRONOUS_LIMIT = 1024 * 1024
chance = random.Random(0)


def routed(function: Document, qualifier: str | None) -> Document:
    """Return the version that answers this time."""
    alias = function["aliases"].get(qualifier)
    if alias is not None:
        for version, weight in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).items():
            if chance.random() < weight:
                return version_of(function, version)
    return version_of(function, qualifier)


@operation("lambda", "Invoke", is_locked=False)
def invoke(world: World, call: Call) -> Document:
    function, kind = function_of(world, call), call.params.get("InvocationType", "RequestResponse")
    qualifier = qualifier_of(call)
    version = routed(function, qualifier)
    payload = call.body or b"{}"
    limit = SYNCHRONOUS_LIMIT if kind == "RequestResponse" else ASYNCHRONOUS_LIMIT
    if len(payload) > limit:
        raise AwsError("RequestTooLargeException", f"{len(payload)} byte payload is too large ({limit} bytes)", 413)
    try:
        event = json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", message) from error
    if version["State"] != "Active":
        raise AwsError(
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: "
            f"{version['State']}",
            409,
        )
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        world.background(attempts, world, call.region, function, (qualifier, event))
        return {"StatusCode": 202}
    return shown(version, run(world, call.region, function, version, event), call)


def shown(version: Document, told: Document, call: Call) -> Document:
    answer: Document = {"StatusCode": 200, "ExecutedVersion": version["Version"]}
    if "error" in told:
        answer |= {"FunctionError": UNHANDLED, "Payload": json.dumps(told["error"]).encode()}
    else:
        answer["Payload"] = told["answer"].encode()
    if call.params.get("LogType") == "Tail":
        answer["LogResult"] = base64.b64encode("\n".join(told["log"]).encode()[-4096:]).decode()
    return answer


def run(world: World, region: str, function: Document, version: Document, event: Any) -> Document:
    """Return what the runtime answers, beside the function's other invocations that are allowed at once."""
    with world.lock:
        going = function.get("going", 0)
        if going >= function.get("reserved", going + 1):
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
        function["going"] = going + 1
    try:
        sandbox = KEPT.take(world, region, version)
        seconds = float(version["Timeout"]) * world.settings.runtime_factor
        told = {"id": str(uuid.uuid4()), "arn": version["FunctionArn"], "event": event, "seconds": seconds}
        answer = sandbox.invoke(told, seconds)
        if answer.get("error", {}).get("errorType") == "Sandbox.Timedout":
            message = f"RequestId: {told['id']} Error: Task timed out after {version['Timeout']:.2f} seconds"
            answer["error"]["errorMessage"] = message
        if len(answer.get("answer", "")) > SYNCHRONOUS_LIMIT:
            message = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
            answer = {"error": {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}}
        answer["log"] = list(sandbox.log.lines)
        sandbox.log.flush()
        KEPT.give_back(version, sandbox)
    finally:
        with world.lock:
            function["going"] -= 1
    return answer


def attempts(world: World, region: str, function: Document, asked: tuple[str | None, Any]) -> None:
    """Invoke up to three times, then hand the event to the failure destination (Lambda guide, "Error handling")."""
    qualifier, event = asked
    settings = function.get("invoking", {})
    answer: Document = {}
    for attempt in range(1 + settings.get("MaximumRetryAttempts", 2)):
        if attempt:
            world.pause(world.settings.retry)
        try:
            answer = run(world, region, function, routed(function, qualifier), event)
        except AwsError as error:
            answer = {"error": {"errorType": error.code, "errorMessage": error.message}}
        if "error" not in answer:
            return
    latest = function["versions"]["$LATEST"]
    world.note("async-failed", function=latest["FunctionName"], event=event, error=answer["error"])
    place = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    place = place or latest.get("DeadLetterConfig", {}).get("TargetArn")
    if place:
        send_failed(world, region, latest["Role"], (place, event, answer["error"]))


def send_failed(world: World, region: str, role: str, told: tuple[str, Any, Document]) -> None:
    place, event, error = told
    text = json.dumps({"version": "1.0", "requestPayload": event, "responsePayload": error})
    if ":sqs:" in place:
        queues = world.client("sqs", region, role)
        url = queues.get_queue_url(QueueName=place.rpartition(":")[2])["QueueUrl"]
        queues.send_message(QueueUrl=url, MessageBody=text)
    else:
        world.client("sns", region, role).publish(TopicArn=place, Message=text)
