"""Which permission a recorded call needs: the IAM action, and the ARNs it is about.

The names are those of the Service Authorization Reference, one page per service.
"""

from collections.abc import Callable
from typing import Any

from tests.aws.bench.errors import ACCOUNT

Document = dict[str, Any]
PREFIXES = {"cloudwatch": "cloudwatch", "stepfunctions": "states", "sagemaker-runtime": "sagemaker"}
PREFIXES |= {"service-quotas": "servicequotas", "application-autoscaling": "application-autoscaling"}
# S3's actions are not named after its operations (Service Authorization Reference, "Actions … Amazon S3").
S3_ACTIONS = {
    "ListObjectsV2": "ListBucket", "ListObjects": "ListBucket", "HeadBucket": "ListBucket",
    "HeadObject": "GetObject", "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject", "CopyObject": "PutObject", "DeleteObjects": "DeleteObject",
    "ListBuckets": "ListAllMyBuckets", "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration", "ListObjectVersions": "ListBucketVersions",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock", "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutBucketNotificationConfiguration": "PutBucketNotification", "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketNotificationConfiguration": "GetBucketNotification", "ListParts": "ListMultipartUploadParts",
}  # fmt: skip
OTHER_ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "ListTags"): "ListTags",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
}
SAGEMAKER = {
    "TrainingJobName": "training-job", "ProcessingJobName": "processing-job", "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config", "ModelName": "model", "PipelineName": "pipeline",
    "ModelPackageGroupName": "model-package-group",
}  # fmt: skip
# A call that has one of these members is about just this.
ARNS = (
    "ModelPackageArn", "PipelineExecutionArn", "ResourceArn", "ResourceARN", "TopicArn", "stateMachineArn",
    "executionArn", "TargetArn", "KeyId", "resourceArn",
)  # fmt: skip


def action(call: Document) -> str:
    """Return the IAM action that *call* needs, such as ``s3:ListBucket``."""
    service, operation = call["service"], call["operation"]
    if service == "s3":
        versioned = "VersionId" in call["params"] and operation in {"GetObject", "HeadObject", "DeleteObject"}
        name = S3_ACTIONS.get(operation, operation)
        return f"s3:{name}Version" if versioned else f"s3:{name}"
    name = OTHER_ACTIONS.get((service, operation), operation)
    return f"{PREFIXES.get(service, service)}:{name}"


def resources(call: Document) -> list[str]:
    """Return the ARNs that *call* is about; ``*`` when it is about none in particular."""
    params = call["params"]
    for member in ARNS:
        value = str(params.get(member, ""))
        if value.startswith("arn:"):
            return [value]
    finder = FINDERS.get(call["service"])
    found = finder(call["region"], params) if finder is not None else []
    return found or ["*"]


def in_s3(region: str, params: Document) -> list[str]:
    del region
    bucket = f"arn:aws:s3:::{params['Bucket']}" if "Bucket" in params else ""
    if "Delete" in params:
        return [f"{bucket}/{each['Key']}" for each in params["Delete"]["Objects"]]
    return [f"{bucket}/{params['Key']}" if "Key" in params else bucket] if bucket else []


def in_sagemaker(region: str, params: Document) -> list[str]:
    place = f"arn:aws:sagemaker:{region}:{ACCOUNT}:"
    package = str(params.get("ModelPackageName", ""))
    if package.startswith("arn:"):
        return [package]
    # A change of an endpoint is about both: the endpoint and the configuration that it gets.
    return [f"{place}{kind}/{str(params[member]).lower()}" for member, kind in SAGEMAKER.items() if member in params]


def named(service: str, kind: str, *members: str) -> Callable[[str, Document], list[str]]:
    """Return a finder for services whose resources are named by one member."""

    def find(region: str, params: Document) -> list[str]:
        values = [str(params[member]) for member in members if member in params]
        arns = [each for each in values if each.startswith("arn:")]
        made = [f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}{each}" for each in values if not each.startswith("arn:")]
        return arns or made[:1]

    return find


def in_queues(region: str, params: Document) -> list[str]:
    name = str(params.get("QueueUrl", params.get("QueueName", ""))).rpartition("/")[2]
    return [f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"] if name else []


def in_logs(region: str, params: Document) -> list[str]:
    group, stream = params.get("logGroupName"), params.get("logStreamName")
    if not group:
        return []
    place = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"
    return [f"{place}:log-stream:{stream}" if stream else f"{place}:*"]


def in_cloudwatch(region: str, params: Document) -> list[str]:
    """A search by the beginning of a name is one among all alarms."""
    place = f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:"
    if "DashboardName" in params or "DashboardNames" in params:
        names = params.get("DashboardNames", [params.get("DashboardName")])
        return [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}" for name in names]
    if "AlarmName" in params or "AlarmNames" in params:
        return [f"{place}{name}" for name in params.get("AlarmNames", [params.get("AlarmName")])]
    return [] if "Namespace" in params else [f"{place}*"]


def in_stacks(region: str, params: Document) -> list[str]:
    """The ARN of a stack ends in an id, which nobody knows before."""
    name = str(params.get("StackName", ""))
    if name.startswith("arn:"):
        return [name]
    return [f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/id"] if name else []


def in_functions(region: str, params: Document) -> list[str]:
    """A mapping has no name before it is made (Service Authorization Reference, CreateEventSourceMapping)."""
    if "EventSourceArn" in params:
        return []
    if "UUID" in params:
        return [f"arn:aws:lambda:{region}:{ACCOUNT}:event-source-mapping:{params['UUID']}"]
    return named("lambda", "function:", "FunctionName")(region, params)


def in_iam(region: str, params: Document) -> list[str]:
    del region
    return [f"arn:aws:iam::{ACCOUNT}:role/{params['RoleName']}"] if "RoleName" in params else []


FINDERS: dict[str, Callable[[str, Document], list[str]]] = {
    "s3": in_s3,
    "sagemaker": in_sagemaker,
    "sagemaker-runtime": in_sagemaker,
    "lambda": in_functions,
    "sqs": in_queues,
    "sns": named("sns", "", "TopicArn", "Name"),
    "events": named("events", "rule/", "Name", "Rule"),
    "scheduler": named("scheduler", "schedule/default/", "Name"),
    "stepfunctions": named("states", "stateMachine:", "stateMachineArn", "name"),
    "logs": in_logs,
    "iam": in_iam,
    "cloudformation": in_stacks,
    "cloudwatch": in_cloudwatch,
    "kms": named("kms", "key/", "KeyId"),
    "secretsmanager": named("secretsmanager", "secret:", "SecretId"),
}


def permission(call: Document) -> tuple[str, tuple[str, ...]]:
    """Return action and resources of *call*, to be compared with a role's policy."""
    return action(call), tuple(sorted(resources(call)))
