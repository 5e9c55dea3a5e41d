"""Functions and what belongs to them in stacks."""

import io
import uuid
import zipfile
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.permissions import function_name
from tests.aws.bench.stacks.kinds import KINDS, Kind, Made, Place, chosen, tag_map

SETTINGS = (
    "Description", "Handler", "Role", "Environment", "Runtime", "VpcConfig", "TracingConfig", "DeadLetterConfig",
    "EphemeralStorage", "LoggingConfig", "Timeout", "MemorySize",
)  # fmt: skip


def settings_of(given: Document) -> Document:
    made = chosen(given, *SETTINGS)
    for name in ("Timeout", "MemorySize"):
        if name in made:
            made[name] = int(made[name])
    return made | ({"KMSKeyArn": given["KmsKeyArn"]} if "KmsKeyArn" in given else {})


def code_of(given: Document) -> Document:
    """Return the code; a text in the template is a file ``index.py`` (AWS::Lambda::Function Code, ZipFile)."""
    code = given["Code"]
    if "ZipFile" not in code:
        return chosen(code, "S3Bucket", "S3Key", "S3ObjectVersion")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), code["ZipFile"])
    return {"ZipFile": packed.getvalue()}


def wait_active(place: Place, name: str) -> str:
    """Wait as CloudFormation does until the function can be used; return its ARN."""
    functions = place.client("lambda")
    told: list[Document] = []

    def is_ready() -> bool:
        told[:] = [functions.get_function_configuration(FunctionName=name)]
        return bool(told[0]["State"] == "Active" and told[0]["LastUpdateStatus"] == "Successful")

    place.world.until(is_ready, lambda: 30)
    return str(told[0]["FunctionArn"])


def create_function(place: Place, given: Document) -> Made:
    functions, name = place.client("lambda"), str(given.get("FunctionName") or place.name(64))
    architectures = chosen(given, "Architectures")
    tags = tag_map(place.all_tags(given))
    functions.create_function(FunctionName=name, Code=code_of(given), Tags=tags, **architectures, **settings_of(given))
    reserve(functions, name, given)
    return name, {"Arn": wait_active(place, name)}


def reserve(functions: Any, name: str, given: Document) -> None:
    if "ReservedConcurrentExecutions" in given:
        count = int(given["ReservedConcurrentExecutions"])
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)


def update_function(place: Place, name: str, old: Document, new: Document) -> Made:
    functions = place.client("lambda")
    if old["Code"] != new["Code"]:
        functions.update_function_code(FunctionName=name, **code_of(new))
        wait_active(place, name)
    if settings_of(old) != settings_of(new):
        functions.update_function_configuration(FunctionName=name, **settings_of(new))
        wait_active(place, name)
    if old.get("ReservedConcurrentExecutions") != new.get("ReservedConcurrentExecutions"):
        if "ReservedConcurrentExecutions" not in new:
            functions.delete_function_concurrency(FunctionName=name)
        reserve(functions, name, new)
    return name, {"Arn": functions.get_function_configuration(FunctionName=name)["FunctionArn"]}


def delete_function(place: Place, name: str, given: Document) -> None:
    del given
    place.client("lambda").delete_function(FunctionName=name)


def read_function(place: Place, name: str) -> Document:
    shown = place.client("lambda").get_function_configuration(FunctionName=name)
    return chosen(shown, "Timeout", "MemorySize", "Handler", "Runtime", "Role", "Environment")


def create_permission(place: Place, given: Document) -> Made:
    statement = f"{place.stack}-{place.logical}-{uuid.uuid4().hex[:12].upper()}"[:100]
    wanted = chosen(given, "FunctionName", "Action", "Principal", "SourceArn", "SourceAccount")
    place.client("lambda").add_permission(StatementId=statement, **wanted)
    return statement, {"Id": statement}


def update_permission(place: Place, name: str, old: Document, new: Document) -> Made:
    del place, old, new
    return name, {"Id": name}


def delete_permission(place: Place, name: str, given: Document) -> None:
    place.client("lambda").remove_permission(FunctionName=given["FunctionName"], StatementId=name)


