"""EventBridge: rules, targets, PutEvents, and the events that services send themselves."""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from tests.aws.bench.call import Call, Document
from tests.aws.bench.delivery import deliver
from tests.aws.bench.errors import ACCOUNT, AwsError, invalid
from tests.aws.bench.operations import operation
from tests.aws.bench.patterns import matches, read_pattern
from tests.aws.bench.schedule_words import check_rule_schedule
from tests.aws.bench.world import World, now

PRINCIPAL = "events.amazonaws.com"


def emit(world: World, region: str, source: str, kind: str, detail: Document, resources: Sequence[str] = ()) -> None:
    """Send an event to the default bus: as often, and in the order, that the settings say.

    Several events per change, in any order, are normal (FACTS §6).
    """
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": list(resources),
        "detail": json.loads(json.dumps(detail, default=str)),
    }
    held = world.table("events.held", region).setdefault("events", {"list": []})["list"]
    held.extend([event] * world.settings.duplicate_events)
    if len(held) < world.settings.reorder_events:
        return
    going = list(reversed(held)) if world.settings.reorder_events else list(held)
    held.clear()
    for each in going:
        world.note("event", event=each)
        route(world, region, each)


def route(world: World, region: str, event: Document) -> None:
    """Send *event* to the targets of every rule that it matches."""
    for rule in list(world.table("events.rules", region).values()):
        if rule["State"].startswith("ENABLED") and rule.get("pattern") and matches(rule["pattern"], event):
            source = {"principal": PRINCIPAL, "arn": rule["Arn"]}
            for target in list(rule["targets"].values()):
                deliver(world, region, target, payload_for(target, event), source)


