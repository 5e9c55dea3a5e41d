"""Event source mappings: what comes into a queue is handed to a function in batches."""

import json
import uuid
from typing import Any, cast

from moto.sqs.models import sqs_backends

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.functions import function_of, qualifier_of, wrong
from tests.aws.bench.invocations import routed, run
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now

LOOK = 0.02
SETTINGS = (
    "BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig", "FilterCriteria",
)  # fmt: skip


@operation("lambda", "CreateEventSourceMapping")
def create(world: World, call: Call) -> Document:
    """Refuse a queue whose messages would come back while the function still works (Lambda guide, "Using SQS")."""
    given, function = call.params, function_of(world, call)
    arn = str(given["EventSourceArn"])
    queue = queue_of(arn)
    if queue is None:
        raise wrong(
            f"Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue: {arn}"
        )
    timeout = function["versions"]["$LATEST"]["Timeout"]
    if int(queue.visibility_timeout) < timeout:
        raise wrong(
            f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than Function timeout: "
            f"{timeout} seconds"
        )
    if given.get("BatchSize", 10) > 10 and not given.get("MaximumBatchingWindowInSeconds"):
        raise wrong("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    name = str(uuid.uuid4())
    qualifier = qualifier_of(call)
    target = function["versions"]["$LATEST"]["FunctionArn"] + (f":{qualifier}" if qualifier else "")
    mapping: Document = {
        "UUID": name,
        "EventSourceArn": arn,
        "FunctionArn": target,
        "State": "Enabled" if given.get("Enabled", True) else "Disabled",
        "LastModified": now(),
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceMappingArn": call.arn(f"event-source-mapping:{name}"),
        "tags": given.get("Tags", {}),
        **{setting: given[setting] for setting in SETTINGS if setting in given},
    }
    world.table("lambda.mappings", call.region)[name] = mapping
    world.background(poll, world, call.region, mapping, (function, qualifier))
    return mapping


def queue_of(arn: str) -> Any | None:
    region, name = arn.split(":")[3], arn.rpartition(":")[2]
    return cast("Any", sqs_backends[ACCOUNT][region]).queues.get(name)


def mapping_of(world: World, call: Call) -> Document:
    found = world.table("lambda.mappings", call.region).get(call.params["UUID"])
    if found is None:
        raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    return found


@operation("lambda", "GetEventSourceMapping")
def get(world: World, call: Call) -> Document:
    return mapping_of(world, call)


@operation("lambda", "ListEventSourceMappings")
def list_mappings(world: World, call: Call) -> Document:
    source, name = call.params.get("EventSourceArn"), call.params.get("FunctionName")
    kept = world.table("lambda.mappings", call.region).values()
    chosen = [
        each
        for each in kept
        if source in {None, each["EventSourceArn"]} and (name is None or str(name) in each["FunctionArn"])
    ]
    return {"EventSourceMappings": chosen}


@operation("lambda", "UpdateEventSourceMapping")
def update(world: World, call: Call) -> Document:
    mapping = mapping_of(world, call)
    mapping.update({name: call.params[name] for name in SETTINGS if name in call.params})
    if "Enabled" in call.params:
        mapping["State"] = "Enabled" if call.params["Enabled"] else "Disabled"
    return mapping


@operation("lambda", "DeleteEventSourceMapping")
def delete(world: World, call: Call) -> Document:
    mapping = mapping_of(world, call)
    mapping["State"] = "Deleting"
    del world.table("lambda.mappings", call.region)[mapping["UUID"]]
    return mapping


def poll(world: World, region: str, mapping: Document, target: tuple[Document, str | None]) -> None:
    """Hand over batches until the mapping is deleted. Whether there is anything is seen without a call."""
    while mapping["State"] != "Deleting":
        world.pause(LOOK)
        queue = queue_of(mapping["EventSourceArn"])
        if mapping["State"] == "Enabled" and queue is not None and queue.approximate_number_of_messages > 0:
            world.pause(mapping["MaximumBatchingWindowInSeconds"] * world.settings.wait_factor)
            hand_over(world, region, mapping, target)


def hand_over(world: World, region: str, mapping: Document, target: tuple[Document, str | None]) -> None:
    """Receive, invoke, and delete what was done; what was not comes back when its visibility ends."""
    function, qualifier = target
    version = routed(function, qualifier)
    queues = world.client("sqs", region, version["Role"])
    url = queues.get_queue_url(QueueName=mapping["EventSourceArn"].rpartition(":")[2])["QueueUrl"]
    messages: list[Document] = []
    while len(messages) < mapping["BatchSize"]:
        count = min(10, mapping["BatchSize"] - len(messages))
        received = queues.receive_message(
            QueueUrl=url, MaxNumberOfMessages=count, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", [])
        messages += received
        if len(received) < count:
            break
    if not messages:
        return
    records = [record(mapping, region, message) for message in messages]
    try:
        answer = run(world, region, function, version, {"Records": records})
    except AwsError as error:
        answer = {"error": {"errorType": error.code}}
    failed = failures(mapping, answer, [message["MessageId"] for message in messages])
    for message in messages:
        if message["MessageId"] not in failed:
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def record(mapping: Document, region: str, message: Document) -> Document:
    """Return a message as the function sees it (Lambda guide, "Using Lambda with Amazon SQS")."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": message.get("MessageAttributes", {}),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping["EventSourceArn"],
        "awsRegion": region,
    }


def failures(mapping: Document, answer: Document, names: list[str]) -> set[str]:
    """Return the messages that come back: all after an error, else those that the function names, if it may."""
    if "error" in answer:
        return set(names)
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        return set()
    told = json.loads(answer["answer"]) or {}
    listed = [each.get("itemIdentifier") for each in told.get("batchItemFailures") or []]
    # A name that is not of this batch fails all of it (Lambda guide, "Success and failure conditions").
    return set(listed) if all(name in names for name in listed) else set(names)
