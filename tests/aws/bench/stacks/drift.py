"""Drift: what of a stack's resources was changed or deleted behind its back."""

import json
import uuid
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.call import Call, Document
from tests.aws.bench.operations import operation
from tests.aws.bench.stacks.applying import Work
from tests.aws.bench.stacks.kinds import KINDS, is_gone
from tests.aws.bench.stacks.kinds_flow import definition_of
from tests.aws.bench.stacks.planning import stack_of
from tests.aws.bench.world import World, now


@operation("cloudformation", "DetectStackDrift", is_locked=False)
def detect(world: World, call: Call) -> Document:
    stack = stack_of(world, call)
    role = world.identities.role_of(call.key)
    work = Work(world=world, region=call.region, stack=stack, role=role)
    found = [drift_of(work, logical, resource) for logical, resource in stack["_resources"].items()]
    stack["_drift"] = {
        "StackDriftDetectionId": str(uuid.uuid4()),
        "StackId": stack["StackId"],
        "DetectionStatus": "DETECTION_COMPLETE",
        "StackDriftStatus": "DRIFTED" if any(is_drifted(each) for each in found) else "IN_SYNC",
        "DriftedStackResourceCount": sum(is_drifted(each) for each in found),
        "Timestamp": now(),
        "_found": found,
    }
    stack["DriftInformation"] = {"StackDriftStatus": stack["_drift"]["StackDriftStatus"], "LastCheckTimestamp": now()}
    return {"StackDriftDetectionId": stack["_drift"]["StackDriftDetectionId"]}


def is_drifted(found: Document) -> bool:
    return found["StackResourceDriftStatus"] in {"MODIFIED", "DELETED"}


def drift_of(work: Work, logical: str, resource: Document) -> Document:
    """Compare what is with what the template says, as far as the type can be read."""
    shown: Document = {
        "StackId": work.stack["StackId"],
        "LogicalResourceId": logical,
        "PhysicalResourceId": resource["physical"],
        "ResourceType": resource["kind"],
        "Timestamp": now(),
        "ExpectedProperties": json.dumps(resource["properties"]),
        "PropertyDifferences": [],
    }
    read = KINDS[resource["kind"]].read
    if read is None:
        return shown | {"StackResourceDriftStatus": "NOT_CHECKED"}
    try:
        actual = read(work.place(logical), resource["physical"])
    except LookupError:
        return shown | {"StackResourceDriftStatus": "DELETED"}
    except ClientError as error:
        if not is_gone(error) and error.response["Error"]["Code"] != "404":
            raise
        return shown | {"StackResourceDriftStatus": "DELETED"}
    expected = dict(resource["properties"])
    if "DefinitionString" in actual:
        expected["DefinitionString"] = definition_of(expected)
    differences = [
        {
            "PropertyPath": f"/{name}",
            "ExpectedValue": as_text(expected[name]),
            "ActualValue": as_text(value),
            "DifferenceType": "NOT_EQUAL",
        }
        for name, value in actual.items()
        if name in expected and as_text(value) != as_text(expected[name])
    ]
    status = "MODIFIED" if differences else "IN_SYNC"
    return shown | {
        "StackResourceDriftStatus": status,
        "PropertyDifferences": differences,
        "ActualProperties": json.dumps(actual, default=str),
    }


def as_text(value: Any) -> str:
    """Return *value* so that 5 and "5" and 5.0 are the same, as they are in templates."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else str(value)


@operation("cloudformation", "DescribeStackDriftDetectionStatus")
def describe_detection(world: World, call: Call) -> Document:
    wanted = call.params["StackDriftDetectionId"]
    for stack in world.table("cloudformation.stacks", call.region).values():
        found: Document = stack.get("_drift", {})
        if found.get("StackDriftDetectionId") == wanted:
            return found
    return stack_of(world, call, wanted)


@operation("cloudformation", "DescribeStackResourceDrifts")
def describe_drifts(world: World, call: Call) -> Document:
    found = stack_of(world, call).get("_drift", {}).get("_found", [])
    wanted = call.params.get("StackResourceDriftStatusFilters")
    return {"StackResourceDrifts": [each for each in found if not wanted or each["StackResourceDriftStatus"] in wanted]}
