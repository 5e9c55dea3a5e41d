"""The bench's stacks: real resources, change sets that tell the truth, and ways back."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, until

ACCOUNT = "123456789012"


def trust(service: str) -> dict[str, Any]:
    principal = {"Service": f"{service}.amazonaws.com"}
    return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}


def template(timeout: int = 30, **more: Any) -> dict[str, Any]:
    """A function behind a queue behind a rule, a schedule, and what watches them."""
    function_arn = {"Fn::GetAtt": ["Step", "Arn"]}
    resources: dict[str, Any] = {
        "Data": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "Properties": {
                "BucketName": {"Fn::Sub": "everfit-${AWS::AccountId}-${Name}"},
                "VersioningConfiguration": {"Status": "Enabled"},
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
                "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Prefix": "runs/", "ExpirationInDays": 90}]},
            },
        },
        "StepRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trust("lambda"),
                "Policies": [
                    {
                        "PolicyName": "step",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": "s3:GetObject",
                                    "Resource": {"Fn::Sub": "${Data.Arn}/*"},
                                }
                            ],
                        },
                    }
                ],
            },
        },
        "Step": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["StepRole", "Arn"]},
                "Timeout": timeout,
                "Code": {"ZipFile": "def handler(event, context): return {'n': len(event.get('Records', []))}"},
                "Environment": {"Variables": {"BUCKET": {"Ref": "Data"}}},
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 120}},
        "Arrivals": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Step"},
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                "BatchSize": 10,
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {"source": ["aws.s3"]},
                "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
            },
        },
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "sqs:SendMessage",
                            "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                            "Principal": {"Service": "events.amazonaws.com"},
                        }
                    ]
                },
            },
        },
        "TickRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust("scheduler")}},
        "Tick": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "ScheduleExpression": "rate(1 minute)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": function_arn, "RoleArn": {"Fn::GetAtt": ["TickRole", "Arn"]}},
            },
        },
        "MachineRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust("states")}},
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": {"Fn::GetAtt": ["MachineRole", "Arn"]},
                "DefinitionString": json.dumps(
                    {
                        "QueryLanguage": "JSONata",
                        "StartAt": "Step",
                        "States": {
                            "Step": {
                                "Type": "Task",
                                "Resource": "arn:aws:states:::lambda:invoke",
                                "Arguments": {"FunctionName": "${Function}"},
                                "End": True,
                            }
                        },
                    }
                ),
                "DefinitionSubstitutions": {"Function": {"Ref": "Step"}},
            },
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
        "Failed": {
            "Type": "AWS::CloudWatch::Alarm",
            "Condition": "Watched",
            "Properties": {
                "Namespace": "AWS/States",
                "MetricName": "ExecutionsFailed",
                "Statistic": "Sum",
                "Period": 300,
                "EvaluationPeriods": 1,
                "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [{"Ref": "Topic"}],
            },
        },
        "Models": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": "churn"}},
        **more,
    }
    return {
        "Parameters": {"Name": {"Type": "String", "Default": "one"}},
        "Conditions": {"Watched": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}},
        "Resources": resources,
        "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}},
    }


class Stacks:
    """One stack and its clients."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.client, self.last = bench, bench.client("cloudformation"), 0

    def plan(self, made: dict[str, Any], kind: str = "UPDATE", **given: Any) -> dict[str, Any]:
        self.last += 1
        name = f"set-{self.last}"
        self.client.create_change_set(
            StackName="everfit",
            ChangeSetName=name,
            ChangeSetType=kind,
            TemplateBody=json.dumps(made),
            **{"Capabilities": ["CAPABILITY_IAM"], **given},
        )
        shown: dict[str, Any] = self.client.describe_change_set(StackName="everfit", ChangeSetName=name)
        return shown

    def apply(self, made: dict[str, Any], kind: str = "UPDATE", **given: Any) -> dict[str, Any]:
        plan = self.plan(made, kind, **given)
        self.client.execute_change_set(StackName="everfit", ChangeSetName=plan["ChangeSetName"])
        return self.end()

    def end(self) -> dict[str, Any]:
        def shown() -> dict[str, Any]:
            told: dict[str, Any] = self.client.describe_stacks(StackName="everfit")["Stacks"][0]
            return told

        until(lambda: not shown()["StackStatus"].endswith("_IN_PROGRESS"), "the end of the work")
        return shown()

    def physical(self, logical: str) -> str:
        told = self.client.describe_stack_resource(StackName="everfit", LogicalResourceId=logical)
        return str(told["StackResourceDetail"]["PhysicalResourceId"])

    def reasons(self) -> list[str]:
        events = self.client.describe_stack_events(StackName="everfit")["StackEvents"]
        return [event["ResourceStatusReason"] for event in events if "ResourceStatusReason" in event]


