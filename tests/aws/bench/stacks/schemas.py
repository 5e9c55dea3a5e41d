"""Check resources by the schemas of their types, those that cfn-lint carries, as the resource providers do."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.stacks.templates import invalid

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str, int, float, bool),
    "boolean": (bool, str),
    "array": (list,),
    "object": (dict, str),
    "integer": (int, str),
    "number": (int, float, str),
}
IAM_TYPES = {"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::User", "AWS::IAM::Group"}
IAM_NAMES = {"RoleName", "ManagedPolicyName", "UserName", "GroupName"}
# Attributes of the resource beside its properties (CloudFormation guide, "Resource attributes").
ATTRIBUTES = {
    "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata",
    "CreationPolicy", "UpdatePolicy",
}  # fmt: skip


@cache
def schema_of(region: str, kind: str) -> Document:
    """Return the schema of a type, or refuse a type that does not exist in the region."""
    # cfn-lint takes most of a second to import, which no test without a stack should wait for.
    missing = import_module("cfnlint.schema._exceptions").ResourceNotFoundError
    manager = import_module("cfnlint.schema.manager").PROVIDER_SCHEMA_MANAGER
    try:
        found: Document = manager.get_resource_schema(region, kind).schema
    except missing as error:
        raise invalid(f"Template format error: Unrecognized resource types: [{kind}]") from error
    return found


def replacing(region: str, kind: str) -> set[str]:
    """Return the properties whose change makes a new resource."""
    return {place.split("/")[2] for place in schema_of(region, kind).get("createOnlyProperties") or []}


def check_resources(region: str, template: Document) -> None:
    """Refuse types, properties and values that the providers would refuse."""
    for name, resource in template["Resources"].items():
        unknown = sorted(set(resource) - ATTRIBUTES)
        if unknown:
            raise invalid(f"Invalid template resource property {unknown} in {name}")
        schema = schema_of(region, resource.get("Type", ""))
        read_only = {place.split("/")[2] for place in schema.get("readOnlyProperties") or [] if place.count("/") == 2}
        given = resource.get("Properties", {})
        for member in read_only & set(given):
            raise invalid(f"Encountered unsupported property {member} in {name}")
        for problem in problems(given, schema, schema, ""):
            raise invalid(f"Resource {name} ({resource['Type']}): {problem}")


def is_function(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref", "Condition"))


def problems(value: Any, schema: Any, root: Document, path: str) -> Iterator[str]:
    """Yield what the schema forbids; what functions give is checked when they have given it."""
    if is_function(value) or not isinstance(schema, dict):
        return
    while "$ref" in schema:
        schema = resolved(root, schema["$ref"])
    kinds = schema.get("type", [])
    allowed = [TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind in TYPES]
    if allowed and not any(isinstance(value, each) for each in allowed):
        yield f"{path or '/'}: {value!r} is not of type {kinds}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    elif isinstance(value, dict) and ("properties" in schema or "patternProperties" in schema):
        yield from object_problems(value, schema, root, path)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from problems(each, schema.get("items"), root, f"{path}/{place}")


def object_problems(value: Document, schema: Document, root: Document, path: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name, each in value.items():
        if name in known:
            yield from problems(each, known[name], root, f"{path}/{name}")
        elif schema.get("additionalProperties") is False and "patternProperties" not in schema:
            yield f"Encountered unsupported property {path}/{name}".replace("property /", "property ")
    for name in schema.get("required") or []:
        if name not in value:
            yield f"required key [{path}/{name}] not found".replace("[/", "[")


def resolved(root: Document, reference: str) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def needed_capability(template: Document) -> str | None:
    """Return the capability that the template needs (API reference, CreateChangeSet, Capabilities)."""
    used = [resource for resource in template["Resources"].values() if resource.get("Type") in IAM_TYPES]
    if any(IAM_NAMES & set(resource.get("Properties", {})) for resource in used):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if used else None
