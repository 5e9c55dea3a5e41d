"""EventBridge Scheduler: schedules that fire only when a test says so."""

import json
import uuid

from tests.aws.bench.account import need_role
from tests.aws.bench.call import Call, Document
from tests.aws.bench.control import command
from tests.aws.bench.delivery import deliver
from tests.aws.bench.errors import AwsError, invalid
from tests.aws.bench.operations import operation
from tests.aws.bench.schedule_words import check_schedule, check_zone
from tests.aws.bench.world import World, now

PRINCIPAL = "scheduler.amazonaws.com"


def name_of(call: Call) -> str:
    return f"{call.params.get('GroupName', 'default')}/{call.params['Name']}"


def schedule_of(world: World, call: Call) -> Document:
    found = world.table("scheduler.schedules", call.region).get(name_of(call))
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Schedule {call.params['Name']} does not exist.", 404)
    return found


def check(given: Document) -> None:
    """Refuse what the Scheduler refuses (API reference, CreateSchedule)."""
    check_schedule(given["ScheduleExpression"])
    if "ScheduleExpressionTimezone" in given:
        check_zone(given["ScheduleExpressionTimezone"])
    window = given["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise invalid("MaximumWindowInMinutes belongs to the mode FLEXIBLE, and only to it.")
    target = given["Target"]
    try:
        need_role(target["RoleArn"], PRINCIPAL)
    except AwsError as error:
        message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        raise invalid(message) from error
    if "Input" in target:
        try:
            json.loads(target["Input"])
        except ValueError as error:
            raise invalid("Invalid Target Input: it must be JSON.") from error


@operation("scheduler", "CreateSchedule", "UpdateSchedule")
def put(world: World, call: Call) -> Document:
    """An update replaces all that there was (API reference, UpdateSchedule)."""
    schedules, given = world.table("scheduler.schedules", call.region), call.params
    name = name_of(call)
    check(given)
    if call.operation == "CreateSchedule" and name in schedules:
        raise AwsError("ConflictException", f"Schedule {given['Name']} already exists.", 409)
    before = schedule_of(world, call) if call.operation == "UpdateSchedule" else {"CreationDate": now()}
    group, _, _ = name.partition("/")
    arn = call.arn(f"schedule/{name}")
    kept = {member: value for member, value in given.items() if member != "ClientToken"}
    defaults = {"State": "ENABLED", "ScheduleExpressionTimezone": "UTC", "GroupName": group}
    schedules[name] = {
        **defaults,
        **kept,
        "Arn": arn,
        "CreationDate": before["CreationDate"],
        "LastModificationDate": now(),
    }
    return {"ScheduleArn": arn}


@operation("scheduler", "GetSchedule")
def get(world: World, call: Call) -> Document:
    return schedule_of(world, call)


@operation("scheduler", "DeleteSchedule")
def delete(world: World, call: Call) -> None:
    schedule_of(world, call)
    del world.table("scheduler.schedules", call.region)[name_of(call)]


@operation("scheduler", "ListSchedules")
def list_schedules(world: World, call: Call) -> Document:
    prefix = call.params.get("NamePrefix", "")
    kept = world.table("scheduler.schedules", call.region).values()
    return {"Schedules": [each for each in kept if each["Name"].startswith(prefix)]}


@operation("scheduler", "TagResource", "UntagResource", "ListTagsForResource")
def schedule_tags(world: World, call: Call) -> Document:
    kept = world.table("scheduler.tags", call.region).setdefault(call.params["ResourceArn"], {})
    kept.update({tag["Key"]: tag["Value"] for tag in call.params.get("Tags", [])})
    for key in call.params.get("TagKeys", []):
        kept.pop(key, None)
    return {"Tags": [{"Key": key, "Value": value} for key, value in kept.items()]}


@command("fire")
def fire(world: World, given: Document) -> None:
    """Do what the Scheduler does when the time has come; a schedule that is switched off does nothing."""
    region = given.get("region", "us-east-1")
    found = [
        schedule
        for schedule in world.table("scheduler.schedules", region).values()
        if schedule["Name"] == given["name"]
    ]
    if not found:
        raise KeyError(f"There is no schedule {given['name']}")
    schedule = found[0]
    if schedule["State"] != "ENABLED":
        return
    moment = given.get("time") or now().strftime("%Y-%m-%dT%H:%M:%SZ")
    # Keywords of the input (Scheduler guide, "Adding context attributes").
    words = {
        "<aws.scheduler.schedule-arn>": schedule["Arn"],
        "<aws.scheduler.scheduled-time>": moment,
        "<aws.scheduler.execution-id>": uuid.uuid4().hex,
        "<aws.scheduler.attempt-number>": "1",
    }
    payload = str(schedule["Target"].get("Input", "{}"))
    for word, value in words.items():
        payload = payload.replace(word, value)
    deliver(world, region, schedule["Target"], payload, {"principal": PRINCIPAL, "arn": schedule["Arn"]})
