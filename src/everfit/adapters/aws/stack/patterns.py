"""Which events of AWS a stack listens to, as narrowly as patterns of EventBridge allow."""

from collections.abc import Iterator

from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.pieces import Tree
from everfit.domain.project import Hosting

Pattern = dict[str, Tree]


def patterns(blueprint: Blueprint) -> dict[str, tuple[str, Pattern]]:
    """Return words and pattern of each rule by its logical id."""
    found: dict[str, tuple[str, Pattern]] = {}
    if blueprint.watched is not None:
        found["DataRule"] = ("New, replaced and deleted objects of the data.", _data(blueprint, *blueprint.watched))
    found["JobRule"] = ("A job of a run has ended.", _jobs(blueprint))
    found["PackageRule"] = ("A version was approved or rejected in the Model Registry.", _packages(blueprint))
    found["AlarmRule"] = ("An alarm of what serves has gone off.", _alarms(blueprint))
    if blueprint.environment.hosting is Hosting.ENDPOINT:
        found["EndpointRule"] = ("The endpoint has changed.", _endpoint(blueprint))
    if blueprint.place.names.pipeline is not None:
        found["PipelineRule"] = ("A pipeline execution has ended.", _pipeline(blueprint.place.names.pipeline))
    for count, (source, type_) in enumerate(_others(blueprint), 1):
        pattern: Pattern = {"source": [source]}
        if type_ is not None:
            pattern["detail-type"] = [type_]
        found[f"Other{count}Rule"] = (f"An event of {source}.", pattern)
    return found


def _data(blueprint: Blueprint, bucket: str, prefix: str) -> Pattern:
    # "Object Created" is sent for every way to write an object, "Object Deleted" for every way to lose one
    # (S3 User Guide, "EventBridge event message structure").
    home = f"{blueprint.place.prefix}/"
    holds_home = bucket == blueprint.place.bucket and home.startswith(prefix)
    # What Everfit itself writes is no new data, and it writes every minute.
    key: Tree = {"anything-but": {"prefix": home}} if holds_home else {"prefix": prefix}
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created", "Object Deleted"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [key]}},
    }


def _jobs(blueprint: Blueprint) -> Pattern:
    ended: Tree = ["Completed", "Failed", "Stopped"]
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change", "SageMaker Processing Job State Change"],
        "detail": {
            # Its role is the model's own, unless aws.role names a shared one: then whoever is told looks at the name.
            "RoleArn": [blueprint.role_arn(Role.JOB)],
            "$or": [{"TrainingJobStatus": ended}, {"ProcessingJobStatus": ended}],
        },
    }


def _packages(blueprint: Blueprint) -> Pattern:
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [blueprint.place.names.package_group],
            "ModelApprovalStatus": ["Approved", "Rejected"],
        },
    }


def _alarms(blueprint: Blueprint) -> Pattern:
    return {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {
            "alarmName": [{"prefix": f"{blueprint.environment.endpoint}-"}],
            "state": {"value": ["ALARM"]},
        },
    }


def _endpoint(blueprint: Blueprint) -> Pattern:
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"],
        "detail": {"EndpointName": [blueprint.environment.endpoint]},
    }


def _pipeline(name: str) -> Pattern:
    # The name in an ARN is in lower case.
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
        "detail": {
            "pipelineArn": [{"suffix": f":pipeline/{name.lower()}"}],
            "currentPipelineExecutionStatus": ["Succeeded", "Failed", "Stopped"],
        },
    }


def _others(blueprint: Blueprint) -> Iterator[tuple[str, str | None]]:
    yield from dict.fromkeys((each.source, each.type) for each in blueprint.other_events)
