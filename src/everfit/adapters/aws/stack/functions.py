"""The Lambda functions that do the work of a stack, their roles and their logs."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from everfit.adapters.aws.permissions import Role, function_name, policy, role_name, trust
from everfit.adapters.aws.project_bundle import variables_of
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.pieces import ACCOUNT, GetAtt, Ref, Resource, as_tree

RUNTIME: Final = "python3.12"
_LOG_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288)
"""What CloudWatch Logs knows (PutRetentionPolicy); its longest, 3653 days, stands for anything longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What a function may use: memory and disk in MB, time in seconds."""

    memory: int
    disk: int
    timeout: int


# A step packs models, for which Lambda's largest disk costs next to nothing. 15 minutes is Lambda's longest.
SIZES: Final = {
    Role.STEP: _Size(memory=1024, disk=10_240, timeout=900),
    Role.TRIGGER: _Size(memory=512, disk=2048, timeout=120),
    Role.TICK: _Size(memory=512, disk=2048, timeout=300),
    Role.EVENTS: _Size(memory=512, disk=512, timeout=120),
}


def functions(blueprint: Blueprint) -> dict[str, Resource]:
    """Return roles, functions and log groups."""
    made: dict[str, Resource] = {}
    for role in blueprint.roles:
        made |= _role(blueprint, role)
    for role in SIZES:
        made |= _function(blueprint, role)
    return made


def log_days(wanted: timedelta) -> int:
    """Return the shortest retention that CloudWatch Logs knows and that is not shorter than what is wanted."""
    return next((days for days in _LOG_DAYS if timedelta(days=days) >= wanted), 3653)


def log_group(blueprint: Blueprint, name: str) -> Resource:
    """Return a log group that keeps what is written to it for as long as the project says."""
    return Resource(
        type="AWS::Logs::LogGroup",
        properties={"LogGroupName": name, "RetentionInDays": log_days(blueprint.place.logs)},
    )


def _role(blueprint: Blueprint, role: Role) -> dict[str, Resource]:
    place = blueprint.place
    written = policy(role, blueprint.scope)
    # All inline policies of a role together have 10,240 characters at most, a managed one has 6,144 (IAM quotas).
    return {
        f"{role.value.title()}Role": Resource(
            type="AWS::IAM::Role",
            properties={
                "RoleName": role_name(place, role),
                "AssumeRolePolicyDocument": as_tree(trust(role, ACCOUNT)),
                "PermissionsBoundary": place.boundary,
                "Policies": [{"PolicyName": "everfit", "PolicyDocument": as_tree(written)}],
            },
        )
    }


def _function(blueprint: Blueprint, role: Role) -> dict[str, Resource]:
    place, size, name = blueprint.place, SIZES[role], role.value.title()
    return {
        f"{name}Logs": log_group(blueprint, f"/aws/lambda/{function_name(place, role)}"),
        f"{name}Function": Resource(
            type="AWS::Lambda::Function",
            properties={
                "FunctionName": function_name(place, role),
                "Runtime": RUNTIME,
                "Handler": blueprint.handlers[role],
                "Code": {"S3Bucket": place.bucket, "S3Key": blueprint.package},
                "Role": GetAtt(f"{name}Role"),
                "MemorySize": size.memory,
                "Timeout": size.timeout,
                "EphemeralStorage": {"Size": size.disk},
                "KmsKeyArn": place.key,
                "LoggingConfig": {"LogGroup": Ref(f"{name}Logs")},
                "DeadLetterConfig": {"TargetArn": GetAtt("DeadLetters")} if role is Role.EVENTS else None,
                "Environment": {"Variables": dict(variables_of(place))},
            },
        ),
    }
