"""The request for a training job: the user's script under the script-mode contract, or an image of the user's own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from everfit.adapters.aws.images import training_image
from everfit.adapters.aws.job_requests import (
    MARK,
    Request,
    Setting,
    check_environment,
    gigabytes,
    job_tags,
    volume_key,
    vpc_of,
    whole_seconds,
)
from everfit.domain.errors import RequestError
from everfit.domain.job import JobSpec

LONGEST_PARAMETER: Final = 2500
LONGEST_VARIABLE: Final = 512
MOST_PARAMETERS: Final = 100
MOST_METRICS: Final = 40
USUAL_VOLUME: Final = 30_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training to be requested.

    Args:
        name: at SageMaker.
        spec: with the values of its secrets.
        digest: by which the job is known again.
        source: URL of ``sourcedir.tar.gz``.
        folder: URL of the run's folder; what the training makes lies in ``<folder>/<name>/output/``.
    """

    name: str
    spec: JobSpec
    digest: str
    source: str
    folder: str


def training_request(training: Training, setting: Setting) -> Request:
    """Return the parameters of ``CreateTrainingJob``.

    Raises:
        RequestError: SageMaker would not take them; the message names the key to mend.
    """
    spec, place, given = training.spec, setting.place, setting.project.train.sagemaker
    instance = setting.training_instance
    environment = {**spec.environment, MARK: training.digest}
    check_environment(environment, LONGEST_VARIABLE)
    request: Request = {
        "TrainingJobName": training.name,
        "RoleArn": setting.role,
        "AlgorithmSpecification": {
            "TrainingImage": training_image(setting.project, place),
            "TrainingInputMode": "File",
            **_metrics(spec.metric_definitions),
        },
        "HyperParameters": hyperparameters(training, place.region),
        "InputDataConfig": [_channel(name, url) for name, url in sorted(spec.channels.items())],
        "OutputDataConfig": {"S3OutputPath": training.folder, **({"KmsKeyId": place.key} if place.key else {})},
        "ResourceConfig": {
            "InstanceType": instance,
            "InstanceCount": _whole(given.get("count"), 1),
            "VolumeSizeInGB": gigabytes(_whole(given.get("volume"), USUAL_VOLUME)),
            **({"VolumeKmsKeyId": key} if (key := volume_key(place, instance)) else {}),
        },
        "Environment": environment,
        "Tags": job_tags(place, spec.run),
        "EnableNetworkIsolation": False,
        **_limits(spec.timeout, given),
    }
    if not request["InputDataConfig"]:
        del request["InputDataConfig"]
    if spec.checkpoints:
        # SageMaker keeps /opt/ml/checkpoints there and brings it back to a spot training that goes on elsewhere
        # (Developer Guide, "Checkpoints in Amazon SageMaker AI").
        request["CheckpointConfig"] = {"S3Uri": f"{training.folder}/checkpoints/"}
    if (vpc := vpc_of(place)) is not None:
        request["VpcConfig"] = vpc
    return request


def hyperparameters(training: Training, region: str) -> dict[str, str]:
    """Return the hyperparameters: each value as JSON, and what the toolkit in framework images reads besides.

    It strips ``sagemaker_*`` before the script sees them (github.com/aws/sagemaker-training-toolkit, params.py).
    """
    own = {
        "sagemaker_program": training.spec.program,
        "sagemaker_submit_directory": training.source,
        "sagemaker_region": region,
        "sagemaker_job_name": training.name,
        "sagemaker_container_log_level": 20,
    }
    given = {**training.spec.hyperparameters, **own}
    if len(given) > MOST_PARAMETERS:
        raise RequestError(
            f"train.hyperparameters: SageMaker takes {MOST_PARAMETERS - len(own)} of them, there are "
            f"{len(training.spec.hyperparameters)}; put some into a file of the code."
        )
    # The values may hold no line break (API reference, CreateTrainingJob): JSON writes one as \n.
    texts = {name: json.dumps(value) for name, value in given.items()}
    for name, text in texts.items():
        if len(text) > LONGEST_PARAMETER:
            raise RequestError(
                f"train.hyperparameters: {name} has more than the {LONGEST_PARAMETER} characters that SageMaker takes; "
                "put it into a file of the code."
            )
    return texts


def _channel(name: str, url: str) -> Request:
    # Without the slash the prefix "train" would take in "training" as well: it is text, no folder.
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{url.rstrip('/')}/", "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def _metrics(definitions: Mapping[str, str]) -> dict[str, Any]:
    if not definitions:
        return {}
    if len(definitions) > MOST_METRICS:
        raise RequestError(f"train.metric_definitions: SageMaker takes {MOST_METRICS}, there are {len(definitions)}.")
    # SageMaker takes the first group of the expression (Developer Guide, "Define Metrics"); one without gets one.
    return {
        "MetricDefinitions": [
            {"Name": name, "Regex": pattern if re.compile(pattern).groups else f"({pattern})"}
            for name, pattern in definitions.items()
        ]
    }


def _limits(timeout: timedelta, given: Mapping[str, object]) -> Request:
    if not given.get("spot"):
        return {"StoppingCondition": {"MaxRuntimeInSeconds": whole_seconds(timeout)}}
    wait = given.get("max_wait")
    longest = wait if isinstance(wait, timedelta) else 2 * timeout
    # MaxWait counts waiting and running and must not be the shorter one (API reference, StoppingCondition).
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": whole_seconds(min(timeout, longest)),
            "MaxWaitTimeInSeconds": whole_seconds(longest),
        },
    }


def _whole(value: object, usual: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else usual
