"""CloudFormation's operations on stacks: executing change sets, describing, deleting."""

from typing import Any

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError
from tests.aws.bench.operations import operation
from tests.aws.bench.stacks import kinds_access, kinds_flow, kinds_functions, kinds_storage
from tests.aws.bench.stacks.applying import ResourceError, Work
from tests.aws.bench.stacks.planning import UPDATABLE, resolved_outputs, scope_of, set_of, stack_of, template_text
from tests.aws.bench.stacks.schemas import needed_capability
from tests.aws.bench.stacks.templates import Scope, invalid, read_template
from tests.aws.bench.world import World, now

__all__ = ["kinds_access", "kinds_flow", "kinds_functions", "kinds_storage"]

FAILED = {"ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED"}


@operation("cloudformation", "ExecuteChangeSet")
def execute(world: World, call: Call) -> None:
    stack, made = set_of(world, call)
    if made["ExecutionStatus"] != "AVAILABLE":
        message = f"ChangeSet [{made['ChangeSetId']}] cannot be executed in its current status of [{made['Status']}]"
        raise AwsError("InvalidChangeSetStatus", message)
    made["ExecutionStatus"] = "EXECUTE_IN_PROGRESS"
    # Every other change set of the stack ends with the one that is executed (API reference, ExecuteChangeSet).
    stack["_sets"] = {}
    stack.update(Parameters=made["Parameters"], Capabilities=made["Capabilities"], Tags=made["Tags"])
    if made["_role"]:
        stack["RoleARN"] = made["_role"]
    stack["ChangeSetId"] = made["ChangeSetId"]
    role = made["_role"] or world.identities.role_of(call.key)
    work = Work(world=world, region=call.region, stack=stack, role=role)
    is_first = made["ChangeSetType"] == "CREATE"
    work.status("CREATE_IN_PROGRESS" if is_first else "UPDATE_IN_PROGRESS", "User Initiated")
    scope = scope_of(stack, call.region, read_template(made["_text"]), made["_parameters"])
    world.background(carry_out, work, scope, (made, is_first))


def carry_out(work: Work, scope: Scope, asked: tuple[Document, bool]) -> None:
    """Apply the change set; on a failure go back."""
    made, is_first = asked
    stack, world = work.stack, work.world
    world.pause(world.settings.step)
    try:
        work.apply(scope)
        outputs = resolved_outputs(scope)
    except (ResourceError, AwsError) as error:
        roll_back(work, str(error), is_first=is_first)
        return
    stack.update(_template_text=made["_text"], _parameters=made["_parameters"], Outputs=outputs)
    stack["LastUpdatedTime"] = now()
    if not is_first:
        work.status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    work.clean_up()
    work.status("CREATE_COMPLETE" if is_first else "UPDATE_COMPLETE")


def roll_back(work: Work, reason: str, *, is_first: bool) -> None:
    settings = work.world.settings
    if is_first:
        work.status("ROLLBACK_IN_PROGRESS", f"{reason}Rollback requested by user.")
        work.status("ROLLBACK_COMPLETE" if work.go_back() else "ROLLBACK_FAILED")
        return
    work.status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
    if settings.stack_rollback == "fails":
        settings.stack_rollback = ""
        work.stack["_work"] = work
        work.status("UPDATE_ROLLBACK_FAILED", "The bench was told that this rollback fails.")
        return
    finish_roll_back(work, ())


def finish_roll_back(work: Work, skipped: Any) -> None:
    is_whole = work.go_back(skipped)
    if not is_whole:
        work.stack["_work"] = work
    work.status("UPDATE_ROLLBACK_COMPLETE" if is_whole else "UPDATE_ROLLBACK_FAILED")


