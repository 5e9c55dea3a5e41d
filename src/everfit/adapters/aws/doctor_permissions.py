"""Tries each permission of the table by IAM's own simulation: no call is made, and nothing costs anything.

The simulation knows the caller's policies and boundary; it does not know a bucket's policy, a key's policy or what an
endpoint of a VPC lets through (IAM User Guide, "Testing IAM policies with the IAM policy simulator").
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.doctor_words import Finding, Subject, looked
from everfit.adapters.aws.permission_words import Grant
from everfit.adapters.aws.permissions import Role, grants_of, role_name, scope_of
from everfit.domain.aws import partition_of

SAMPLE: Final = "everfit-doctor"
"""Stands for what is only known at run time."""


def examine_permissions(subject: Subject) -> Iterator[Finding]:
    """Yield, for the caller and for the role of the jobs, each call that is missing."""
    yield from _examined(subject, Role.CONTROLLER, "you", _principal(subject))
    given = subject.place.role
    partition = partition_of(subject.place.region)
    usual = f"arn:{partition}:iam::{subject.account}:role/{role_name(subject.place, Role.JOB)}"
    yield from _examined(subject, Role.JOB, "the role of the jobs", given or usual)


def _principal(subject: Subject) -> str:
    """Return whose policies are simulated: a session has those of its role."""
    parts = subject.caller.split(":")
    kind, _, rest = parts[5].partition("/")
    if kind != "assumed-role":
        return subject.caller
    name = rest.partition("/")[0]
    try:
        # The ARN of a session has no path, and that of a role may have one (IAM User Guide, "IAM identifiers").
        return str(subject.clients("iam").get_role(RoleName=name)["Role"]["Arn"])
    except ClientError:
        return f"arn:{parts[1]}:iam::{parts[4]}:role/{name}"


def _examined(subject: Subject, role: Role, who: str, principal: str) -> Iterator[Finding]:
    if principal.endswith(":root"):
        words = "you are the account's root user, who may do everything; use a role instead"
        yield Finding(name="permissions", is_well=None, words=words)
        return
    scope = scope_of(
        subject.project,
        subject.environment,
        subject.place,
        account=subject.account,
        partition=partition_of(subject.place.region),
    )
    count, missing = 0, f"what {who} may do cannot be simulated: there is no {principal}"
    for grant in grants_of(role, scope):
        found = looked(
            "permissions", f"what {principal} may do", partial(_one, subject, grant, who, principal), missing=missing
        )
        count += 1
        if found.is_well is not True:
            yield found
        if found.is_well is None or found.words == missing:
            return
    yield Finding(name="permissions", is_well=True, words=f"{count} groups of calls were tried for {who}")


def _one(subject: Subject, grant: Grant, who: str, principal: str) -> Finding:
    answer: dict[str, Any] = subject.clients("iam").simulate_principal_policy(**simulation(grant, principal))
    decisions: dict[str, set[str]] = {}
    for result in answer["EvaluationResults"]:
        decisions.setdefault(str(result["EvalActionName"]), set()).add(str(result["EvalDecision"]))
    # Each action is tried on each resource of its grant, and not every pair of them means something.
    refused = sorted(action for action, found in decisions.items() if "allowed" not in found)
    if refused:
        where = ", ".join(grant.resources)
        words = f"{who} may not call {', '.join(refused)} on {where}; it is needed so that {grant.why}"
        return Finding(name="permissions", is_well=False, words=words)
    return Finding(name="permissions", is_well=True, words=grant.why)


def simulation(grant: Grant, principal: str) -> dict[str, Any]:
    """Return the request SimulatePrincipalPolicy that tries a grant under its own conditions."""
    entries: Mapping[str, tuple[str, ...]] = {
        key: values for keys in grant.condition.values() for key, values in keys.items()
    }
    return {
        "PolicySourceArn": principal,
        "ActionNames": list(grant.actions),
        "ResourceArns": [each if each == "*" else each.replace("*", SAMPLE) for each in grant.resources],
        "ContextEntries": [
            {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [values[0].replace("*", SAMPLE)]}
            for key, values in entries.items()
        ],
    }
