"""What is there already, made by hand or by a run: it is used as it is, as two things cannot have one name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import DENIED, ELSEWHERE, MISSING, code_of, explained, refusal
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.template import PACKAGE_GROUP, TOPIC
from everfit.domain.aws import AwsPlace, partition_of
from everfit.domain.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts:
    """What a bucket does.

    Args:
        tells: whether EventBridge is told of its objects.
        has_policy: whether it says anything about who may come in.
    """

    keeps_versions: bool
    tells: bool
    has_policy: bool


def bucket_facts(clients: Clients, name: str, region: str) -> BucketFacts | None:
    """Return what there is to know of a bucket; None when there is none of that name.

    Raises:
        RequestError: it is in another region, or belongs to somebody else.
    """
    s3: Any = clients("s3")
    with explained(f"look at the bucket {name}"):
        try:
            found = s3.head_bucket(Bucket=name)
        except ClientError as error:
            code = code_of(error)
            if code in MISSING or code == "NoSuchBucket":
                return None
            if code in DENIED:
                # HeadBucket answers nothing but 403 for a bucket of another account (API reference, HeadBucket).
                raise RequestError(
                    f"There is a bucket {name}, and these credentials may not look into it: it may belong to another "
                    "account, as names of buckets are taken worldwide. Choose another name for aws.bucket, or ask for "
                    "s3:ListBucket."
                ) from error
            raise
        place = found.get("BucketRegion") or found["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        if place not in (None, region):
            raise RequestError(f"The bucket {name} is in {place}, and aws.region says {region}. Change one of them.")
        versions = s3.get_bucket_versioning(Bucket=name).get("Status")
        tells = "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name)
        return BucketFacts(keeps_versions=versions == "Enabled", tells=tells, has_policy=_has_policy(s3, name))


def tells_of_objects(clients: Clients, name: str) -> bool | None:
    """Tell whether EventBridge is told of a bucket's objects; None when it may not be looked at."""
    with explained(f"look at the bucket {name}"):
        try:
            found = clients("s3").get_bucket_notification_configuration(Bucket=name)
        except ClientError as error:
            # The bucket of the data may be somebody else's; that it is there at all is the run's first look.
            if code_of(error) in DENIED | MISSING | ELSEWHERE | {"NoSuchBucket"}:
                return None
            raise
    return "EventBridgeConfiguration" in found


def _has_policy(s3: Any, name: str) -> bool:
    try:
        s3.get_bucket_policy(Bucket=name)
    except ClientError as error:
        if code_of(error) == "NoSuchBucketPolicy":
            return False
        raise
    return True


def outside(clients: Clients, blueprint: Blueprint, account: str, owned: Mapping[str, str]) -> frozenset[str]:
    """Return the logical ids of what the template must not make.

    Args:
        owned: what the stack has already.
    """
    place = blueprint.place
    found: set[str] = set()
    if PACKAGE_GROUP not in owned and _has_group(clients, place.names.package_group):
        found.add(PACKAGE_GROUP)
    if TOPIC not in owned and place.names.topic is not None and _has_topic(clients, place, account):
        found.add(TOPIC)
    return frozenset(found)


def _has_group(clients: Clients, name: str) -> bool:
    with explained(f"look for the model package group {name}"):
        try:
            clients("sagemaker").describe_model_package_group(ModelPackageGroupName=name)
        except ClientError as error:
            # SageMaker has no code for it: "ValidationException … does not exist" (seen in its answers).
            told = refusal(error)
            if told.code in MISSING or "does not exist" in told.said or "could not find" in told.said.lower():
                return False
            raise
    return True


def _has_topic(clients: Clients, place: AwsPlace, account: str) -> bool:
    address = f"arn:{partition_of(place.region)}:sns:{place.region}:{account}:{place.names.topic}"
    with explained(f"look for the topic {place.names.topic}"):
        try:
            clients("sns").get_topic_attributes(TopicArn=address)
        except ClientError as error:
            if code_of(error) in MISSING:
                return False
            raise
    return True