def mapping_settings(given: Document) -> Document:
    names = ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig", "FilterCriteria")
    made = chosen(given, *names)
    for name in ("BatchSize", "MaximumBatchingWindowInSeconds"):
        if name in made:
            made[name] = int(made[name])
    return made | ({"Enabled": given["Enabled"]} if "Enabled" in given else {})


def create_mapping(place: Place, given: Document) -> Made:
    made = place.client("lambda").create_event_source_mapping(
        FunctionName=given["FunctionName"], EventSourceArn=given["EventSourceArn"], **mapping_settings(given)
    )
    return made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": made["EventSourceMappingArn"]}


def update_mapping(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    made = place.client("lambda").update_event_source_mapping(UUID=name, **mapping_settings(new))
    return name, {"Id": name, "EventSourceMappingArn": made["EventSourceMappingArn"]}


def delete_mapping(place: Place, name: str, given: Document) -> None:
    del given
    place.client("lambda").delete_event_source_mapping(UUID=name)


def routing(given: Document) -> Document:
    """Return the weights as the API writes them."""
    weights = given.get("RoutingConfig", {}).get("AdditionalVersionWeights", [])
    return {"AdditionalVersionWeights": {each["FunctionVersion"]: float(each["FunctionWeight"]) for each in weights}}


def create_alias(place: Place, given: Document) -> Made:
    wanted = chosen(given, "FunctionName", "Name", "FunctionVersion", "Description")
    made = place.client("lambda").create_alias(RoutingConfig=routing(given), **wanted)
    return made["AliasArn"], {"AliasArn": made["AliasArn"]}


def update_alias(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    wanted = chosen(new, "FunctionName", "Name", "FunctionVersion", "Description")
    place.client("lambda").update_alias(RoutingConfig=routing(new), **wanted)
    return name, {"AliasArn": name}


def delete_alias(place: Place, name: str, given: Document) -> None:
    place.client("lambda").delete_alias(FunctionName=given["FunctionName"], Name=name.rpartition(":")[2])


def create_version(place: Place, given: Document) -> Made:
    made = place.client("lambda").publish_version(**chosen(given, "FunctionName", "Description", "CodeSha256"))
    return made["FunctionArn"], {"Version": made["Version"], "FunctionArn": made["FunctionArn"]}


def update_version(place: Place, name: str, old: Document, new: Document) -> Made:
    del place, old, new
    return name, {"Version": name.rpartition(":")[2], "FunctionArn": name}


def delete_version(place: Place, name: str, given: Document) -> None:
    del given
    function, qualifier = function_name(name)
    place.client("lambda").delete_function(FunctionName=function, Qualifier=qualifier)


def put_invoking(place: Place, given: Document) -> Made:
    wanted = chosen(given, "FunctionName", "Qualifier", "DestinationConfig")
    for name in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds"):
        if name in given:
            wanted[name] = int(given[name])
    place.client("lambda").put_function_event_invoke_config(**wanted)
    return f"{given['FunctionName']}-{given.get('Qualifier', '$LATEST')}", {}


def delete_invoking(place: Place, name: str, given: Document) -> None:
    del name
    place.client("lambda").delete_function_event_invoke_config(FunctionName=given["FunctionName"])


KINDS |= {
    "AWS::Lambda::Function": Kind(
        create=create_function, update=update_function, delete=delete_function, read=read_function
    ),
    "AWS::Lambda::Permission": Kind(create=create_permission, update=update_permission, delete=delete_permission),
    "AWS::Lambda::EventSourceMapping": Kind(create=create_mapping, update=update_mapping, delete=delete_mapping),
    "AWS::Lambda::Alias": Kind(create=create_alias, update=update_alias, delete=delete_alias),
    "AWS::Lambda::Version": Kind(create=create_version, update=update_version, delete=delete_version),
    "AWS::Lambda::EventInvokeConfig": Kind(
        create=put_invoking, update=lambda place, name, old, new: put_invoking(place, new), delete=delete_invoking
    ),
}
