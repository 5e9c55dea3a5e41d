"""The bench's jobs: real programs with SageMaker's contract, its states and its ways to fail."""

import io
import json
import sys
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, until

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/everfit:1"
SCIKIT = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
TRAIN = """
import argparse, json, os, pathlib
p = argparse.ArgumentParser()
p.add_argument("--alpha", type=float)
p.add_argument("--fail", type=int, default=0)
a = p.parse_args()
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "a.csv").read_text().split()
if a.fail:
    raise SystemExit(3)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"rows": len(rows), "alpha": a.alpha}))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "scores.json").write_text("{}")
print("accuracy=0.75;", os.environ["TRAINING_JOB_NAME"], os.environ["COLOUR"])
"""
SPOT = """
import os, pathlib, time
kept = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints", "seen")
n = int(kept.read_text()) if kept.exists() else 0
kept.write_text(str(n + 1))
print("attempt", n + 1, flush=True)
while n == 0:
    time.sleep(0.01)
pathlib.Path(os.environ["SM_MODEL_DIR"], "n").write_text(str(n + 1))
"""


@pytest.fixture
def world(bench: Bench) -> dict[str, Any]:
    """A bucket with data, a role, and the clients."""
    s3 = bench.client("s3")
    s3.create_bucket(Bucket="everfit-data")
    s3.put_object(Bucket="everfit-data", Key="train/a.csv", Body=b"1\n2\n3\n")
    return {"s3": s3, "sm": bench.client("sagemaker"), "role": bench.role("job"), "bench": bench}


def code_at(world: dict[str, Any], script: str) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(script.encode())
        archive.addfile(entry, io.BytesIO(script.encode()))
    world["s3"].put_object(Bucket="everfit-data", Key="code/sourcedir.tar.gz", Body=packed.getvalue())
    return "s3://everfit-data/code/sourcedir.tar.gz"


