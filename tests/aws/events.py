"""Events of AWS, with the fields that its documentation shows.

Sources: SageMaker Developer Guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge"; CloudWatch User
Guide, "Alarm events and EventBridge"; S3 User Guide, "EventBridge event message structure".
"""

from collections.abc import Mapping
from typing import Any

ACCOUNT = "123456789012"
REGION = "us-east-1"
Document = dict[str, Any]


def an_event(source: str, kind: str, detail: Mapping[str, Any], *, name: str = "e-1") -> Document:
    return {
        "version": "0",
        "id": name,
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": "2026-11-21T10:00:05Z",
        "region": REGION,
        "resources": [],
        "detail": dict(detail),
    }


def a_job_event(name: str, status: str, *, kind: str = "Training", event: str = "e-1") -> Document:
    detail = {
        f"{kind}JobName": name,
        f"{kind}JobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind.lower()}-job/{name}",
        f"{kind}JobStatus": status,
        "Tags": {},
    }
    return an_event("aws.sagemaker", f"SageMaker {kind} Job State Change", detail, name=event)


def a_package_event(group: str, number: int, approval: str, *, event: str = "e-1") -> Document:
    detail = {
        "ModelPackageGroupName": group,
        "ModelPackageVersion": number,
        "ModelPackageArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{group}/{number}",
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": approval,
    }
    return an_event("aws.sagemaker", "SageMaker Model Package State Change", detail, name=event)


def an_endpoint_event(endpoint: str, status: str, *, kind: str = "Endpoint", event: str = "e-1") -> Document:
    detail = {"EndpointName": endpoint, "EndpointStatus": status, "EndpointConfigName": f"{endpoint}-v1-00000000"}
    return an_event("aws.sagemaker", f"SageMaker {kind} State Change", detail, name=event)


def an_alarm_event(
    alarm: str,
    state: str = "ALARM",
    *,
    since: str = "2026-11-21T10:00:00.000+0000",
    dimensions: Mapping[str, str] | None = None,
    event: str = "e-1",
) -> Document:
    metric = {"namespace": "AWS/SageMaker", "name": "ModelLatency", "dimensions": dict(dimensions or {})}
    detail = {
        "alarmName": alarm,
        "state": {"value": state, "reason": "Threshold Crossed: 1 datapoint [0.9] > 0.5.", "timestamp": since},
        "previousState": {"value": "OK", "reason": "", "timestamp": "2026-11-21T09:00:00.000+0000"},
        "configuration": {"metrics": [{"id": "m1", "metricStat": {"metric": metric, "period": 60, "stat": "p99"}}]},
    }
    return an_event("aws.cloudwatch", "CloudWatch Alarm State Change", detail, name=event)
