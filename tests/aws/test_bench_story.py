"""The whole loop on the bench by plain boto3: data, training, gate, package, approval, canary, alarm, rollback."""

import json
from typing import Any

import pytest

from tests.aws.bench.client import Bench, until
from tests.aws.test_bench_endpoints import CANARY, Place
from tests.aws.test_bench_functions import Functions
from tests.aws.test_bench_jobs import SCIKIT, code_at

ACCOUNT = "123456789012"
GATE = """
import boto3
def handler(event, context):
    job = boto3.client("sagemaker").describe_training_job(TrainingJobName=event["job"])
    if job["TrainingJobStatus"] != "Completed":
        return {"answer": "waits" if job["TrainingJobStatus"] == "InProgress" else "bad"}
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"][5:].partition("/")
    size = boto3.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    return {"answer": "good" if size else "bad", "artifact": f"s3://{bucket}/{key}"}
"""
DEPLOY = """
import boto3, json, os
def handler(event, context):
    detail, sagemaker = event["detail"], boto3.client("sagemaker")
    if detail["ModelApprovalStatus"] != "Approved":
        return "skipped"
    name = f"{detail['ModelPackageGroupName']}-v{detail['ModelPackageVersion']}"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=os.environ["ROLE_ARN"],
                           PrimaryContainer={"ModelPackageName": detail["ModelPackageArn"]})
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    plan = json.loads(os.environ["PLAN"])
    sagemaker.update_endpoint(EndpointName="prod", EndpointConfigName=name, DeploymentConfig=plan)
    return name
"""
TRAIN = """
import os, pathlib
folder = pathlib.Path(os.environ["SM_MODEL_DIR"])
(folder / "code").mkdir()
(folder / "code" / "inference.py").write_text(
    "def model_fn(d): return 1\\ndef input_fn(b, c): return b\\n"
    "def predict_fn(d, m): return {'prediction': ['trained']}"
)
"""


def machine(role: str, code: str) -> dict[str, Any]:
    """Train on the object that arrived, wait, judge, register."""
    source = "{% 's3://' & $states.input.detail.bucket.name & '/' & $states.input.detail.object.key %}"
    training = {
        "TrainingJobName": "{% $job %}",
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": SCIKIT, "TrainingInputMode": "File"},
        "HyperParameters": {"sagemaker_program": "train.py", "sagemaker_submit_directory": code},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}}
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://everfit-models/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    container = {"Image": SCIKIT, "ModelDataUrl": "{% $states.input.artifact %}"}
    package = {
        "ModelPackageGroupName": "churn",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    }
    named = {"job": "{% 'churn-' & $substring($states.context.Execution.Name, 0, 8) %}"}
    asked = {"FunctionName": "gate", "Payload": {"job": "{% $job %}"}}
    answers = [
        {"Condition": "{% $states.input.answer = 'waits' %}", "Next": "Wait"},
        {"Condition": "{% $states.input.answer = 'good' %}", "Next": "Register"},
    ]
    sdk = "arn:aws:states:::aws-sdk:sagemaker:"
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Name",
        "States": {
            "Name": {"Type": "Pass", "Assign": named, "Next": "Train"},
            "Train": {
                "Type": "Task",
                "Resource": f"{sdk}createTrainingJob",
                "Arguments": training,
                "Next": "Gate",
            },
            "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Gate"},
            "Gate": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": asked,
                "Output": "{% $states.result.Payload %}",
                "Next": "Answer",
            },
            "Answer": {"Type": "Choice", "Choices": answers, "Default": "Failed"},
            "Register": {"Type": "Task", "Resource": f"{sdk}createModelPackage", "Arguments": package, "End": True},
            "Failed": {"Type": "Fail"},
        },
    }


@pytest.fixture
def place(bench: Bench) -> Place:
    """An endpoint that serves, and an alarm that tells a topic, which tells a queue."""
    made = Place(bench)
    queues, topics = bench.client("sqs"), bench.client("sns")
    queues.create_queue(QueueName="ops")
    topic = topics.create_topic(Name="ops")["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:ops")
    bench.client("cloudwatch").put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    made.config("seed")
    made.endpoint("seed")
    return made


def rule(bench: Bench, name: str, pattern: dict[str, Any], target: dict[str, Any]) -> str:
    events = bench.client("events")
    arn = str(events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"])
    events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
    return arn


def test_new_data_becomes_a_served_model_and_an_alarm_takes_it_back(place: Place) -> None:
    bench, functions = place.bench, Functions(place.bench)
    place.sm.create_model_package_group(ModelPackageGroupName="churn")
    functions.make(GATE, "gate")
    variables = {"ROLE_ARN": place.role, "PLAN": json.dumps(CANARY)}
    deploy = functions.make(DEPLOY, "deploy", Environment={"Variables": variables})
    code = code_at({"s3": _bucket(bench)}, TRAIN)
    states = bench.client("stepfunctions")
    arn = states.create_state_machine(
        name="retrain", roleArn=bench.role("machine", "states"), definition=json.dumps(machine(place.role, code))
    )["stateMachineArn"]
    arrived = {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "data/"}]}}}
    rule(bench, "data", arrived, {"Arn": arn, "RoleArn": bench.role("rule", "events")})
    approved = {
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelApprovalStatus": ["Approved"]},
    }
    source = rule(bench, "approved", approved, {"Arn": deploy})
    bench.client("lambda").add_permission(
        FunctionName="deploy",
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=source,
    )

    _bucket(bench).put_object(Bucket="everfit-data", Key="data/2026.csv", Body=b"1,2\n")
    packages = until(lambda: place.sm.list_model_packages(ModelPackageGroupName="churn")["ModelPackageSummaryList"])
    place.sm.update_model_package(ModelPackageArn=packages[0]["ModelPackageArn"], ModelApprovalStatus="Approved")
    until(lambda: place.shown()["EndpointConfigName"] == "churn-v1", "the deployment")
    assert place.ask() == "trained"

    place.config("other")
    bench.set(bake=30)
    place.sm.update_endpoint(EndpointName="prod", EndpointConfigName="other", DeploymentConfig=CANARY)
    bench.alarm("errors")
    assert place.settled()["EndpointConfigName"] == "churn-v1"
    queues = bench.client("sqs")
    url = queues.get_queue_url(QueueName="ops")["QueueUrl"]
    notice = until(lambda: queues.receive_message(QueueUrl=url).get("Messages"), "the notice")[0]
    assert json.loads(json.loads(notice["Body"])["Message"])["AlarmName"] == "errors"
    assert bench.notes("undelivered") == bench.notes("broken") == []


def _bucket(bench: Bench) -> Any:
    """Return S3 with a bucket that tells its objects to the bus."""
    s3 = bench.client("s3")
    if not any(each["Name"] == "everfit-data" for each in s3.list_buckets()["Buckets"]):
        s3.create_bucket(Bucket="everfit-data")
        wanted: dict[str, Any] = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket="everfit-data", NotificationConfiguration=wanted)
    return s3
