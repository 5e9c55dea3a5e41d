"""Lambda functions: their code, their settings, and how both change."""

import base64
import hashlib
import io
import json
import shutil
import uuid
import zipfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.account import role_of
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError
from tests.aws.bench.objects import refused
from tests.aws.bench.operations import operation
from tests.aws.bench.permissions import function_name
from tests.aws.bench.world import World, now

UNZIPPED_LIMIT = 262_144_000
VARIABLES_LIMIT = 4096
RESERVED = {
    "_HANDLER", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}  # fmt: skip
SETTINGS = (
    "Description", "Handler", "Role", "Timeout", "MemorySize", "Environment", "Runtime", "VpcConfig", "KMSKeyArn",
    "TracingConfig", "DeadLetterConfig", "EphemeralStorage", "LoggingConfig",
)  # fmt: skip


def wrong(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def function_of(world: World, call: Call) -> Document:
    """Return the function that *call* names by name or ARN."""
    name, _ = function_name(str(call.params["FunctionName"]))
    found = world.table("lambda.functions", call.region).get(name)
    if found is None:
        arn = call.arn(f"function:{name}")
        raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404)
    return found


def version_of(function: Document, qualifier: str | None) -> Document:
    """Return the settings of a version; an alias stands for its version."""
    name = qualifier or "$LATEST"
    alias = function["aliases"].get(name)
    found = function["versions"].get(alias["FunctionVersion"] if alias else name)
    if found is None:
        arn = f"{function['versions']['$LATEST']['FunctionArn']}:{name}"
        raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404)
    version: Document = found
    return version


def configuration(function: Document, qualifier: str | None = None) -> Document:
    """Return what Get- and UpdateFunctionConfiguration answer."""
    version = version_of(function, qualifier)
    arn = version["FunctionArn"] if qualifier is None else f"{base_arn(version)}:{qualifier}"
    return {**{name: value for name, value in version.items() if not name.startswith("_")}, "FunctionArn": arn}


def base_arn(version: Document) -> str:
    return ":".join(str(version["FunctionArn"]).split(":")[:7])


def code_of(world: World, call: Call, given: Document) -> Document:
    """Return folder, size and digest of the code, sent directly or through S3 (Lambda guide, "Lambda quotas")."""
    data: Any = given.get("ZipFile")
    if data is not None and len(data) > world.settings.package_limit:
        raise AwsError("RequestEntityTooLargeException", "Request must be smaller than 69905067 bytes", 413)
    if data is None:
        data = from_bucket(world, call, given)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > UNZIPPED_LIMIT:
                raise wrong(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")
            digest = hashlib.sha256(data)
            folder = unpacked(world, packed, digest.hexdigest()[:24])
    except zipfile.BadZipFile as error:
        raise wrong("Could not unzip uploaded file. Please check your file, then try to upload again.") from error
    return {"_code": str(folder), "CodeSize": len(data), "CodeSha256": base64.b64encode(digest.digest()).decode()}


def unpacked(world: World, packed: zipfile.ZipFile, name: str) -> Path:
    """Return the folder with the code, which the same code shares across resets: no function writes there on AWS."""
    folder = world.folder.parent / "functions" / name
    if not folder.exists():
        fresh = folder.with_name(f"{name}-{uuid.uuid4().hex}")
        packed.extractall(fresh)
        try:
            fresh.rename(folder)
        except OSError:  # Another call was first.
            shutil.rmtree(fresh)
    return folder


def from_bucket(world: World, call: Call, given: Document) -> bytes:
    """Read the zip with the rights of who calls (API reference, FunctionCode)."""
    place = {"Bucket": given.get("S3Bucket", ""), "Key": given.get("S3Key", "")}
    if given.get("S3ObjectVersion"):
        place["VersionId"] = given["S3ObjectVersion"]
    try:
        body: bytes = (
            world.client("s3", call.region, world.identities.role_of(call.key)).get_object(**place)["Body"].read()
        )
    except ClientError as error:
        told = refused(error)
        raise wrong(
            f"Error occurred while GetObject. S3 Error Code: {told.code}. S3 Error Message: {told.message}"
        ) from error
    return body


def check_settings(given: Document) -> None:
    """Refuse what Lambda refuses about roles and variables (Lambda guide, "Lambda quotas")."""
    if "Role" in given:
        role = role_of(given["Role"])
        if role is None or "lambda.amazonaws.com" not in str(role.assume_role_policy_document):
            raise wrong("The role defined for the function cannot be assumed by Lambda.")
    variables = given.get("Environment", {}).get("Variables", {})
    reserved = sorted(RESERVED & set(variables))
    if reserved:
        raise wrong(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}"
        )
    if len(json.dumps(variables)) > VARIABLES_LIMIT:
        raise wrong(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided exceeded the 4KB limit."
        )


@operation("lambda", "CreateFunction", is_locked=False)
def create(world: World, call: Call) -> Document:
    given, functions = call.params, world.table("lambda.functions", call.region)
    name = given["FunctionName"]
    arn = call.arn(f"function:{name}")
    if name in functions:
        raise AwsError("ResourceConflictException", f"Function already exist: {name}", 409)
    check_settings(given)
    if "Runtime" not in given or "Handler" not in given:
        raise wrong("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    latest: Document = {
        "FunctionName": name,
        "FunctionArn": arn,
        "Version": "$LATEST",
        "Timeout": 3,
        "MemorySize": 128,
        "PackageType": "Zip",
        "Architectures": given.get("Architectures", ["x86_64"]),
        "State": "Pending",
        "StateReasonCode": "Creating",
        "LastUpdateStatus": "Successful",
        **{setting: given[setting] for setting in SETTINGS if setting in given},
        **code_of(world, call, given["Code"]),
    }
    with world.lock:
        if name in functions:
            raise AwsError("ResourceConflictException", f"Function already exist: {name}", 409)
        functions[name] = {
            "versions": {"$LATEST": latest},
            "aliases": {},
            "policy": {},
            "tags": given.get("Tags", {}),
            "published": 0,
        }
        touch(latest)
    world.background(become_active, world, latest)
    function = functions[name]
    return publish(function, given.get("Description", "")) if given.get("Publish") else configuration(function)


