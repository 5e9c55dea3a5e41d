"""Deliver to a target of EventBridge or of the Scheduler, with the permissions that AWS would look for."""

import json
import uuid
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.permissions import is_permitted
from tests.aws.bench.world import World


def deliver(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    """Send *payload* to *target* in the background; a target that cannot be reached leaves a note ``undelivered``.

    Args:
        source: who delivers: ``principal`` and ``arn``.
    """
    world.background(attempt, world, region, target, payload, source)


def attempt(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    arn = str(target["Arn"])
    try:
        SENDERS[arn.split(":")[2]](world, region, target, payload, source)
    except Exception as error:  # noqa: BLE001 - whatever it is, the service that delivers only counts it
        world.note("undelivered", target=arn, error=str(error), payload=payload, source=source["arn"])


def to_function(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    """EventBridge needs the function's own permission; the Scheduler a role (user guides, "Permissions")."""
    if source["principal"] == "events.amazonaws.com" and not is_permitted(world, region, target["Arn"], source):
        raise PermissionError(f"{source['arn']} may not invoke {target['Arn']}")
    role = target.get("RoleArn")
    world.client("lambda", region, role).invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=payload)


def to_state_machine(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    role = needed_role(target, source)
    states = world.client("stepfunctions", region, role)
    states.start_execution(stateMachineArn=target["Arn"], input=payload, name=str(uuid.uuid4()))


def to_queue(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    """A queue must let events.amazonaws.com send, by its own policy."""
    queue = world.client("sqs", region)
    name = target["Arn"].rpartition(":")[2]
    url = queue.get_queue_url(QueueName=name)["QueueUrl"]
    if source["principal"] == "events.amazonaws.com":
        policy = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        if source["principal"] not in policy.get("Policy", ""):
            raise PermissionError(f"{source['arn']} may not send to {target['Arn']}")
    given: dict[str, Any] = {"QueueUrl": url, "MessageBody": payload}
    if name.endswith(".fifo"):
        given["MessageGroupId"] = target["SqsParameters"]["MessageGroupId"]
        given["MessageDeduplicationId"] = str(uuid.uuid4())
    world.client("sqs", region, target.get("RoleArn")).send_message(**given)


def to_topic(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    del source
    world.client("sns", region).publish(TopicArn=target["Arn"], Message=payload)


def to_log(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    del source
    logs = world.client("logs", region)
    group = target["Arn"].partition("log-group:")[2].removesuffix(":*")
    stream = str(uuid.uuid4())
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    message = {"timestamp": int(json.loads(payload).get("bench-time", 0)), "message": payload}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[message])


def to_pipeline(world: World, region: str, target: Document, payload: str, source: Document) -> None:
    del payload
    role = needed_role(target, source)
    given = target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
    name = target["Arn"].rpartition("/")[2]
    world.client("sagemaker", region, role).start_pipeline_execution(
        PipelineName=name, PipelineParameters=given, ClientRequestToken=uuid.uuid4().hex
    )


def needed_role(target: Document, source: Document) -> str:
    role = target.get("RoleArn")
    if not role:
        raise PermissionError(f"{source['arn']} names no role for {target['Arn']}")
    return str(role)


SENDERS = {
    "lambda": to_function,
    "states": to_state_machine,
    "sqs": to_queue,
    "sns": to_topic,
    "logs": to_log,
    "sagemaker": to_pipeline,
}