def payload_for(target: Document, event: Document) -> str:
    """Return what the target is given: a fixed input, a part, a text made of parts, or all."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(at_path(event, target["InputPath"]))
    if "InputTransformer" in target:
        return transformed(target["InputTransformer"], event)
    return json.dumps(event)


def at_path(event: Any, path: str) -> Any:
    """Return the value at a path such as ``$.detail.bucket.name``; None when there is none."""
    found = event
    for name in path.removeprefix("$").strip(".").split("."):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def transformed(transformer: Document, event: Document) -> str:
    """Return the filled template (EventBridge user guide, "Amazon EventBridge input transformation").

    A placeholder inside quotes takes the bare text, one outside takes JSON.
    """
    text = str(transformer["InputTemplate"])
    for name, path in transformer.get("InputPathsMap", {}).items():
        value = at_path(event, path)
        text = text.replace(f'"<{name}>"', json.dumps(value if isinstance(value, str) else json.dumps(value)))
        inner = json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)
        is_json = text.lstrip().startswith(("{", "["))
        text = text.replace(
            f"<{name}>", f'"{inner}"' if is_json and isinstance(value, str) and not inside(text, name) else inner
        )
    return text.replace("<aws.events.event.json>", json.dumps(event))


def inside(text: str, name: str) -> bool:
    """Return whether the placeholder stands within a string of the template."""
    return text.partition(f"<{name}>")[0].replace('\\"', "").count('"') % 2 == 1


def rule_of(world: World, call: Call, name: str = "Name") -> Document:
    rule = world.table("events.rules", call.region).get(str(call.params[name]))
    if rule is None:
        raise AwsError("ResourceNotFoundException", f"Rule {call.params[name]} does not exist on EventBus default.")
    return rule


@operation("events", "PutRule")
def put_rule(world: World, call: Call) -> Document:
    given = call.params
    if not given.get("EventPattern") and not given.get("ScheduleExpression"):
        raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    rules = world.table("events.rules", call.region)
    rule = rules.get(given["Name"], {"targets": {}, "tags": given.get("Tags", [])})
    rule.update({name: value for name, value in given.items() if name != "Tags"})
    rule["pattern"] = read_pattern(given["EventPattern"]) if given.get("EventPattern") else None
    if given.get("ScheduleExpression"):
        check_rule_schedule(given["ScheduleExpression"])
    rule["State"] = given.get("State", "ENABLED")
    rule["Arn"] = call.arn(f"rule/{given['Name']}")
    rules[given["Name"]] = rule
    return {"RuleArn": rule["Arn"]}


@operation("events", "DescribeRule")
def describe_rule(world: World, call: Call) -> Document:
    return {**rule_of(world, call), "EventBusName": "default"}


@operation("events", "ListRules")
def list_rules(world: World, call: Call) -> Document:
    prefix = call.params.get("NamePrefix", "")
    rules = world.table("events.rules", call.region)
    return {"Rules": [rule for name, rule in sorted(rules.items()) if name.startswith(prefix)]}


@operation("events", "DeleteRule")
def delete_rule(world: World, call: Call) -> None:
    rules = world.table("events.rules", call.region)
    if rules.get(call.params["Name"], {}).get("targets"):
        raise invalid("Rule can't be deleted since it has targets.")
    rules.pop(call.params["Name"], None)


@operation("events", "EnableRule", "DisableRule")
def switch_rule(world: World, call: Call) -> None:
    rule_of(world, call)["State"] = "ENABLED" if call.operation == "EnableRule" else "DISABLED"


@operation("events", "PutTargets")
def put_targets(world: World, call: Call) -> Document:
    rule = rule_of(world, call, "Rule")
    for target in call.params["Targets"]:
        rule["targets"][target["Id"]] = target
    if len(rule["targets"]) > 5:
        raise AwsError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    return {"FailedEntryCount": 0, "FailedEntries": []}


@operation("events", "RemoveTargets")
def remove_targets(world: World, call: Call) -> Document:
    rule = rule_of(world, call, "Rule")
    for name in call.params["Ids"]:
        rule["targets"].pop(name, None)
    return {"FailedEntryCount": 0, "FailedEntries": []}


@operation("events", "ListTargetsByRule")
def list_targets(world: World, call: Call) -> Document:
    return {"Targets": list(rule_of(world, call, "Rule")["targets"].values())}


@operation("events", "ListRuleNamesByTarget")
def list_rules_by_target(world: World, call: Call) -> Document:
    arn = call.params["TargetArn"]
    rules = world.table("events.rules", call.region)
    return {
        "RuleNames": [name for name, rule in rules.items() if any(t["Arn"] == arn for t in rule["targets"].values())]
    }


@operation("events", "PutEvents")
def put_events(world: World, call: Call) -> Document:
    """Sources that begin with ``aws.`` belong to AWS (API reference, PutEvents: NotAuthorizedForSourceException)."""
    return {"FailedEntryCount": 0, "Entries": [put_event(world, call.region, entry) for entry in entries(call)]}


def entries(call: Call) -> Iterable[Document]:
    for entry in call.params["Entries"]:
        if str(entry.get("Source", "")).startswith("aws."):
            raise AwsError("NotAuthorizedForSourceException", "Not authorized for the source.")
        yield entry


def put_event(world: World, region: str, entry: Document) -> Document:
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    emit(world, region, entry["Source"], entry["DetailType"], detail, entry.get("Resources", []))
    return {"EventId": str(uuid.uuid4())}


@operation("events", "TestEventPattern")
def test_event_pattern(world: World, call: Call) -> Document:
    del world
    return {"Result": matches(read_pattern(call.params["EventPattern"]), json.loads(call.params["Event"]))}


@operation("events", "TagResource", "UntagResource", "ListTagsForResource")
def rule_tags(world: World, call: Call) -> Document:
    name = str(call.params["ResourceARN"]).rpartition("/")[2]
    rule = world.table("events.rules", call.region).get(name)
    if rule is None:
        raise AwsError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus default.")
    dropped = {*call.params.get("TagKeys", []), *(tag["Key"] for tag in call.params.get("Tags", []))}
    rule["tags"] = [tag for tag in rule["tags"] if tag["Key"] not in dropped] + call.params.get("Tags", [])
    return {"Tags": rule["tags"]}
