"""STS: who calls, and temporary keys that name their role."""

import json

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now


@operation("sts", "GetCallerIdentity")
def get_caller_identity(world: World, call: Call) -> Document:
    return {"UserId": call.key, "Account": ACCOUNT, "Arn": world.identities.caller_of(call.key)}


@operation("sts", "AssumeRole")
def assume_role(world: World, call: Call) -> Document:
    role = str(call.params["RoleArn"])
    name = call.params["RoleSessionName"]
    key = world.identities.key_of(role)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{name}"
    return {
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": "bench-bench-bench-bench",
            "SessionToken": json.dumps({"role": role}),
            "Expiration": now(),
        },
        "AssumedRoleUser": {"AssumedRoleId": f"{key}:{name}", "Arn": session},
    }
