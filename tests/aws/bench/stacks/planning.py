"""Change sets: read a template, say what it would change, and remember it."""

import uuid

from botocore.exceptions import ClientError

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError
from tests.aws.bench.objects import refused, split
from tests.aws.bench.operations import operation
from tests.aws.bench.stacks.changes import changes
from tests.aws.bench.stacks.schemas import check_resources, needed_capability
from tests.aws.bench.stacks.templates import Scope, in_order, invalid, parameters_of, read_template
from tests.aws.bench.world import World, now

# "51,200 bytes" in the request, "1 MB" in a bucket (CloudFormation guide, "Quotas").
BODY_LIMIT = 51_200
OBJECT_LIMIT = 1_048_576
UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def stack_of(world: World, call: Call, name: str | None = None) -> Document:
    """Return the stack by name or id; one that was deleted only by its id."""
    wanted = name or str(call.params["StackName"])
    stacks = world.table("cloudformation.stacks", call.region)
    found = stacks.get(wanted) or next((each for each in stacks.values() if each["StackId"] == wanted), None)
    if found is None:
        raise invalid(f"Stack with id {wanted} does not exist")
    return found


def template_text(world: World, call: Call, stack: Document | None) -> str:
    given = call.params
    if given.get("UsePreviousTemplate") and stack is not None:
        return str(stack["_template_text"])
    if "TemplateBody" in given:
        if len(given["TemplateBody"].encode()) > BODY_LIMIT:
            raise invalid(f"Value at 'templateBody' failed to satisfy constraint: length at most {BODY_LIMIT}")
        return str(given["TemplateBody"])
    if "TemplateURL" not in given:
        raise invalid("Either Template URL or Template Body must be specified.")
    return from_bucket(world, call, str(given["TemplateURL"]))


def from_bucket(world: World, call: Call, url: str) -> str:
    """Read the template with the rights of who calls; the address is path style, virtual-hosted or the bench's own."""
    host, _, path = url.partition("://")[2].partition("/")
    bucket, key = (host.split(".s3")[0], path) if ".s3" in host else split(f"s3://{path}")
    role = world.identities.role_of(call.key)
    try:
        body = world.client("s3", call.region, role).get_object(Bucket=bucket, Key=key.partition("?")[0])["Body"].read()
    except ClientError as error:
        raise invalid(f"S3 error: {refused(error).message}") from error
    if len(body) > OBJECT_LIMIT:
        raise invalid("Template may not exceed 1 MB in size.")
    return str(body.decode())


def new_stack(call: Call, name: str) -> Document:
    return {
        "StackName": name,
        "StackId": call.arn(f"stack/{name}/{uuid.uuid4()}"),
        "CreationTime": now(),
        "StackStatus": "REVIEW_IN_PROGRESS",
        "_resources": {},
        "_events": [],
        "_parameters": {},
        "_template_text": "",
        "_sets": {},
    }


def scope_of(stack: Document, region: str, template: Document, parameters: dict[str, str]) -> Scope:
    return Scope(
        template=template,
        stack=stack["StackName"],
        stack_id=stack["StackId"],
        region=region,
        parameters=parameters,
        references={name: each["physical"] for name, each in stack["_resources"].items()},
        attributes={name: each["attributes"] for name, each in stack["_resources"].items()},
    )


