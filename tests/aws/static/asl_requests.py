"""What is wrong with the service integrations of a state machine, by botocore's models of the services.

Sources: Step Functions Developer Guide, "Integrating optimized services" and "Learning to use AWS service SDK
integrations"; service names and casing as given there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.aws.static.shapes import actions, input_shape, services, value_problems

_INTEGRATION: Final = re.compile(
    r"arn:(?:aws[\w-]*|\$\{[^}]+\}):states:::(?P<sdk>aws-sdk:)?(?P<service>[\w-]+):(?P<action>\w+)"
    r"(?P<pattern>\.sync:2|\.sync|\.waitForTaskToken)?"
)
_DIRECT: Final = re.compile(r"arn:(?:aws[\w-]*|\$\{[^}]+\}):(?:lambda|states):[^:]*:[^:]*:(?:function|activity):\S+")
_SDK_NAMES: Final = {
    "sfn": "stepfunctions",
    "states": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "sagemakerruntime": "sagemaker-runtime",
}
OPTIMIZED: Final[Mapping[str, frozenset[str]]] = {
    "lambda": frozenset({"invoke"}),
    "sns": frozenset({"publish"}),
    "sqs": frozenset({"sendMessage"}),
    "events": frozenset({"putEvents"}),
    "states": frozenset({"startExecution"}),
    "dynamodb": frozenset({"getItem", "putItem", "deleteItem", "updateItem"}),
    "sagemaker": frozenset(
        {
            "createEndpoint",
            "createEndpointConfig",
            "createHyperParameterTuningJob",
            "createLabelingJob",
            "createModel",
            "createProcessingJob",
            "createTrainingJob",
            "createTransformJob",
            "updateEndpoint",
        }
    ),
}
"""The actions of the services that Everfit could need; what is missing here goes through ``aws-sdk``."""
_WAITS_FOR_END: Final = frozenset(
    {
        "createHyperParameterTuningJob",
        "createLabelingJob",
        "createProcessingJob",
        "createTrainingJob",
        "createTransformJob",
        "startExecution",
    }
)
WAITING: Final = re.compile(r"\.(?:sync|sync:2|waitForTaskToken)$")


def task_problems(state: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield what is wrong with the resource of a task and with what it is sent."""
    resource = str(state.get("Resource", ""))
    match = _INTEGRATION.fullmatch(resource)
    if match is None:
        if not _DIRECT.fullmatch(resource) and not re.fullmatch(r"\$\{[^}]+\}", resource):
            yield f"{place}: Resource {resource!r} is no function, no activity and no service integration"
        return
    service = _SDK_NAMES.get(match["service"], match["service"])
    if service not in services():
        yield f"{place}: there is no service {match['service']!r}"
        return
    operation = actions(service).get(match["action"].lower())
    if operation is None:
        yield f"{place}: {match['service']} has no action {match['action']!r}"
        return
    yield from _form_problems(state, match, place)
    shape, arguments = input_shape(service, operation), state.get("Parameters", state.get("Arguments", {}))
    if isinstance(arguments, dict) and shape is not None:
        yield from _parameter_problems(arguments, shape, f"{place}.{match['action']}")


def _form_problems(state: Mapping[str, Any], match: re.Match[str], place: str) -> Iterator[str]:
    """Yield what is wrong with the words of the resource."""
    service, action, pattern = match["service"], match["action"], match["pattern"] or ""
    if action[0].isupper():
        yield f"{place}: the action {action!r} must begin with a small letter"
    if match["sdk"] is None and action not in OPTIMIZED.get(service, frozenset()):
        yield f"{place}: {service}:{action} is no optimized integration; write aws-sdk:{service}:{action}"
    if pattern.startswith(".sync") and (match["sdk"] is not None or action not in _WAITS_FOR_END):
        yield f"{place}: {service}:{action} has no {pattern}"
    if pattern == ".waitForTaskToken" and "ask.Token" not in json.dumps(state):
        yield f"{place}: the token of .waitForTaskToken is never passed on"


def _is_computed(name: str, value: object) -> bool:
    is_expression = isinstance(value, str) and (value.startswith("{%") or re.search(r"\$\{[^}]+\}", value) is not None)
    return name.endswith(".$") or is_expression


def _parameter_problems(value: Any, shape: Any, place: str) -> Iterator[str]:
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            yield from _member_problems(value, shape, place)
        case "list" if isinstance(value, list):
            for index, each in enumerate(value):
                if not _is_computed("", each):
                    yield from _parameter_problems(each, shape.member, f"{place}[{index}]")
        case "integer" | "long" if isinstance(value, bool) or not isinstance(value, int):
            yield f"{place}: {value!r} is no whole number"
        case _:
            yield from value_problems(value, shape, place)


def _member_problems(value: Mapping[str, Any], shape: Any, place: str) -> Iterator[str]:
    known = {member.lower(): member for member in shape.members}
    given = set[str]()
    for name, each in value.items():
        plain = name.removesuffix(".$")
        member = known.get(plain.lower())
        if member is None:
            yield f"{place}.{plain}: there is no such parameter; there are {', '.join(list(shape.members)[:6])}…"
            continue
        given.add(member)
        if not _is_computed(name, each):
            yield from _parameter_problems(each, shape.members[member], f"{place}.{plain}")
    for member in shape.required_members:
        if member not in given and not shape.members[member].metadata.get("idempotencyToken"):
            yield f"{place}.{member}: it is required and missing"
