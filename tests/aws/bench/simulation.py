"""IAM's simulation: what the policies of a role allow, by actions and resources; conditions count as met.

The user of the bench may do everything but what the setting ``denied_actions`` names.
"""

import json
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from tests.aws.bench.account import role_of
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def policies_of(arn: str) -> list[Document]:
    """Return the inline and attached policies of a role."""
    role = role_of(arn)
    if role is None:
        raise AwsError("NoSuchEntity", f"The role {arn} cannot be found.", 404)
    texts = [*role.policies.values(), *(policy.document for policy in role.managed_policies.values())]
    return [json.loads(unquote(str(text))) for text in texts]


def decision(policies: list[Document], action: str, resource: str) -> str:
    """Return ``allowed``, ``explicitDeny`` or ``implicitDeny`` (IAM guide, "Policy evaluation logic")."""
    found = "implicitDeny"
    for policy in policies:
        for statement in listed(policy["Statement"]):
            if covers(statement, action, resource):
                if statement["Effect"] == "Deny":
                    return "explicitDeny"
                found = "allowed"
    return found


def covers(statement: Document, action: str, resource: str) -> bool:
    """Return whether a statement speaks of *action* on *resource*."""
    named = listed(statement.get("Action", statement.get("NotAction")))
    is_named = any(fnmatchcase(action.lower(), each.lower()) for each in named)
    places = listed(statement.get("Resource", statement.get("NotResource", "*")))
    is_there = any(fnmatchcase(resource, each) for each in places)
    return is_named == ("Action" in statement) and is_there == ("NotResource" not in statement)


def results(world: World, call: Call, policies: list[Document] | None) -> Document:
    """Return one result for each action and resource; *policies* None is the user, who may do everything."""
    made: list[Document] = []
    for action in call.params["ActionNames"]:
        for resource in call.params.get("ResourceArns", ["*"]):
            denied = any(fnmatchcase(action.lower(), each.lower()) for each in world.settings.denied_actions)
            told = "allowed" if policies is None else decision(policies, action, resource)
            made.append(
                {
                    "EvalActionName": action,
                    "EvalResourceName": resource,
                    "EvalDecision": "implicitDeny" if denied else told,
                    "MatchedStatements": [],
                    "MissingContextValues": [],
                }
            )
    return {"EvaluationResults": made, "IsTruncated": False}


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal(world: World, call: Call) -> Document:
    """A session cannot be simulated, only its role (API reference, SimulatePrincipalPolicy)."""
    arn = str(call.params["PolicySourceArn"])
    if ":assumed-role/" in arn:
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    is_user = arn.startswith(f"arn:aws:iam::{ACCOUNT}:user/") or arn.endswith(":root")
    return results(world, call, None if is_user else policies_of(arn))


@operation("iam", "SimulateCustomPolicy")
def simulate_custom(world: World, call: Call) -> Document:
    return results(world, call, [json.loads(text) for text in call.params["PolicyInputList"]])