@operation("cloudformation", "ContinueUpdateRollback")
def continue_roll_back(world: World, call: Call) -> None:
    """Only a stack whose rollback failed can go on with it (API reference, ContinueUpdateRollback)."""
    stack = stack_of(world, call)
    if stack["StackStatus"] != "UPDATE_ROLLBACK_FAILED":
        raise invalid(f"Stack {stack['StackName']} is in {stack['StackStatus']} state and can not be rolled back.")
    work: Work = stack.pop("_work")
    work.status("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
    world.background(finish_roll_back, work, tuple(call.params.get("ResourcesToSkip", [])))


@operation("cloudformation", "DescribeStacks")
def describe_stacks(world: World, call: Call) -> Document:
    if "StackName" in call.params:
        return {"Stacks": [stack_of(world, call)]}
    stacks = world.table("cloudformation.stacks", call.region)
    return {"Stacks": [stack for name, stack in stacks.items() if stack["StackName"] == name]}


@operation("cloudformation", "ListStacks")
def list_stacks(world: World, call: Call) -> Document:
    wanted = call.params.get("StackStatusFilter")
    stacks = world.table("cloudformation.stacks", call.region).values()
    return {"StackSummaries": [each for each in stacks if wanted is None or each["StackStatus"] in wanted]}


@operation("cloudformation", "DescribeStackEvents")
def describe_events(world: World, call: Call) -> Document:
    return {"StackEvents": list(reversed(stack_of(world, call)["_events"]))}


def shown_resource(stack: Document, logical: str) -> Document:
    kept = stack["_resources"].get(logical)
    if kept is None:
        raise invalid(f"Resource {logical} does not exist for stack {stack['StackName']}")
    return {
        "StackName": stack["StackName"],
        "StackId": stack["StackId"],
        "LogicalResourceId": logical,
        "PhysicalResourceId": kept["physical"],
        "ResourceType": kept["kind"],
        "Timestamp": kept["moment"],
        "LastUpdatedTimestamp": kept["moment"],
        "ResourceStatus": "CREATE_COMPLETE",
    }


@operation("cloudformation", "DescribeStackResources")
def describe_resources(world: World, call: Call) -> Document:
    stack = stack_of(world, call)
    chosen = [call.params["LogicalResourceId"]] if "LogicalResourceId" in call.params else stack["_resources"]
    return {"StackResources": [shown_resource(stack, logical) for logical in chosen]}


@operation("cloudformation", "DescribeStackResource")
def describe_resource(world: World, call: Call) -> Document:
    return {"StackResourceDetail": shown_resource(stack_of(world, call), call.params["LogicalResourceId"])}


@operation("cloudformation", "ListStackResources")
def list_resources(world: World, call: Call) -> Document:
    stack = stack_of(world, call)
    return {"StackResourceSummaries": [shown_resource(stack, logical) for logical in stack["_resources"]]}


@operation("cloudformation", "GetTemplate")
def get_template(world: World, call: Call) -> Document:
    if "ChangeSetName" in call.params:
        text = set_of(world, call)[1]["_text"]
    else:
        text = stack_of(world, call)["_template_text"]
    return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}


@operation("cloudformation", "ValidateTemplate", is_locked=False)
def validate_template(world: World, call: Call) -> Document:
    template = read_template(template_text(world, call, None))
    needed = needed_capability(template)
    listed = [{"ParameterKey": name} for name in template.get("Parameters", {})]
    return {"Parameters": listed, "Capabilities": [needed] if needed else []}


@operation("cloudformation", "GetTemplateSummary", is_locked=False)
def summary(world: World, call: Call) -> Document:
    stack = stack_of(world, call) if "StackName" in call.params else None
    template = read_template(stack["_template_text"] if stack else template_text(world, call, None))
    needed = needed_capability(template)
    kinds = sorted({resource["Type"] for resource in template["Resources"].values()})
    return {"ResourceTypes": kinds, "Capabilities": [needed] if needed else []}


@operation("cloudformation", "UpdateTerminationProtection")
def protect(world: World, call: Call) -> Document:
    stack = stack_of(world, call)
    stack["EnableTerminationProtection"] = call.params["EnableTerminationProtection"]
    return {"StackId": stack["StackId"]}


@operation("cloudformation", "DeleteStack")
def delete_stack(world: World, call: Call) -> None:
    """Deleting a stack that is not there is no error (API reference, DeleteStack)."""
    stacks, name = world.table("cloudformation.stacks", call.region), str(call.params["StackName"])
    try:
        stack = stack_of(world, call, name)
    except AwsError:
        return
    if stack.get("EnableTerminationProtection"):
        raise invalid(f"Stack [{name}] cannot be deleted while TerminationProtection is enabled")
    if stack["StackStatus"] not in {*UPDATABLE, *FAILED, "REVIEW_IN_PROGRESS"}:
        raise invalid(f"Stack {name} is in {stack['StackStatus']} state and can not be deleted.")
    role = call.params.get("RoleARN") or stack.get("RoleARN") or world.identities.role_of(call.key)
    work = Work(world=world, region=call.region, stack=stack, role=role)
    work.status("DELETE_IN_PROGRESS", "User Initiated")
    world.background(take_down, work, stacks, tuple(call.params.get("RetainResources", [])))


def take_down(work: Work, stacks: dict[str, Document], retained: tuple[str, ...]) -> None:
    """Remove the resources, last made first; then the stack is known by its id alone."""
    stack, failed = work.stack, []
    work.world.pause(work.world.settings.step)
    for logical in reversed(list(stack["_resources"])):
        if logical in retained or work.remove(logical, stack["_resources"][logical]):
            del stack["_resources"][logical]
        else:
            failed.append(logical)
    if failed:
        work.status("DELETE_FAILED", f"The following resource(s) failed to delete: {failed}.")
        return
    work.status("DELETE_COMPLETE")
    with work.world.lock:
        stacks.pop(stack["StackName"], None)
        stacks[stack["StackId"]] = stack
