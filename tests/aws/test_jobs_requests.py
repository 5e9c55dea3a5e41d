"""The requests for jobs: what AWS would refuse is refused before, with the key to mend, and the rest is complete."""

import ast
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.adapters.aws.images import own_image, serving_image, training_image
from everfit.adapters.aws.job_ends import claim
from everfit.adapters.aws.job_programs import _PROGRAMS
from everfit.adapters.aws.job_requests import LONGEST_NAME, Setting, job_prefix, sagemaker_name
from everfit.adapters.aws.processing_request import Processing, processing_request
from everfit.adapters.aws.submission import check, encoded, read_submission, written
from everfit.adapters.aws.training_request import Training, training_request
from everfit.domain.aws import AwsPlace, aws_place
from everfit.domain.errors import RequestError
from everfit.domain.job import JobKind, JobSpec
from everfit.domain.project import Backend, Data, Environment, Project, Serve, Task, Train
from tests.aws.bench import strict

ROLE = "arn:aws:iam::111122223333:role/everfit-line-production-job"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SPEC = JobSpec(
    name="20261121-090000-0012ab34-train",
    kind=JobKind.TRAIN,
    run="20261121-090000-0012ab34",
    program="train.py",
    code="s3://b/everfit/code/c.tar.gz",
    channels={"train": "s3://b/runs/r/r-prepare/output/train"},
    hyperparameters={"epochs": 3, "rate": 0.1, "kind": "a\nb", "layers": [3, 4]},
    environment={"TOKEN": "hush"},
    secrets=frozenset({"TOKEN"}),
    metric_definitions={"mae": "mae=([0-9.]+)", "r2": "[0-9.]+"},
    checkpoints=True,
    timeout=timedelta(hours=1),
)


def place(**given: Any) -> AwsPlace:
    return aws_place("line", "production", {"region": "us-east-1", "bucket": "b-b", **given}, {})


def setting(on: AwsPlace | None = None, serve: dict[str, object] | None = None, **train: object) -> Setting:
    settings = {"framework": "sklearn", "version": "1.4-2", **train}
    project = Project(
        model="line",
        task=Task.REGRESSION,
        data=Data(source="s3://b/raw/"),
        train=Train(sagemaker={name: value for name, value in settings.items() if value is not None}),
        serve=Serve(sagemaker=serve or {}),
    )
    where = on or place()
    environment = Environment(name="production", endpoint="line", backend=Backend.SAGEMAKER, aws=where)
    return Setting(place=where, project=project, environment=environment, role=ROLE)


def training(spec: JobSpec = SPEC, to: Setting | None = None) -> dict[str, Any]:
    asked = Training(
        name="everfit-line-train", spec=spec, digest="d" * 32, source="s3://b/s.tar.gz", folder="s3://b/everfit/runs/r"
    )
    request = training_request(asked, to or setting())
    assert strict.errors("sagemaker", "CreateTrainingJob", request) == []
    return request


def test_a_training_says_everything_that_a_script_and_an_auditor_need() -> None:
    request = training(to=setting(place(key=KEY, subnets=("subnet-1a",), security_groups=("sg-1",))))
    assert request["HyperParameters"]["kind"] == '"a\\nb"'
    assert request["HyperParameters"]["layers"] == "[3, 4]"
    assert request["HyperParameters"]["sagemaker_program"] == '"train.py"'
    assert request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"].endswith("/output/train/")
    assert request["CheckpointConfig"] == {"S3Uri": "s3://b/everfit/runs/r/checkpoints/"}
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert request["OutputDataConfig"]["KmsKeyId"] == request["ResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert request["VpcConfig"] == {"Subnets": ["subnet-1a"], "SecurityGroupIds": ["sg-1"]}
    metrics = {each["Name"]: each["Regex"] for each in request["AlgorithmSpecification"]["MetricDefinitions"]}
    assert metrics == {"mae": "mae=([0-9.]+)", "r2": "([0-9.]+)"}
    tags = {each["Key"]: each["Value"] for each in request["Tags"]}
    assert (tags["everfit:model"], tags["everfit:run"]) == ("line", SPEC.run)


def test_a_secret_stands_in_the_environment_and_nowhere_else() -> None:
    request = training()
    assert request.pop("Environment")["TOKEN"] == "hush"
    assert "hush" not in str(request)
    assert b"hush" not in encoded(written(SPEC))


def test_a_spot_training_may_wait_and_never_for_less_than_it_may_run() -> None:
    request = training(to=setting(spot=True, max_wait=timedelta(minutes=30)))
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800, "MaxWaitTimeInSeconds": 1800}
    assert training(to=setting(spot=True))["StoppingCondition"]["MaxWaitTimeInSeconds"] == 7200