@pytest.fixture
def stacks(bench: Bench) -> Stacks:
    return Stacks(bench)


def actions(plan: dict[str, Any]) -> dict[str, str]:
    found = [each["ResourceChange"] for each in plan["Changes"]]
    return {each["LogicalResourceId"]: each["Action"] + each.get("Replacement", "") for each in found}


def test_a_stack_is_made_of_resources_that_work_together(stacks: Stacks) -> None:
    shown = stacks.apply(template(), "CREATE")
    assert shown["StackStatus"] == "CREATE_COMPLETE", stacks.reasons()
    machine = shown["Outputs"][0]["OutputValue"]
    states = stacks.bench.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    until(lambda: states.describe_execution(executionArn=execution)["status"] == "SUCCEEDED", "the execution")
    invoked = len(stacks.bench.calls("lambda", "Invoke"))
    assert invoked == 1
    bucket = stacks.physical("Data")
    assert bucket == f"everfit-{ACCOUNT}-one"
    stacks.bench.client("s3").put_object(Bucket=bucket, Key="in/a.csv", Body=b"1")
    until(lambda: stacks.bench.calls("sqs", "DeleteMessage"), "the message handed over and deleted")
    stacks.bench.fire(stacks.physical("Tick"))
    until(lambda: len(stacks.bench.calls("lambda", "Invoke")) > invoked, "the tick")
    assert stacks.bench.notes("undelivered") == []


