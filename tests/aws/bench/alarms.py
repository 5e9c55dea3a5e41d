"""CloudWatch alarms that a test sets off: they tell their topics and the event bus. None evaluates its metric."""

import json
import re

from tests.aws.bench.call import Call, Document
from tests.aws.bench.control import command
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.events import emit
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now

ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
# "Valid values are 10, 20, 30, and any multiple of 60" (API reference, PutMetricAlarm).
SHORT_PERIODS = {10, 20, 30}
NAMES = re.compile(r'(ALARM|OK|INSUFFICIENT_DATA)\(\s*"?([^")]+)"?\s*\)')


def alarms(world: World, region: str) -> dict[str, Document]:
    return world.table("cloudwatch.alarms", region)


def keep(world: World, call: Call) -> None:
    """A changed alarm keeps its state (API reference, PutMetricAlarm); a new one has none yet."""
    given = call.params
    before = alarms(world, call.region).get(given["AlarmName"], {})
    state = before.get("StateValue", "INSUFFICIENT_DATA")
    kept = {name: value for name, value in given.items() if name != "Tags"}
    kept |= {
        "AlarmArn": call.arn(f"alarm:{given['AlarmName']}"),
        "StateValue": state,
        "StateReason": before.get("StateReason", "Unchecked: Initial alarm creation"),
        "StateUpdatedTimestamp": before.get("StateUpdatedTimestamp", now()),
        "AlarmConfigurationUpdatedTimestamp": now(),
        "_tags": before.get("_tags", given.get("Tags", [])),
    }
    for member in ACTIONS.values():
        kept.setdefault(member, [])
    kept.setdefault("ActionsEnabled", True)
    alarms(world, call.region)[given["AlarmName"]] = kept


@operation("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(world: World, call: Call) -> None:
    given = call.params
    period = given.get("Period", 60)
    if period not in SHORT_PERIODS and period % 60:
        raise AwsError("ValidationError", f"Metric period must be 10, 20, 30 or a multiple of 60, not {period}")
    if "MetricName" not in given and "Metrics" not in given:
        raise AwsError("MissingRequiredParameter", "Either MetricName or Metrics must be given.")
    keep(world, call)


@operation("cloudwatch", "PutCompositeAlarm")
def put_composite_alarm(world: World, call: Call) -> None:
    """Its rule names alarms that exist (API reference, PutCompositeAlarm)."""
    names = [name.rpartition(":alarm:")[2] for _, name in NAMES.findall(call.params["AlarmRule"])]
    missing = [name for name in names if name not in alarms(world, call.region)]
    if missing or not names:
        raise AwsError("ValidationError", f"AlarmRule must contain existing alarms; missing: {missing}")
    keep(world, call)


@operation("cloudwatch", "DescribeAlarms")
def describe_alarms(world: World, call: Call) -> Document:
    given = call.params
    names, prefix = given.get("AlarmNames"), given.get("AlarmNamePrefix", "")
    chosen = [
        alarm
        for name, alarm in sorted(alarms(world, call.region).items())
        if (names is None or name in names)
        and name.startswith(prefix)
        and given.get("StateValue") in {None, alarm["StateValue"]}
    ]
    kinds = given.get("AlarmTypes", ["MetricAlarm"])
    metric = [alarm for alarm in chosen if "AlarmRule" not in alarm and "MetricAlarm" in kinds]
    composite = [alarm for alarm in chosen if "AlarmRule" in alarm and "CompositeAlarm" in kinds]
    return {"MetricAlarms": metric, "CompositeAlarms": composite}


@operation("cloudwatch", "DeleteAlarms")
def delete_alarms(world: World, call: Call) -> None:
    for name in call.params["AlarmNames"]:
        alarms(world, call.region).pop(name, None)


@operation("cloudwatch", "EnableAlarmActions", "DisableAlarmActions")
def switch_actions(world: World, call: Call) -> None:
    for name in call.params["AlarmNames"]:
        if name in alarms(world, call.region):
            alarms(world, call.region)[name]["ActionsEnabled"] = call.operation == "EnableAlarmActions"


@operation("cloudwatch", "SetAlarmState")
def set_alarm_state(world: World, call: Call) -> None:
    name = call.params["AlarmName"]
    if name not in alarms(world, call.region):
        raise AwsError("ResourceNotFound", f"There is no alarm {name}", 404)
    change(world, call.region, name, call.params["StateValue"], call.params["StateReason"])


@command("alarm")
def set_off(world: World, given: Document) -> None:
    """Bring an alarm into a state, as its metric would."""
    region = given.get("region", "us-east-1")
    with world.lock:
        change(world, region, given["name"], given["state"], given.get("reason", "Threshold Crossed: 1 datapoint"))


def change(world: World, region: str, name: str, state: str, reason: str) -> None:
    """Change the state; actions run only when it changes (CloudWatch guide, "Alarm actions")."""
    alarm = alarms(world, region)[name]
    before = {"value": alarm["StateValue"], "reason": alarm["StateReason"], "timestamp": stamp(alarm)}
    if alarm["StateValue"] == state:
        return
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=now())
    tell_bus(world, region, alarm, before)
    if alarm["ActionsEnabled"]:
        for arn in alarm[ACTIONS[state]]:
            if ":sns:" in arn:
                world.background(tell_topic, world, region, arn, message(region, alarm, before))
    follow(world, region, name)


def stamp(alarm: Document) -> str:
    at = alarm["StateUpdatedTimestamp"]
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"


