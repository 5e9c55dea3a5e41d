"""Rules, schedules, state machines, alarms, dashboards and SageMaker's lasting resources in stacks."""

import json
import re
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.errors import ACCOUNT
from tests.aws.bench.stacks.kinds import KINDS, Kind, Made, Place, chosen


def rule_made(place: Place, name: str) -> Made:
    return name, {"Arn": f"arn:aws:events:{place.region}:{ACCOUNT}:rule/{name}"}


def create_rule(place: Place, given: Document) -> Made:
    return put_rule(place, str(given.get("Name") or place.name(64)), {}, given)


def put_rule(place: Place, name: str, old: Document, new: Document) -> Made:
    events = place.client("events")
    wanted = chosen(new, "ScheduleExpression", "State", "Description", "RoleArn")
    if "EventPattern" in new:
        pattern = new["EventPattern"]
        wanted["EventPattern"] = pattern if isinstance(pattern, str) else json.dumps(pattern)
    events.put_rule(Name=name, **wanted)
    targets = new.get("Targets", [])
    left = {target["Id"] for target in old.get("Targets", [])} - {target["Id"] for target in targets}
    if left:
        events.remove_targets(Rule=name, Ids=sorted(left))
    if targets:
        events.put_targets(Rule=name, Targets=[with_numbers(target) for target in targets])
    return rule_made(place, name)


def with_numbers(value: Any) -> Any:
    """Return *value* with whole numbers where a template may have them as texts."""
    names = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds", "MaximumWindowInMinutes"}
    if isinstance(value, dict):
        return {name: int(each) if name in names else with_numbers(each) for name, each in value.items()}
    return [with_numbers(each) for each in value] if isinstance(value, list) else value


def delete_rule(place: Place, name: str, given: Document) -> None:
    events = place.client("events")
    targets = [target["Id"] for target in given.get("Targets", [])]
    if targets:
        events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


def read_rule(place: Place, name: str) -> Document:
    shown = place.client("events").describe_rule(Name=name)
    found = chosen(shown, "State", "ScheduleExpression")
    return found | ({"EventPattern": json.loads(shown["EventPattern"])} if "EventPattern" in shown else {})


SCHEDULE = (
    "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State", "Target", "Description",
    "GroupName", "StartDate", "EndDate", "KmsKeyArn",
)  # fmt: skip


def create_schedule(place: Place, given: Document) -> Made:
    name = str(given.get("Name") or place.name(64))
    made = place.client("scheduler").create_schedule(Name=name, **with_numbers(chosen(given, *SCHEDULE)))
    return name, {"Arn": made["ScheduleArn"]}


def update_schedule(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    made = place.client("scheduler").update_schedule(Name=name, **with_numbers(chosen(new, *SCHEDULE)))
    return name, {"Arn": made["ScheduleArn"]}


def delete_schedule(place: Place, name: str, given: Document) -> None:
    place.client("scheduler").delete_schedule(Name=name, **chosen(given, "GroupName"))


def read_schedule(place: Place, name: str) -> Document:
    shown = place.client("scheduler").get_schedule(Name=name)
    return chosen(shown, "ScheduleExpression", "ScheduleExpressionTimezone", "State")


def definition_of(given: Document) -> str:
    """Return the definition with its substitutions (AWS::StepFunctions::StateMachine, DefinitionSubstitutions)."""
    text = given.get("DefinitionString") or json.dumps(given["Definition"])
    for name, value in given.get("DefinitionSubstitutions", {}).items():
        text = re.sub(r"\$\{" + re.escape(name) + r"\}", lambda _, value=value: str(value), text)
    return str(text)


def small(value: Any) -> Any:
    """Return *value* with names as Step Functions writes them."""
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: small(each) for name, each in value.items()}
    return [small(each) for each in value] if isinstance(value, list) else value


def machine_settings(given: Document) -> Document:
    made: Document = {"definition": definition_of(given), "roleArn": given["RoleArn"]}
    for name in ("LoggingConfiguration", "TracingConfiguration"):
        if name in given:
            made[name[0].lower() + name[1:]] = small(given[name])
    return made


def create_machine(place: Place, given: Document) -> Made:
    name = str(given.get("StateMachineName") or place.name(80))
    states = place.client("stepfunctions")
    kind = {"type": given["StateMachineType"]} if "StateMachineType" in given else {}
    tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in place.all_tags(given)]
    arn = str(states.create_state_machine(name=name, tags=tags, **kind, **machine_settings(given))["stateMachineArn"])
    return arn, {"Arn": arn, "Name": name}


def update_machine(place: Place, arn: str, old: Document, new: Document) -> Made:
    del old
    place.client("stepfunctions").update_state_machine(stateMachineArn=arn, **machine_settings(new))
    return arn, {"Arn": arn, "Name": arn.rpartition(":")[2]}


def delete_machine(place: Place, arn: str, given: Document) -> None:
    del given
    place.client("stepfunctions").delete_state_machine(stateMachineArn=arn)


def read_machine(place: Place, arn: str) -> Document:
    shown = place.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    return {"DefinitionString": shown["definition"], "RoleArn": shown["roleArn"]}