@operation("cloudformation", "CreateChangeSet", is_locked=False)
def create_change_set(world: World, call: Call) -> Document:
    """Refuse what AWS refuses at once; what is wrong in the template is refused as well."""
    given, stacks = call.params, world.table("cloudformation.stacks", call.region)
    name, kind = given["StackName"], given.get("ChangeSetType", "UPDATE")
    stack = stacks.get(name)
    is_there = stack is not None and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
    if kind == "CREATE" and is_there:
        raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists and cannot be created again")
    if kind == "UPDATE" and not is_there:
        raise invalid(f"Stack [{name}] does not exist")
    if stack is not None and is_there and stack["StackStatus"] not in UPDATABLE:
        raise invalid(f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.")
    text = template_text(world, call, stack)
    template = read_template(text)
    needed = needed_capability(template)
    if needed and not {needed, "CAPABILITY_NAMED_IAM"} & set(given.get("Capabilities", [])):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
    check_resources(call.region, template)
    if stack is None:
        stack = stacks[name] = new_stack(call, name)
    if given["ChangeSetName"] in stack["_sets"]:
        raise AwsError("AlreadyExistsException", f"ChangeSet {given['ChangeSetName']} already exists")
    parameters = parameters_of(template, given.get("Parameters", []), stack["_parameters"])
    found = changes(stack["_resources"], scope_of(stack, call.region, template, parameters), in_order(template))
    tags = given.get("Tags", stack.get("Tags", []))
    is_empty = not found and tags == stack.get("Tags", []) and outputs_of(stack, call, template, parameters) is None
    made = {
        "ChangeSetName": given["ChangeSetName"],
        "ChangeSetId": call.arn(f"changeSet/{given['ChangeSetName']}/{uuid.uuid4()}"),
        "StackId": stack["StackId"],
        "StackName": name,
        "Description": given.get("Description"),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "CreationTime": now(),
        "Status": "FAILED" if is_empty else "CREATE_COMPLETE",
        "StatusReason": NO_CHANGES if is_empty else None,
        "ExecutionStatus": "UNAVAILABLE" if is_empty else "AVAILABLE",
        "Capabilities": given.get("Capabilities", []),
        "Tags": tags,
        "ChangeSetType": kind,
        "_changes": found,
        "_text": text,
        "_parameters": parameters,
        "_role": given.get("RoleARN") or stack.get("RoleARN"),
    }
    stack["_sets"][given["ChangeSetName"]] = made
    return {"Id": made["ChangeSetId"], "StackId": stack["StackId"]}


def outputs_of(stack: Document, call: Call, template: Document, parameters: dict[str, str]) -> list[Document] | None:
    """Return the outputs when they differ from those that the stack has."""
    shown = resolved_outputs(scope_of(stack, call.region, template, parameters))
    return None if shown == stack.get("Outputs", []) else shown


def resolved_outputs(scope: Scope) -> list[Document]:
    made: list[Document] = []
    for name, declared in scope.template.get("Outputs", {}).items():
        if scope.has(declared):
            shown = {"OutputKey": name, "OutputValue": str(scope.value(declared["Value"]))}
            made.append(shown | ({"Description": declared["Description"]} if "Description" in declared else {}))
    return made


def set_of(world: World, call: Call) -> tuple[Document, Document]:
    """Return the stack and the change set that *call* names, by names or by the id alone."""
    name = str(call.params["ChangeSetName"])
    stacks = world.table("cloudformation.stacks", call.region)
    chosen = [stack_of(world, call)] if "StackName" in call.params else list(stacks.values())
    for stack in chosen:
        for made in stack["_sets"].values():
            if name in {made["ChangeSetName"], made["ChangeSetId"]}:
                return stack, made
    raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)


@operation("cloudformation", "DescribeChangeSet")
def describe_change_set(world: World, call: Call) -> Document:
    _, made = set_of(world, call)
    with_values = bool(call.params.get("IncludePropertyValues"))
    shown = [change.shown(call.region, with_values=with_values) for change in made["_changes"]]
    return {**made, "Changes": shown}


@operation("cloudformation", "ListChangeSets")
def list_change_sets(world: World, call: Call) -> Document:
    return {"Summaries": list(stack_of(world, call)["_sets"].values())}


@operation("cloudformation", "DeleteChangeSet")
def delete_change_set(world: World, call: Call) -> None:
    stack, made = set_of(world, call)
    del stack["_sets"][made["ChangeSetName"]]
