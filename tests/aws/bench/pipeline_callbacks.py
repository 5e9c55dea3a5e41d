"""Callback steps: a message with a token goes to a queue, and the step waits until somebody answers the token.

What is sent and when is that of the SageMaker guide, "Callback step", and of the API reference,
SendPipelineExecutionStepSuccess and StopPipelineExecution.
"""

import json
import secrets
import string
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError, invalid
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World

LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True, kw_only=True)
class Callback:
    """A step that waits for an answer.

    Args:
        outputs: those that the step declares.
    """

    execution: str
    outputs: list[str]
    given: Document = field(default_factory=dict[str, Any])
    failure: str | None = None
    is_answered: Event = field(default_factory=Event)


def ask(
    world: World, region: str, role: str, step: Document, arguments: Document, execution: str
) -> tuple[str, Callback]:
    """Send the message of a step; return its token and what will be answered."""
    token = "".join(secrets.choice(LETTERS) for _ in range(10))
    outputs = [str(each["OutputName"]) for each in step.get("OutputParameters", [])]
    callback = Callback(execution=execution, outputs=outputs)
    world.table("sagemaker.callbacks", region)[token] = {"_callback": callback}
    tell(world, region, role, step, {"token": token, "arguments": arguments, "pipelineExecutionArn": execution})
    return token, callback


def tell(world: World, region: str, role: str, step: Document, message: Document, status: str = "Executing") -> None:
    """Send a message about a step to its queue, in the role of the pipeline."""
    body = json.dumps({**message, "status": status})
    world.client("sqs", region, role).send_message(QueueUrl=step["SqsQueueUrl"], MessageBody=body)


def callback_of(world: World, call: Call) -> Callback:
    token = str(call.params["CallbackToken"])
    found = world.table("sagemaker.callbacks", call.region).get(token)
    if found is None:
        raise AwsError("ResourceNotFound", f"Callback token {token} does not exist.")
    callback: Callback = found["_callback"]
    if callback.is_answered.is_set():
        raise invalid(f"The callback step of token {token} is not executing any more.")
    return callback


@operation("sagemaker", "SendPipelineExecutionStepSuccess")
def succeed(world: World, call: Call) -> Document:
    callback = callback_of(world, call)
    given = {str(each["Name"]): str(each["Value"]) for each in call.params.get("OutputParameters", [])}
    unknown = sorted(set(given) - set(callback.outputs))
    if unknown:
        raise invalid(f"The step declares no output parameters {unknown}.")
    callback.given = given
    callback.is_answered.set()
    return {"PipelineExecutionArn": callback.execution}


@operation("sagemaker", "SendPipelineExecutionStepFailure")
def fail(world: World, call: Call) -> Document:
    callback = callback_of(world, call)
    callback.failure = str(call.params.get("FailureReason", ""))
    callback.is_answered.set()
    return {"PipelineExecutionArn": callback.execution}