def tell_bus(world: World, region: str, alarm: Document, before: Document) -> None:
    """Send the event (CloudWatch guide, "Alarm events and EventBridge")."""
    detail: Document = {
        "alarmName": alarm["AlarmName"],
        "state": {"value": alarm["StateValue"], "reason": alarm["StateReason"], "timestamp": stamp(alarm)},
        "previousState": before,
        "configuration": {"description": alarm.get("AlarmDescription", "")},
    }
    if "AlarmRule" in alarm:
        detail["configuration"]["alarmRule"] = alarm["AlarmRule"]
    elif "MetricName" in alarm:
        dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
        metric = {"namespace": alarm.get("Namespace"), "name": alarm["MetricName"], "dimensions": dimensions}
        told = {"metric": metric, "period": alarm.get("Period", 60), "stat": alarm.get("Statistic", "Average")}
        detail["configuration"]["metrics"] = [{"id": "m1", "metricStat": told, "returnData": True}]
    emit(world, region, "aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm["AlarmArn"]])


def message(region: str, alarm: Document, before: Document) -> str:
    """Return what a topic is told (CloudWatch guide, "Using Amazon CloudWatch alarms")."""
    return json.dumps(
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmDescription": alarm.get("AlarmDescription"),
            "AWSAccountId": alarm["AlarmArn"].split(":")[4],
            "NewStateValue": alarm["StateValue"],
            "NewStateReason": alarm["StateReason"],
            "StateChangeTime": stamp(alarm),
            "Region": region,
            "AlarmArn": alarm["AlarmArn"],
            "OldStateValue": before["value"],
            "Trigger": {name: alarm.get(name) for name in ("MetricName", "Namespace", "Threshold", "Period")},
        }
    )


def tell_topic(world: World, region: str, arn: str, text: str) -> None:
    name = json.loads(text)
    subject = f'{name["NewStateValue"]}: "{name["AlarmName"]}" in {region}'[:100]
    world.client("sns", region).publish(TopicArn=arn, Message=text, Subject=subject)


def follow(world: World, region: str, name: str) -> None:
    """Bring the composite alarms that name this one into the state that their rule gives."""
    kept = alarms(world, region)
    for composite in [alarm for alarm in kept.values() if name in alarm.get("AlarmRule", "")]:
        state = "ALARM" if holds(composite["AlarmRule"], kept) else "OK"
        change(world, region, composite["AlarmName"], state, f"{name} changed")


def holds(rule: str, kept: dict[str, Document]) -> bool:
    """Return whether a rule of ALARM(…), OK(…), AND, OR, NOT and brackets is true."""

    def state_is(match: re.Match[str]) -> str:
        alarm = kept.get(match[2].rpartition(":alarm:")[2])
        return str(alarm is not None and alarm["StateValue"] == match[1])

    text = NAMES.sub(state_is, rule).replace("TRUE", "True").replace("FALSE", "False")
    for word in ("AND", "OR", "NOT"):
        text = re.sub(rf"\b{word}\b", word.lower(), text)
    if not re.fullmatch(r"(True|False|and|or|not|[\s()])+", text):
        raise AwsError("ValidationError", f"AlarmRule is not valid: {rule}")
    return bool(eval(text))  # noqa: S307 - nothing but True, False, and, or, not and brackets is left


@operation("cloudwatch", "TagResource", "UntagResource", "ListTagsForResource")
def alarm_tags(world: World, call: Call) -> Document:
    name = str(call.params["ResourceARN"]).rpartition(":alarm:")[2]
    alarm = alarms(world, call.region).get(name)
    if alarm is None:
        raise AwsError("ResourceNotFoundException", f"There is no alarm {name}", 404)
    given = call.params.get("Tags", [])
    dropped = {*call.params.get("TagKeys", []), *(tag["Key"] for tag in given)}
    alarm["_tags"] = [tag for tag in alarm["_tags"] if tag["Key"] not in dropped] + given
    return {"Tags": alarm["_tags"]}


def check_body(body: str) -> None:
    """Refuse what is no dashboard (CloudWatch API reference, "Dashboard body structure and syntax")."""
    try:
        widgets = json.loads(body)["widgets"]
        is_right = all(isinstance(widget["properties"], dict) for widget in widgets)
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("InvalidParameterInput", f"The dashboard body is not valid: {error}") from error
    if not is_right:
        raise AwsError("InvalidParameterInput", "The dashboard body is not valid: each widget needs properties")


@operation("cloudwatch", "PutDashboard")
def put_dashboard(world: World, call: Call) -> Document:
    name, body = call.params["DashboardName"], call.params["DashboardBody"]
    check_body(body)
    arn = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"
    world.table("cloudwatch.dashboards", "")[name] = {
        "DashboardName": name,
        "DashboardArn": arn,
        "DashboardBody": body,
        "LastModified": now(),
        "Size": len(body),
    }
    return {"DashboardValidationMessages": []}


@operation("cloudwatch", "GetDashboard")
def get_dashboard(world: World, call: Call) -> Document:
    kept = world.table("cloudwatch.dashboards", "").get(call.params["DashboardName"])
    if kept is None:
        raise AwsError("ResourceNotFound", f"Dashboard {call.params['DashboardName']} does not exist", 404)
    return kept


@operation("cloudwatch", "ListDashboards")
def list_dashboards(world: World, call: Call) -> Document:
    prefix = call.params.get("DashboardNamePrefix", "")
    kept = world.table("cloudwatch.dashboards", "").values()
    return {"DashboardEntries": [each for each in kept if each["DashboardName"].startswith(prefix)]}


@operation("cloudwatch", "DeleteDashboards")
def delete_dashboards(world: World, call: Call) -> None:
    for name in call.params["DashboardNames"]:
        world.table("cloudwatch.dashboards", "").pop(name, None)