def test_the_same_template_again_changes_nothing(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    plan = stacks.plan(template())
    assert (plan["Status"], plan["Changes"]) == ("FAILED", [])
    assert "didn't contain changes" in plan["StatusReason"]


def test_a_plan_tells_what_is_added_modified_replaced_and_removed(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    changed = template(60, Extra={"Type": "AWS::SNS::Topic", "Properties": {}})
    del changed["Resources"]["Logs"]
    changed["Resources"]["Models"]["Properties"]["ModelPackageGroupName"] = "churn-2"
    plan = stacks.plan(changed, IncludeNestedStacks=False)
    assert actions(plan) == {
        "Extra": "Add",
        "Step": "ModifyFalse",
        "Models": "ModifyTrue",
        "Logs": "Remove",
    }
    step = next(each["ResourceChange"] for each in plan["Changes"] if "Step" in each["ResourceChange"].values())
    assert step["Details"][0]["Target"]["Name"] == "Timeout"


def test_an_update_changes_in_place_and_replaces_what_must_be(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    before = stacks.physical("Step")
    changed = template(60)
    changed["Resources"]["Models"]["Properties"]["ModelPackageGroupName"] = "churn-2"
    assert stacks.apply(changed)["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons()
    assert stacks.physical("Step") == before
    shown = stacks.bench.client("lambda").get_function_configuration(FunctionName=before)
    assert shown["Timeout"] == 60
    groups = stacks.bench.client("sagemaker").list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == ["churn-2"]


def test_a_failure_while_creating_takes_everything_back(stacks: Stacks) -> None:
    stacks.bench.set(stack_failure="Machine")
    made = template()
    del made["Resources"]["Data"]["DeletionPolicy"]
    assert stacks.apply(made, "CREATE")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.bench.client("s3").list_buckets()["Buckets"] == []
    assert stacks.bench.client("lambda").list_functions()["Functions"] == []
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        stacks.plan(made)
    stacks.client.delete_stack(StackName="everfit")
    until(lambda: stacks.client.describe_stacks()["Stacks"] == [], "the deletion")


def test_a_failure_while_updating_brings_the_old_back(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    stacks.bench.set(stack_failure="Extra")
    extra = {"Type": "AWS::SNS::Topic", "DependsOn": "Step", "Properties": {}}
    assert stacks.apply(template(60, Extra=extra))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    shown = stacks.bench.client("lambda").get_function_configuration(FunctionName=stacks.physical("Step"))
    assert shown["Timeout"] == 30


def test_a_rollback_that_fails_can_be_continued(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    stacks.bench.set(stack_failure="Extra", stack_rollback="fails")
    extra = {"Type": "AWS::SNS::Topic", "DependsOn": "Step", "Properties": {}}
    assert stacks.apply(template(60, Extra=extra))["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    stacks.client.continue_update_rollback(StackName="everfit")
    assert stacks.end()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_deleting_keeps_what_is_retained(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    stacks.client.delete_stack(StackName="everfit")
    until(lambda: stacks.client.describe_stacks()["Stacks"] == [], "the deletion")
    assert [each["Name"] for each in stacks.bench.client("s3").list_buckets()["Buckets"]] == [f"everfit-{ACCOUNT}-one"]
    assert stacks.bench.client("lambda").list_functions()["Functions"] == []
    assert stacks.bench.client("events").list_rules()["Rules"] == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"Type": "AWS::Lambda::Functoin"}, "Unrecognized resource types"),
    "property": ({"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeot": 1}}, "unsupported property"),
    "inner property": (
        {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"State": "Enabled"}}},
        "unsupported property",
    ),
    "required": ({"Type": "AWS::SNS::Subscription", "Properties": {"Protocol": "sqs"}}, "required key"),
    "enum": (
        {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "On"}}},
        "is not one of",
    ),
    "reference": ({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Nobody"}}}, "Unresolved"),
    "attribute": (
        {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::GetAtt": ["Nobody", "Arn"]}}},
        "undefined resource",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_template_is_refused(stacks: Stacks, wrong: str) -> None:
    resource, message = WRONG[wrong]
    with pytest.raises(ClientError, match=message):
        stacks.plan(template(Wrong=resource), "CREATE")


def test_roles_need_a_capability(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_IAM\]"):
        stacks.plan(template(), "CREATE", Capabilities=[])


def test_what_is_changed_by_hand_is_drift(stacks: Stacks) -> None:
    stacks.apply(template(), "CREATE")
    stacks.bench.client("lambda").update_function_configuration(FunctionName=stacks.physical("Step"), Timeout=99)
    stacks.bench.client("cloudwatch").delete_alarms(AlarmNames=[stacks.physical("Failed")])
    asked = stacks.client.detect_stack_drift(StackName="everfit")["StackDriftDetectionId"]
    told = stacks.client.describe_stack_drift_detection_status(StackDriftDetectionId=asked)
    assert (told["StackDriftStatus"], told["DriftedStackResourceCount"]) == ("DRIFTED", 2)
    found = stacks.client.describe_stack_resource_drifts(
        StackName="everfit", StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
    )["StackResourceDrifts"]
    assert {each["LogicalResourceId"]: each["StackResourceDriftStatus"] for each in found} == {
        "Step": "MODIFIED",
        "Failed": "DELETED",
    }


def test_the_calls_of_a_stack_are_those_of_who_deploys(stacks: Stacks) -> None:
    deployer = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    stacks.client = stacks.bench.client("cloudformation", role=deployer)
    stacks.apply(template(), "CREATE")
    assert {call["role"] for call in stacks.bench.calls("iam", "CreateRole")} == {deployer}