WHOLE = ("Period", "EvaluationPeriods", "DatapointsToAlarm", "ActionsSuppressorWaitPeriod")


def alarm_settings(given: Document) -> Document:
    made = {name: value for name, value in given.items() if name not in {"AlarmName", "Tags"}}
    made |= {name: int(made[name]) for name in WHOLE if name in made}
    return made | ({"Threshold": float(made["Threshold"])} if "Threshold" in made else {})


def create_alarm(place: Place, given: Document) -> Made:
    return put_alarm(place, str(given.get("AlarmName") or place.name(255)), {}, given)


def put_alarm(place: Place, name: str, old: Document, new: Document) -> Made:
    watch, tags = place.client("cloudwatch"), {"Tags": place.all_tags(new)} if not old else {}
    put = watch.put_composite_alarm if "AlarmRule" in new else watch.put_metric_alarm
    put(AlarmName=name, **alarm_settings(new), **tags)
    return name, {"Arn": f"arn:aws:cloudwatch:{place.region}:{ACCOUNT}:alarm:{name}"}


def delete_alarm(place: Place, name: str, given: Document) -> None:
    del given
    place.client("cloudwatch").delete_alarms(AlarmNames=[name])


def read_alarm(place: Place, name: str) -> Document:
    kinds = ["MetricAlarm", "CompositeAlarm"]
    told = place.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=kinds)
    found = [*told["MetricAlarms"], *told["CompositeAlarms"]]
    if not found:
        raise LookupError(name)
    return chosen(found[0], "Threshold", "Period", "ComparisonOperator", "MetricName", "Namespace", "AlarmRule")


def create_dashboard(place: Place, given: Document) -> Made:
    return put_dashboard(place, str(given.get("DashboardName") or place.name(255)), {}, given)


def put_dashboard(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    place.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=new["DashboardBody"])
    return name, {}


def delete_dashboard(place: Place, name: str, given: Document) -> None:
    del given
    place.client("cloudwatch").delete_dashboards(DashboardNames=[name])


def create_group(place: Place, given: Document) -> Made:
    name = str(given["ModelPackageGroupName"])
    wanted = chosen(given, "ModelPackageGroupDescription")
    made = place.client("sagemaker").create_model_package_group(
        ModelPackageGroupName=name, Tags=place.all_tags(given), **wanted
    )
    arn = made["ModelPackageGroupArn"]
    return arn, {"ModelPackageGroupArn": arn, "ModelPackageGroupStatus": "Completed"}


def update_group(place: Place, arn: str, old: Document, new: Document) -> Made:
    del place, old, new
    return arn, {"ModelPackageGroupArn": arn, "ModelPackageGroupStatus": "Completed"}


def delete_group(place: Place, arn: str, given: Document) -> None:
    del arn
    place.client("sagemaker").delete_model_package_group(ModelPackageGroupName=given["ModelPackageGroupName"])


def pipeline_settings(given: Document) -> Document:
    body = given["PipelineDefinition"]["PipelineDefinitionBody"]
    made = {"PipelineDefinition": body, "RoleArn": given["RoleArn"]}
    return made | chosen(given, "PipelineDisplayName", "PipelineDescription")


def create_pipeline(place: Place, given: Document) -> Made:
    name = str(given["PipelineName"])
    token = {"ClientRequestToken": place.name(64).ljust(32, "0")}
    place.client("sagemaker").create_pipeline(
        PipelineName=name, Tags=place.all_tags(given), **token, **pipeline_settings(given)
    )
    return name, {}


def update_pipeline(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    place.client("sagemaker").update_pipeline(PipelineName=name, **pipeline_settings(new))
    return name, {}


def delete_pipeline(place: Place, name: str, given: Document) -> None:
    del given
    token = place.name(64).ljust(32, "0")
    place.client("sagemaker").delete_pipeline(PipelineName=name, ClientRequestToken=token)


KINDS |= {
    "AWS::Events::Rule": Kind(create=create_rule, update=put_rule, delete=delete_rule, read=read_rule),
    "AWS::Scheduler::Schedule": Kind(
        create=create_schedule, update=update_schedule, delete=delete_schedule, read=read_schedule
    ),
    "AWS::StepFunctions::StateMachine": Kind(
        create=create_machine, update=update_machine, delete=delete_machine, read=read_machine
    ),
    "AWS::CloudWatch::Alarm": Kind(create=create_alarm, update=put_alarm, delete=delete_alarm, read=read_alarm),
    "AWS::CloudWatch::CompositeAlarm": Kind(
        create=create_alarm, update=put_alarm, delete=delete_alarm, read=read_alarm
    ),
    "AWS::CloudWatch::Dashboard": Kind(create=create_dashboard, update=put_dashboard, delete=delete_dashboard),
    "AWS::SageMaker::ModelPackageGroup": Kind(create=create_group, update=update_group, delete=delete_group),
    "AWS::SageMaker::Pipeline": Kind(create=create_pipeline, update=update_pipeline, delete=delete_pipeline),
}
