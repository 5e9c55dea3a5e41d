"""The request for a processing job: a container that first runs Everfit's launcher, with files in and a folder out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

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

WORK: Final = "/opt/ml/processing"
"""Every local path of a processing job begins with it (API reference, ProcessingS3Input, LocalPath)."""

LAUNCHER: Final = "input/programs/everfit/jobs/aws/launch.py"
LONGEST_VARIABLE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """A processing job to be requested.

    Args:
        name: at SageMaker.
        digest: by which the job is known again.
        inputs: folder below ``input/`` -> URL of the object, or of the folder with a slash at its end.
        output: URL of the folder that ``output/`` is uploaded to when the job has succeeded.
        environment: variables of the user's.
    """

    name: str
    run: str
    digest: str
    image: str
    instance: str
    inputs: Mapping[str, str]
    output: str
    timeout: timedelta
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def processing_request(job: Processing, setting: Setting) -> Request:
    """Return the parameters of ``CreateProcessingJob``.

    Raises:
        RequestError: SageMaker would not take them; the message names the key to mend.
    """
    place = setting.place
    environment = {**job.environment, MARK: job.digest}
    check_environment(environment, LONGEST_VARIABLE)
    cluster: Request = {
        "InstanceType": job.instance,
        "InstanceCount": 1,
        "VolumeSizeInGB": gigabytes(place.volume),
    }
    if (key := volume_key(place, job.instance)) is not None:
        cluster["VolumeKmsKeyId"] = key
    output = {"S3Uri": job.output, "LocalPath": f"{WORK}/output", "S3UploadMode": "EndOfJob"}
    request: Request = {
        "ProcessingJobName": job.name,
        "RoleArn": setting.role,
        "AppSpecification": {"ImageUri": job.image, "ContainerEntrypoint": ["python3", f"{WORK}/{LAUNCHER}"]},
        "ProcessingInputs": [_input(folder, url) for folder, url in sorted(job.inputs.items())],
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "output", "S3Output": output}],
            **({"KmsKeyId": place.key} if place.key else {}),
        },
        "ProcessingResources": {"ClusterConfig": cluster},
        "StoppingCondition": {"MaxRuntimeInSeconds": whole_seconds(job.timeout)},
        "Environment": environment,
        "Tags": job_tags(place, job.run),
    }
    if (vpc := vpc_of(place)) is not None:
        request["NetworkConfig"] = {"VpcConfig": vpc}
    return request


def _input(folder: str, url: str) -> Request:
    # A prefix that is the whole key of an object brings that object, under the last part of its key.
    return {
        "InputName": folder.replace("/", "-"),
        "S3Input": {
            "S3Uri": url,
            "LocalPath": f"{WORK}/input/{folder}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }
