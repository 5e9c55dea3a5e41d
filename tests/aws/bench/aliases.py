"""Aliases with weights, permissions, concurrency and tags of Lambda functions."""

import json

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.functions import base_arn, function_of, qualifier_of, version_of, wrong
from tests.aws.bench.operations import operation
from tests.aws.bench.permissions import function_name
from tests.aws.bench.world import World


def alias_of(function: Document, name: str) -> Document:
    found = function["aliases"].get(name)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {name}", 404)
    alias: Document = found
    return alias


def check_weights(function: Document, alias: Document) -> None:
    """An alias may point to at most two versions, neither of them $LATEST (Lambda guide, "Weighted alias")."""
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    if len(weights) > 1:
        raise wrong("The number of entries in routing config must be at most 1.")
    if weights and (alias["FunctionVersion"] == "$LATEST" or alias["FunctionVersion"] in weights):
        raise wrong("$LATEST is not supported for an alias pointing to more than 1 version, and versions must differ.")
    for version, weight in weights.items():
        if not 0 <= weight <= 1:
            raise wrong(f"The weight {weight} is not between 0 and 1.")
        version_of(function, version)
    version_of(function, alias["FunctionVersion"])


@operation("lambda", "CreateAlias")
def create_alias(world: World, call: Call) -> Document:
    function, given = function_of(world, call), call.params
    if given["Name"] in function["aliases"]:
        raise AwsError("ResourceConflictException", f"Alias already exists: {given['Name']}", 409)
    alias = {
        "AliasArn": f"{base_arn(function['versions']['$LATEST'])}:{given['Name']}",
        "Name": given["Name"],
        "FunctionVersion": given["FunctionVersion"],
        "Description": given.get("Description", ""),
        "RoutingConfig": given.get("RoutingConfig", {}),
    }
    check_weights(function, alias)
    function["aliases"][given["Name"]] = revised(alias)
    return alias


def revised(alias: Document) -> Document:
    alias["_revision"] = int(alias.get("_revision", 0)) + 1
    alias["RevisionId"] = f"00000000-0000-4000-8000-{alias['_revision']:012d}"
    return alias


@operation("lambda", "UpdateAlias")
def update_alias(world: World, call: Call) -> Document:
    """What is not given stays; an empty routing takes the weights away (API reference, UpdateAlias)."""
    function, given = function_of(world, call), call.params
    alias = alias_of(function, given["Name"])
    if given.get("RevisionId") not in {None, alias["RevisionId"]}:
        message = "The Revision Id provided does not match the latest Revision Id."
        raise AwsError("PreconditionFailedException", message, 412)
    names = ("FunctionVersion", "Description", "RoutingConfig")
    changed = {**alias, **{name: given[name] for name in names if name in given}}
    check_weights(function, changed)
    alias.update(revised(changed))
    return alias


@operation("lambda", "GetAlias")
def get_alias(world: World, call: Call) -> Document:
    return alias_of(function_of(world, call), call.params["Name"])


@operation("lambda", "ListAliases")
def list_aliases(world: World, call: Call) -> Document:
    return {"Aliases": list(function_of(world, call)["aliases"].values())}


@operation("lambda", "DeleteAlias")
def delete_alias(world: World, call: Call) -> None:
    function_of(world, call)["aliases"].pop(call.params["Name"], None)


@operation("lambda", "AddPermission")
def add_permission(world: World, call: Call) -> Document:
    function, given = function_of(world, call), call.params
    qualifier = qualifier_of(call)
    version_of(function, qualifier)
    key = f"{qualifier or ''}/{given['StatementId']}"
    if key in function["policy"]:
        message = f"The statement id ({given['StatementId']}) provided already exists."
        raise AwsError("ResourceConflictException", message, 409)
    function["policy"][key] = {**given, "Qualifier": qualifier}
    return {"Statement": json.dumps(statement(function, function["policy"][key]))}


def statement(function: Document, given: Document) -> Document:
    """Return one statement of the function's own policy."""
    arn = base_arn(function["versions"]["$LATEST"])
    principal = given["Principal"]
    conditions: Document = {}
    if "SourceArn" in given:
        conditions["ArnLike"] = {"AWS:SourceArn": given["SourceArn"]}
    if "SourceAccount" in given:
        conditions["StringEquals"] = {"AWS:SourceAccount": given["SourceAccount"]}
    shown = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": {"Service": principal} if "." in principal else {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": given["Action"],
        "Resource": arn if given["Qualifier"] is None else f"{arn}:{given['Qualifier']}",
    }
    return shown | ({"Condition": conditions} if conditions else {})


@operation("lambda", "RemovePermission")
def remove_permission(world: World, call: Call) -> None:
    function = function_of(world, call)
    key = f"{qualifier_of(call) or ''}/{call.params['StatementId']}"
    if function["policy"].pop(key, None) is None:
        raise AwsError("ResourceNotFoundException", "No policy is associated with the given resource.", 404)


@operation("lambda", "GetPolicy")
def get_policy(world: World, call: Call) -> Document:
    function, qualifier = function_of(world, call), qualifier_of(call)
    chosen = [statement(function, each) for each in function["policy"].values() if each["Qualifier"] == qualifier]
    if not chosen:
        raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": chosen}
    return {"Policy": json.dumps(policy), "RevisionId": "00000000-0000-4000-8000-000000000001"}


@operation("lambda", "PutFunctionConcurrency")
def put_concurrency(world: World, call: Call) -> Document:
    function_of(world, call)["reserved"] = call.params["ReservedConcurrentExecutions"]
    return {"ReservedConcurrentExecutions": call.params["ReservedConcurrentExecutions"]}


@operation("lambda", "GetFunctionConcurrency")
def get_concurrency(world: World, call: Call) -> Document:
    function = function_of(world, call)
    return {"ReservedConcurrentExecutions": function["reserved"]} if "reserved" in function else {}


@operation("lambda", "DeleteFunctionConcurrency")
def delete_concurrency(world: World, call: Call) -> None:
    function_of(world, call).pop("reserved", None)


@operation("lambda", "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig")
def put_invoke_config(world: World, call: Call) -> Document:
    function = function_of(world, call)
    function["invoking"] = {name: value for name, value in call.params.items() if name != "FunctionName"}
    return {**function["invoking"], "FunctionArn": function["versions"]["$LATEST"]["FunctionArn"]}


@operation("lambda", "GetFunctionEventInvokeConfig")
def get_invoke_config(world: World, call: Call) -> Document:
    function = function_of(world, call)
    if "invoking" not in function:
        raise AwsError("ResourceNotFoundException", "The function has no EventInvokeConfig", 404)
    return {**function["invoking"], "FunctionArn": function["versions"]["$LATEST"]["FunctionArn"]}


@operation("lambda", "DeleteFunctionEventInvokeConfig")
def delete_invoke_config(world: World, call: Call) -> None:
    function_of(world, call).pop("invoking", None)


@operation("lambda", "TagResource", "UntagResource", "ListTags")
def tags(world: World, call: Call) -> Document | None:
    name, _ = function_name(str(call.params["Resource"]))
    function = world.table("lambda.functions", call.region).get(name)
    if function is None:
        mapping = world.table("lambda.mappings", call.region).get(str(call.params["Resource"]).rpartition(":")[2])
        if mapping is None:
            raise AwsError("ResourceNotFoundException", f"Function not found: {call.params['Resource']}", 404)
        function = mapping
    kept = function.setdefault("tags", {})
    kept.update(call.params.get("Tags", {}))
    for key in call.params.get("TagKeys", []):
        kept.pop(key, None)
    return {"Tags": kept} if call.operation == "ListTags" else None
