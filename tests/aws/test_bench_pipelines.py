"""The bench's SageMaker Pipelines: definitions that are checked, executions that really run their jobs."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, until
from tests.aws.test_bench_jobs import IMAGE, SCIKIT, TRAIN, code_at

EVALUATE = """
import json, os, pathlib
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "processing")
model = any((base / "model").iterdir())
(base / "out" / "evaluation.json").write_text(json.dumps({"metrics": {"accuracy": 0.9 if model else 0.0}}))
"""


def output(name: str, uri: Any) -> dict[str, Any]:
    place = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": place}


def taken(name: str, uri: Any, place: str) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{place}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": source}


class Pipelines:
    """A pipeline that trains, evaluates and decides."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.s3, self.sm = bench, bench.client("s3"), bench.client("sagemaker")
        self.s3.create_bucket(Bucket="everfit-data")
        self.s3.put_object(Bucket="everfit-data", Key="train/a.csv", Body=b"1\n2\n")
        self.s3.put_object(Bucket="everfit-data", Key="code/evaluate.py", Body=EVALUATE.encode())
        self.role = bench.role("pipeline")
        self.code = code_at({"s3": self.s3}, TRAIN)

    def definition(self) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": {"Get": "Parameters.data"}}
        train = {
            "RoleArn": self.role,
            "AlgorithmSpecification": {"TrainingImage": SCIKIT, "TrainingInputMode": "File"},
            "HyperParameters": {
                "alpha": "0.5",
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": self.code,
            },
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": "s3://everfit-data/out"},
            "ResourceConfig": {
                "InstanceType": {"Get": "Parameters.instance_type"},
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Environment": {"COLOUR": "green"},
        }
        kept = {
            "Std:Join": {"On": "/", "Values": ["s3://everfit-data/evaluated", {"Get": "Execution.PipelineExecutionId"}]}
        }
        evaluate = {
            "RoleArn": self.role,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/evaluate.py"],
            },
            "ProcessingInputs": [
                taken("model", {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}, "model"),
                taken("code", "s3://everfit-data/code/evaluate.py", "code"),
            ],
            "ProcessingOutputConfig": {"Outputs": [output("evaluation", kept)]},
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
            },
        }
        files = [{"PropertyFileName": "report", "OutputName": "evaluation", "FilePath": "evaluation.json"}]
        measured = {
            "Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.report"}, "Path": "metrics.accuracy"}
        }
        condition = {
            "Type": "GreaterThanOrEqualTo",
            "LeftValue": measured,
            "RightValue": {"Get": "Parameters.accuracy_threshold"},
        }
        failing = {"Name": "TooBad", "Type": "Fail", "Arguments": {"ErrorMessage": "It is not good enough."}}
        branches = {"Conditions": [condition], "IfSteps": [], "ElseSteps": [failing]}
        return {
            "Version": "2020-12-01",
            "Parameters": [
                {"Name": "data", "Type": "String", "DefaultValue": "s3://everfit-data/train/"},
                {"Name": "instance_type", "Type": "String", "DefaultValue": "ml.m5.large"},
                {"Name": "accuracy_threshold", "Type": "Float", "DefaultValue": 0.8},
            ],
            "Steps": [
                {"Name": "Evaluate", "Type": "Processing", "Arguments": evaluate, "PropertyFiles": files},
                {"Name": "Train", "Type": "Training", "Arguments": train},
                {"Name": "Gate", "Type": "Condition", "Arguments": branches, "DependsOn": ["Evaluate"]},
            ],
        }

    def create(self, definition: dict[str, Any]) -> None:
        self.sm.create_pipeline(
            PipelineName="churn",
            PipelineDefinition=json.dumps(definition),
            RoleArn=self.role,
            ClientRequestToken="x" * 32,
        )

    def run(self, **parameters: str) -> dict[str, Any]:
        given = [{"Name": name, "Value": value} for name, value in parameters.items()]
        started = self.sm.start_pipeline_execution(PipelineName="churn", PipelineParameters=given)
        return self.end(started["PipelineExecutionArn"])

    def end(self, arn: str) -> dict[str, Any]:
        def shown() -> dict[str, Any]:
            told: dict[str, Any] = self.sm.describe_pipeline_execution(PipelineExecutionArn=arn)
            return told

        until(lambda: shown()["PipelineExecutionStatus"] not in {"Executing", "Stopping"}, "the execution")
        return shown()

    def steps(self, arn: str) -> dict[str, str]:
        told = self.sm.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return {step["StepName"]: step["StepStatus"] for step in reversed(told)}


@pytest.fixture
def pipelines(bench: Bench) -> Pipelines:
    return Pipelines(bench)


def test_steps_run_in_the_order_of_their_needs(pipelines: Pipelines) -> None:
    pipelines.create(pipelines.definition())
    told = pipelines.run()
    assert told["PipelineExecutionStatus"] == "Succeeded", told.get("FailureReason")
    steps = pipelines.steps(told["PipelineExecutionArn"])
    assert steps == {"Train": "Succeeded", "Evaluate": "Succeeded", "Gate": "Succeeded"}
    assert {call["role"] for call in pipelines.bench.calls("sagemaker", "CreateTrainingJob")} == {pipelines.role}


def test_a_parameter_decides_the_condition(pipelines: Pipelines) -> None:
    pipelines.create(pipelines.definition())
    told = pipelines.run(accuracy_threshold="0.95")
    assert told["PipelineExecutionStatus"] == "Failed"
    assert pipelines.steps(told["PipelineExecutionArn"])["TooBad"] == "Failed"
    events = [note["event"] for note in pipelines.bench.notes("event")]
    last = [event for event in events if "Execution Status Change" in event["detail-type"]][-1]["detail"]
    assert (last["previousPipelineExecutionStatus"], last["currentPipelineExecutionStatus"]) == ("Executing", "Failed")


def test_an_execution_can_be_stopped_with_its_job(pipelines: Pipelines) -> None:
    pipelines.bench.set(grace=0.05)
    pipelines.code = code_at({"s3": pipelines.s3}, "import time; time.sleep(60)")
    pipelines.create(pipelines.definition())
    arn = pipelines.sm.start_pipeline_execution(PipelineName="churn")["PipelineExecutionArn"]
    until(lambda: pipelines.sm.list_training_jobs()["TrainingJobSummaries"], "the job")
    pipelines.sm.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="y" * 32)
    assert pipelines.end(arn)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.sm.list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Stopped"


def test_the_same_token_is_the_same_execution(pipelines: Pipelines) -> None:
    pipelines.create(pipelines.definition())
    given = {"PipelineName": "churn", "ClientRequestToken": "z" * 32}
    first, second = (pipelines.sm.start_pipeline_execution(**given)["PipelineExecutionArn"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Version": "2020"}, "must be 2020-12-01"),
        ({"Steps": [{"Name": "A", "Type": "Trainig", "Arguments": {}}]}, "has type 'Trainig'"),
        ({"Steps": [{"Name": "A", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.no"}}}]}, "Unable"),
    ],
)
def test_a_wrong_definition_is_refused(pipelines: Pipelines, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        pipelines.create({**pipelines.definition(), **change})


def test_a_parameter_that_is_unknown_or_wrong_is_refused(pipelines: Pipelines) -> None:
    pipelines.create(pipelines.definition())
    with pytest.raises(ClientError, match="Unknown parameters"):
        pipelines.run(colour="green")
    with pytest.raises(ClientError, match="is no Float"):
        pipelines.run(accuracy_threshold="high")