@pytest.mark.parametrize("instance", ["ml.g5.xlarge", "ml.r5d.large", "ml.p4d.24xlarge"])
def test_an_instance_with_a_disk_of_its_own_is_given_no_key_for_it(instance: str) -> None:
    request = training(to=setting(place(key=KEY), framework=None, version=None, image="a/b:1", instance=instance))
    assert "VolumeKmsKeyId" not in request["ResourceConfig"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hyperparameters": {"text": "x" * 3000}}, "train.hyperparameters: text"),
        ({"hyperparameters": {f"p{n}": n for n in range(101)}}, "train.hyperparameters: SageMaker takes 95"),
        ({"environment": {"LONG": "x" * 513}}, "the value of LONG is longer"),
        ({"environment": {"not-a-name": "x"}}, "no variable named 'not-a-name'"),
        ({"metric_definitions": {f"m{n}": "x" for n in range(41)}}, "train.metric_definitions: SageMaker takes 40"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_with_the_key_to_mend(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=re.escape(words)) as caught:
        training(replace(SPEC, **change))
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "other-train"}, "does not begin with its run"),
        ({"code": None}, "has no code"),
        ({"program": "train.ipynb"}, "a training script is a .py or .sh file"),
        ({"channels": {"train": "/data"}}, "which no job on AWS can read"),
        ({"metric_definitions": {"mae": "("}}, "is no regular expression"),
        ({"run": "a b", "name": "a b-train"}, "cannot name a job"),
    ],
)
def test_a_job_that_cannot_run_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        check(replace(SPEC, **change))


def test_what_was_asked_for_is_read_as_it_was_written() -> None:
    found = read_submission(encoded(written(SPEC)), "s3://b/spec.json")
    assert found.spec == replace(SPEC, environment={}, grace=found.spec.grace)
    assert found.digest != read_submission(encoded(written(replace(SPEC, program="b.py"))), "s3://b/spec.json").digest


def test_a_processing_job_is_a_container_that_launches_what_it_was_sent() -> None:
    job = Processing(
        name="everfit-line-prepare",
        run="r",
        digest="d" * 32,
        image="111122223333.dkr.ecr.us-east-1.amazonaws.com/own:1",
        instance="ml.m5.large",
        inputs={"programs": "s3://b/p/", "config": "s3://b/c/job.json"},
        output="s3://b/o",
        timeout=timedelta(minutes=5),
    )
    request = processing_request(job, setting(place(key=KEY, subnets=("subnet-1a",), security_groups=("sg-1",))))
    assert strict.errors("sagemaker", "CreateProcessingJob", request) == []
    places = [each["S3Input"]["LocalPath"] for each in request["ProcessingInputs"]]
    # "must begin with /opt/ml/processing/", and no two may be the same (API reference, ProcessingS3Input).
    assert all(each.startswith("/opt/ml/processing/input/") for each in places)
    assert len(set(places)) == len(places)
    with pytest.raises(RequestError, match="LONG is longer than the 256"):
        processing_request(replace(job, environment={"LONG": "x" * 257}), setting())


@given(st.text("abcXYZ019-_. ü", min_size=1, max_size=120), st.text("ab-_19", min_size=1, max_size=60))
def test_every_job_has_a_name_that_sagemaker_takes_and_finds_again(name: str, model: str) -> None:
    where = aws_place(model, "production", {"region": "us-east-1", "bucket": "b"}, {})
    found = sagemaker_name(where, name)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", found)
    assert len(found) <= LONGEST_NAME
    assert found.startswith(job_prefix(where))
    assert found == sagemaker_name(where, name)
    assert found != sagemaker_name(where, f"{name}-2")


def test_a_name_of_a_run_is_kept_as_it_is_and_two_installations_never_share_one() -> None:
    name = "20261121-090000-0012ab34-evaluate"
    assert sagemaker_name(place(), name).endswith(name)
    assert sagemaker_name(place(), name) != sagemaker_name(place(prefix="other"), name)


@pytest.mark.parametrize(
    ("given", "region", "image"),
    [
        ({}, "us-east-1", "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"),
        (
            {"framework": "xgboost", "version": "1.7-1"},
            "eu-west-1",
            "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        ),
        (
            {"framework": "pytorch", "version": "2.5", "instance": "ml.g5.xlarge"},
            "us-west-2",
            "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.5.1-gpu-py311",
        ),
        (
            {"framework": "tensorflow", "version": "2.12"},
            "cn-north-1",
            "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/tensorflow-training:2.12.0-cpu-py310",
        ),
        ({"framework": None, "version": None, "image": "mine:1"}, "us-east-1", "mine:1"),
    ],
)
def test_the_image_of_a_training_is_aws_own_or_the_users(given: dict[str, Any], region: str, image: str) -> None:
    assert training_image(setting(**given).project, place(region=region)) == image


def test_what_serves_goes_with_what_trains_unless_it_is_named() -> None:
    def served(serve: dict[str, object] | None = None, **train: Any) -> str:
        return serving_image(setting(serve=serve, **train).project, place())

    assert served(framework="pytorch", version="2.3").endswith("/pytorch-inference:2.3.0-cpu-py311")
    assert served(framework="tensorflow", version="2.12-py310").endswith("/tensorflow-inference:2.12.1-cpu")
    assert served({"instance": "ml.g5.xlarge"}, framework="pytorch", version="2.6").endswith(
        "/pytorch-inference:2.6.0-gpu-py312"
    )
    assert served(framework=None, version=None, image="mine:1") == "mine:1"
    assert served({"image": "serve:2"}) == "serve:2"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"framework": None, "version": None}, "on SageMaker a training needs a framework"),
        (
            {"version": "0.1"},
            "AWS has no image for sklearn 0.1, only for .*; name the image itself with train.sagemaker",
        ),
        ({"framework": "tensorflow", "version": "2.12-py39"}, "2.12.0 has py310, not py39"),
        ({"framework": "pytorch", "version": "9"}, "AWS has no image for pytorch 9"),
        ({"framework": "huggingface", "version": "4.26"}, "name the image itself with train.sagemaker.image"),
    ],
)
def test_an_image_that_is_not_known_is_asked_for(given: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        training_image(setting(**given).project, place())


def test_a_region_without_a_known_registry_is_told() -> None:
    for image in (lambda on: training_image(setting().project, on), own_image):
        with pytest.raises(RequestError, match="knows no registry"):
            image(place(region="xx-nowhere-1"))
    assert own_image(place(image="own:1")) == "own:1"
    assert own_image(place()).endswith("/pytorch-training:2.5.1-cpu-py311")


@pytest.mark.parametrize("value", [0.95, 19.999, 20.0, 0.1, -3.5, 1e-7])
def test_a_claim_is_what_was_printed_although_sagemaker_keeps_it_in_32_bits(value: float) -> None:
    import struct  # noqa: PLC0415 - what a float of 32 bits holds

    kept: float = struct.unpack("f", struct.pack("f", value))[0]
    assert claim(kept) == value


def test_programs_for_images_of_others_are_python_3_7_and_import_the_standard_library_alone() -> None:
    sent = {module.__name__ for module in _PROGRAMS}
    for module in _PROGRAMS:
        tree = ast.parse(Path(str(module.__file__)).read_text(), feature_version=(3, 7))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
                assert all(name in sent or not name.startswith(("everfit", "boto", "numpy")) for name in names)