def training(world: dict[str, Any], script: str = TRAIN, **changes: Any) -> dict[str, Any]:
    given = {
        "TrainingJobName": "churn-1",
        "RoleArn": world["role"],
        "AlgorithmSpecification": {
            "TrainingImage": SCIKIT,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
        },
        "HyperParameters": {
            "alpha": "0.5",
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": code_at(world, script),
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://everfit-data/train/"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://everfit-data/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Environment": {"COLOUR": "green"},
    }
    return {**given, **changes}


def ended(world: dict[str, Any], name: str = "churn-1") -> dict[str, Any]:
    def job() -> dict[str, Any] | None:
        shown: dict[str, Any] = world["sm"].describe_training_job(TrainingJobName=name)
        return shown if shown["TrainingJobStatus"] not in {"InProgress", "Stopping"} else None

    found = until(job, "the end of the training job")
    assert found is not None
    return found


def steps(job: dict[str, Any]) -> list[str]:
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def test_a_framework_image_trains_the_script_and_stores_the_model(world: dict[str, Any]) -> None:
    world["sm"].create_training_job(**training(world))
    job = ended(world)
    assert steps(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"], job.get("FailureReason")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://everfit-data/out/churn-1/output/model.tar.gz"
    body = world["s3"].get_object(Bucket="everfit-data", Key="out/churn-1/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        kept = archive.extractfile("model.json")
        assert kept is not None
        assert json.load(kept) == {"rows": 3, "alpha": 0.5}
    assert job["FinalMetricDataList"][0]["Value"] == 0.75
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] > 0


def test_what_a_job_prints_is_in_its_log(world: dict[str, Any]) -> None:
    world["sm"].create_training_job(**training(world))
    ended(world)
    logs = world["bench"].client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    lines = [event["message"] for event in logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]]
    assert stream.startswith("churn-1/algo-1-")
    assert "accuracy=0.75; churn-1 green" in lines


def test_the_calls_of_a_job_are_its_roles(world: dict[str, Any]) -> None:
    world["sm"].create_training_job(**training(world))
    ended(world)
    made = {(call["service"], call["operation"]) for call in world["bench"].calls() if call["role"] == world["role"]}
    assert {("s3", "GetObject"), ("s3", "PutObject"), ("s3", "ListObjectsV2"), ("logs", "PutLogEvents")} <= made


def test_each_state_of_a_job_is_an_event(world: dict[str, Any]) -> None:
    world["sm"].create_training_job(**training(world))
    ended(world)
    told = [note["event"] for note in world["bench"].notes("event")]
    assert {event["detail-type"] for event in told} == {"SageMaker Training Job State Change"}
    assert [event["detail"]["TrainingJobStatus"] for event in told][-1] == "Completed"


def test_a_failing_script_leaves_the_reason_that_the_toolkit_leaves(world: dict[str, Any]) -> None:
    given = training(world)
    given["HyperParameters"]["fail"] = "1"
    world["sm"].create_training_job(**given)
    job = ended(world)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith('AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nErrorMessage ""')


def test_a_channel_without_objects_fails_the_job(world: dict[str, Any]) -> None:
    given = training(world)
    given["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://everfit-data/nothing/"
    world["sm"].create_training_job(**given)
    assert "No S3 objects found" in ended(world)["FailureReason"]


def test_a_missing_image_fails_the_job(world: dict[str, Any]) -> None:
    world["bench"].set(images_missing=[SCIKIT])
    world["sm"].create_training_job(**training(world))
    assert "was not found" in ended(world)["FailureReason"]


def test_an_image_of_ones_own_runs_its_program(world: dict[str, Any]) -> None:
    program = "import os, sys; open(os.path.join(os.environ['SAGEMAKER_BASE_DIR'], 'model/x'), 'w').write(sys.argv[1])"
    world["bench"].image(IMAGE, train=[sys.executable, "-c", program])
    given = training(world)
    given["AlgorithmSpecification"]["TrainingImage"] = IMAGE
    world["sm"].create_training_job(**given)
    assert ended(world)["TrainingJobStatus"] == "Completed"


def test_a_job_can_be_stopped_and_then_no_more(world: dict[str, Any]) -> None:
    world["bench"].set(grace=0.05)
    world["sm"].create_training_job(**training(world, "import time; print('on', flush=True); time.sleep(60)"))
    world["sm"].stop_training_job(TrainingJobName="churn-1")
    assert ended(world)["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="is in status Stopped"):
        world["sm"].stop_training_job(TrainingJobName="churn-1")


def test_the_longest_run_time_stops_a_job(world: dict[str, Any]) -> None:
    world["bench"].set(grace=0.05, runtime_factor=0.001)
    world["sm"].create_training_job(**training(world, "import time; time.sleep(60)"))
    job = ended(world)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def spot(world: dict[str, Any]) -> dict[str, Any]:
    return training(
        world,
        SPOT,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
        CheckpointConfig={"S3Uri": "s3://everfit-data/checkpoints/churn-1"},
    )


def test_an_interrupted_spot_job_goes_on_with_its_checkpoints(world: dict[str, Any]) -> None:
    world["bench"].set(grace=0.05, spot_interruptions=1)
    world["sm"].create_training_job(**spot(world))
    job = ended(world)
    once = ["Starting", "Downloading", "Training"]
    assert steps(job) == [*once, "Interrupted", *once, "Uploading", "Completed"]
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]


def test_a_spot_job_without_capacity_ends_stopped(world: dict[str, Any]) -> None:
    world["bench"].set(grace=0.05, spot_interruptions=1, spot_capacity=False)
    world["sm"].create_training_job(**spot(world))
    job = ended(world)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


REFUSED: dict[str, dict[str, Any]] = {
    "ResourceInUse": {},
    "Could not assume role": {"RoleArn": "arn:aws:iam::123456789012:role/nobody"},
    "does not exist": {"OutputDataConfig": {"S3OutputPath": "s3://everfit-none/out"}},
    "MaxWaitTimeInSeconds": {"EnableManagedSpotTraining": True},
    "ResourceLimitExceeded": {"TrainingJobName": "churn-2"},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_job_is_refused_at_once(world: dict[str, Any], reason: str) -> None:
    world["sm"].create_training_job(**training(world))
    ended(world)
    if reason == "ResourceLimitExceeded":
        world["bench"].set(quotas={"ml.m5.large for training job usage": 0})
    with pytest.raises(ClientError, match=reason):
        world["sm"].create_training_job(**{**training(world), **REFUSED[reason]})


COUNT = """
import os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
there = base / "processing"
(there / "out" / "n.txt").write_text(str(len((there / "in" / "a.csv").read_text().split())) + sys.argv[1])
(base / "output" / "message").write_text("counted")
raise SystemExit(int(os.environ.get("CODE", "0")))
"""


def processing(world: dict[str, Any], **changes: Any) -> dict[str, Any]:
    world["s3"].put_object(Bucket="everfit-data", Key="code/count.py", Body=COUNT.encode())

    def taken(name: str, uri: str, place: str) -> dict[str, Any]:
        source = {"S3Uri": uri, "LocalPath": place, "S3DataType": "S3Prefix", "S3InputMode": "File"}
        return {"InputName": name, "S3Input": source}

    place = "/opt/ml/processing"
    given = {
        "ProcessingJobName": "count-1",
        "RoleArn": world["role"],
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", f"{place}/code/count.py"],
            "ContainerArguments": [f"{place}/x"],
        },
        "ProcessingInputs": [
            taken("code", "s3://everfit-data/code/count.py", f"{place}/code"),
            taken("in", "s3://everfit-data/train/", f"{place}/in"),
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {
                        "S3Uri": "s3://everfit-data/counted",
                        "LocalPath": f"{place}/out",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
    }
    return {**given, **changes}


def processed(world: dict[str, Any]) -> dict[str, Any]:
    def job() -> dict[str, Any] | None:
        shown: dict[str, Any] = world["sm"].describe_processing_job(ProcessingJobName="count-1")
        return shown if shown["ProcessingJobStatus"] not in {"InProgress", "Stopping"} else None

    found = until(job, "the end of the processing job")
    assert found is not None
    return found


def test_a_processing_job_reads_its_inputs_and_stores_its_outputs(world: dict[str, Any]) -> None:
    world["sm"].create_processing_job(**processing(world))
    job = processed(world)
    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Completed", "counted"), job.get("FailureReason")
    told = world["s3"].get_object(Bucket="everfit-data", Key="counted/n.txt")["Body"].read().decode()
    assert told.startswith("3/")
    assert told.endswith("/ml/processing/x")


def test_a_failed_processing_job_stores_nothing(world: dict[str, Any]) -> None:
    world["sm"].create_processing_job(**processing(world, Environment={"CODE": "4"}))
    job = processed(world)
    assert (job["ProcessingJobStatus"], job["FailureReason"]) == ("Failed", "AlgorithmError: , exit code: 4")
    assert world["s3"].list_objects_v2(Bucket="everfit-data", Prefix="counted/")["KeyCount"] == 0


def test_a_serving_image_has_serve_on_its_path(world: dict[str, Any]) -> None:
    given = processing(world)
    given["AppSpecification"] = {
        "ImageUri": SCIKIT,
        "ContainerEntrypoint": ["sh", "-c", "command -v serve > /opt/ml/processing/out/n.txt"],
    }
    world["sm"].create_processing_job(**given)
    assert processed(world)["ProcessingJobStatus"] == "Completed"