def become_active(world: World, latest: Document) -> None:
    world.pause(world.settings.step)
    latest.update(State="Active", LastUpdateStatus="Successful")
    latest.pop("StateReasonCode", None)


def touch(latest: Document) -> None:
    """Give the latest version a new revision, and its sandboxes a new key."""
    latest["RevisionId"] = str(uuid.uuid4())
    latest["LastModified"] = now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    latest["_key"] = latest["RevisionId"]


def need_idle(function: Document, given: Document) -> Document:
    """Return the latest version; while it changes, nothing else can (Lambda guide, "Function states")."""
    latest: Document = function["versions"]["$LATEST"]
    if latest["State"] != "Active" or latest["LastUpdateStatus"] == "InProgress":
        raise AwsError(
            "ResourceConflictException",
            "The operation cannot be performed at this time. An update is in progress for resource: "
            f"{latest['FunctionArn']}",
            409,
        )
    if given.get("RevisionId") not in {None, latest["RevisionId"]}:
        message = "The RevisionId provided does not match the latest RevisionId. Call the GetFunction API."
        raise AwsError("PreconditionFailedException", message, 412)
    return latest


@operation("lambda", "UpdateFunctionCode", is_locked=False)
def update_code(world: World, call: Call) -> Document:
    function = function_of(world, call)
    need_idle(function, call.params)
    code = code_of(world, call, call.params)
    with world.lock:
        latest = need_idle(function, call.params)
        latest.update(code)
        latest["LastUpdateStatus"] = "InProgress"
        touch(latest)
    world.background(become_active, world, latest)
    return publish(function, "") if call.params.get("Publish") else configuration(function)


@operation("lambda", "UpdateFunctionConfiguration")
def update_configuration(world: World, call: Call) -> Document:
    function = function_of(world, call)
    latest = need_idle(function, call.params)
    check_settings(call.params)
    # The variables that are given replace all that there were (API reference, Environment).
    latest.update({name: call.params[name] for name in SETTINGS if name in call.params})
    latest["LastUpdateStatus"] = "InProgress"
    touch(latest)
    world.background(become_active, world, latest)
    return configuration(function)


def publish(function: Document, description: str) -> Document:
    """Return a new version, or the last one when nothing has changed since (API reference, PublishVersion)."""
    latest = function["versions"]["$LATEST"]
    last = function["versions"].get(str(function["published"]))
    if last is not None and last["_key"] == latest["_key"]:
        return configuration(function, last["Version"])
    function["published"] += 1
    number = str(function["published"])
    version = {**latest, "Version": number, "FunctionArn": f"{latest['FunctionArn']}:{number}"}
    version |= {"State": "Active", "LastUpdateStatus": "Successful"}
    function["versions"][number] = {**version, "Description": description} if description else version
    return configuration(function, number)


@operation("lambda", "PublishVersion")
def publish_version(world: World, call: Call) -> Document:
    function = function_of(world, call)
    latest = need_idle(function, call.params)
    if call.params.get("CodeSha256") not in {None, latest["CodeSha256"]}:
        raise wrong(f"CodeSHA256 ({call.params['CodeSha256']}) is different from current CodeSHA256 in $LATEST")
    return publish(function, call.params.get("Description", ""))


@operation("lambda", "GetFunction")
def get_function(world: World, call: Call) -> Document:
    function = function_of(world, call)
    answer: Document = {
        "Configuration": configuration(function, qualifier_of(call)),
        "Code": {"RepositoryType": "S3", "Location": f"{world.address}/code"},
        "Tags": function["tags"],
    }
    if "reserved" in function:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function["reserved"]}
    return answer


def qualifier_of(call: Call) -> str | None:
    return call.params.get("Qualifier") or function_name(str(call.params["FunctionName"]))[1]


@operation("lambda", "GetFunctionConfiguration")
def get_configuration(world: World, call: Call) -> Document:
    return configuration(function_of(world, call), qualifier_of(call))


@operation("lambda", "ListFunctions")
def list_functions(world: World, call: Call) -> Document:
    return {"Functions": [configuration(each) for each in world.table("lambda.functions", call.region).values()]}


@operation("lambda", "ListVersionsByFunction")
def list_versions(world: World, call: Call) -> Document:
    function = function_of(world, call)
    return {"Versions": [configuration(function, name if name != "$LATEST" else None) for name in function["versions"]]}


@operation("lambda", "DeleteFunction")
def delete(world: World, call: Call) -> Document:
    function, qualifier = function_of(world, call), qualifier_of(call)
    if qualifier is None:
        name = function["versions"]["$LATEST"]["FunctionName"]
        del world.table("lambda.functions", call.region)[name]
        return {"StatusCode": 204}
    users = [name for name, alias in function["aliases"].items() if qualifier in alias_versions(alias)]
    if users:
        message = f"Version {qualifier} is used by aliases {users} and cannot be deleted."
        raise AwsError("ResourceConflictException", message, 409)
    version_of(function, qualifier)
    del function["versions"][qualifier]
    return {"StatusCode": 204}


def alias_versions(alias: Document) -> set[str]:
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return {alias["FunctionVersion"], *weights}
