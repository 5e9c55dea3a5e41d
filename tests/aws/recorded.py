"""What recorded calls need of IAM, and whether a policy gives it: actions, resources and the conditions that we use.

What one call needs beside its own action is taken from AWS's words: roles are passed ("Granting a user permissions to
pass a role", IAM guide), tags given to a call that makes something are added (API references), a copy is also a read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

from tests.aws.bench.errors import ACCOUNT
from tests.aws.bench.resources import permission
from tests.aws.bench.simulation import listed

Document = dict[str, Any]
MEMBERS_OF_ROLES = ("RoleArn", "ExecutionRoleArn", "Role", "roleArn")
TAGGING = {"sagemaker": "sagemaker:AddTags", "lambda": "lambda:TagResource", "cloudwatch": "cloudwatch:TagResource"}
PASSED_TO = {"sagemaker": "sagemaker", "lambda": "lambda", "stepfunctions": "states", "scheduler": "scheduler"}
FREE = frozenset({"sts:GetCallerIdentity", "sqs:GetQueueUrl"})
"""The first needs no permission (API reference, GetCallerIdentity); the second is asked by the bench alone, which polls
a queue by its name where Lambda has its ARN."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that somebody must be allowed.

    Args:
        facts: condition key -> value, as IAM finds them.
    """

    action: str
    resource: str
    facts: Mapping[str, str]

    @property
    def words(self) -> str:
        """It in a line."""
        return f"{self.action} on {self.resource}" + (f" with {dict(self.facts)}" if self.facts else "")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One grant of a policy."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, Sequence[str]]]

    def allows(self, need: Need) -> bool:
        """Return whether the need is met."""
        return (
            need.action in self.actions
            and any(fnmatchcase(need.resource, each) for each in self.resources)
            and all(
                any(matches(operator, need.facts.get(key), each) for each in values)
                for operator, keys in self.condition.items()
                for key, values in keys.items()
            )
        )


def matches(operator: str, found: str | None, wanted: str) -> bool:
    """Return whether a condition holds; a key that the call does not have holds none."""
    if found is None:
        return False
    return {"StringEquals": found == wanted, "ArnEquals": fnmatchcase(found, wanted)}[operator]


def statements(policy: Mapping[str, Any]) -> list[Statement]:
    """Return the grants of a policy, in their order."""
    return [
        Statement(
            actions=tuple(listed(each["Action"])),
            resources=tuple(listed(each["Resource"])),
            condition={
                operator: {key: listed(value) for key, value in keys.items()}
                for operator, keys in each.get("Condition", {}).items()
            },
        )
        for each in listed(policy["Statement"])
    ]


class Needs:
    """Says what recorded calls need.

    Args:
        calls: all of them, since what was made by one tells the tags that the others find.
    """

    def __init__(self, calls: Sequence[Document]) -> None:
        self._calls = calls
        self._tags: dict[str, Mapping[str, str]] = {}
        self._mapped = ""
        for call in calls:
            tags = tags_of(call)
            if tags and not call["error"]:
                self._tags |= dict.fromkeys(permission(call)[1], tags)

    def by_role(self) -> dict[str, dict[Need, str]]:
        """Return what each role has needed, with an operation that needed it; the user of the test is left out."""
        found: dict[str, dict[Need, str]] = {}
        for call in self._calls:
            if call["role"] is not None:
                known = found.setdefault(call["role"].rpartition("/")[2], {})
                for need in self._of(call):
                    known.setdefault(need, f"{call['service']} {call['operation']}")
        return found

    def _of(self, call: Document) -> Iterator[Need]:
        action, resources = permission(call)
        if action in FREE:
            return
        tags = tags_of(call)
        for resource in resources:
            yield Need(action=action, resource=resource, facts=Facts(self._facts(call, resource)))
            if tags and call["service"] in TAGGING:
                yield Need(action=TAGGING[call["service"]], resource=resource, facts=Facts(in_request(tags)))
        yield from beside(call, resources)

    def _facts(self, call: Document, resource: str) -> dict[str, str]:
        facts = in_request(tags_of(call))
        facts |= {f"aws:ResourceTag/{key}": value for key, value in self._tags.get(resource, {}).items()}
        if "EventSourceArn" in call["params"]:
            self._mapped = f"arn:aws:lambda:{call['region']}:{ACCOUNT}:function:{call['params']['FunctionName']}"
        if call["operation"].endswith("EventSourceMapping"):
            facts["lambda:FunctionArn"] = self._mapped
        if "Namespace" in call["params"]:
            facts["cloudwatch:namespace"] = str(call["params"]["Namespace"])
        return facts


def beside(call: Document, resources: Sequence[str]) -> Iterator[Need]:
    """Yield what a call needs that is not named after it."""
    params = call["params"]
    for member in MEMBERS_OF_ROLES:
        role = str(params.get(member, ""))
        if ":role/" in role:
            service = f"{PASSED_TO[call['service']]}.amazonaws.com"
            yield Need(action="iam:PassRole", resource=role, facts=Facts({"iam:PassedToService": service}))
    if call["service"] == "s3" and call["status"] == 404 and "Key" in params:
        # Without it, what is not there is answered by 403 (API reference, GetObject and HeadObject).
        yield Need(action="s3:ListBucket", resource=f"arn:aws:s3:::{params['Bucket']}", facts=Facts({}))
    if any("VersionId" in each for each in params.get("Delete", {}).get("Objects", [])):
        yield from (Need(action="s3:DeleteObjectVersion", resource=each, facts=Facts({})) for each in resources)
    if "CopySource" in params:
        yield Need(action="s3:GetObject", resource=source_of(call), facts=Facts({}))


class Facts(dict[str, str]):
    """Facts that can be told apart from others in a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def tags_of(call: Document) -> Mapping[str, str]:
    """Return the tags that a call gives."""
    given: Any = call["params"].get("Tags", {})
    # Lambda takes an object, the others take pairs (API references).
    if not isinstance(given, list):
        return cast("Mapping[str, str]", given)
    return {each["Key"]: each["Value"] for each in cast("list[Mapping[str, str]]", given)}


def in_request(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def source_of(call: Document) -> str:
    source: Any = call["params"]["CopySource"]
    if isinstance(source, str):
        return f"arn:aws:s3:::{source.lstrip('/').partition('?')[0]}"
    return f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"


def refused(needs: Mapping[Need, str], granted: Sequence[Statement]) -> list[str]:
    """Return what a role has needed and is not granted."""
    return [
        f"{operation} needs {need.words}"
        for need, operation in needs.items()
        if not any(each.allows(need) for each in granted)
    ]


def unused(needs: Mapping[Need, str], granted: Sequence[Statement]) -> list[tuple[str, str]]:
    """Return each action that a role is granted and has not needed, with the first resource that it is granted on."""
    return [
        (action, each.resources[0])
        for each in granted
        for action in each.actions
        if not any(need.action == action and each.allows(need) for need in needs)
    ]


def policy_of(iam: Any, role: str) -> list[Statement]:
    """Return the grants of all inline policies that a role has."""
    found: list[Statement] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        found += statements(json.loads(document) if isinstance(document, str) else document)
    return found
