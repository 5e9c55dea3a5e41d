"""What the account has: roles and buckets as moto keeps them, and the checks of them that services make."""

from typing import Any, cast
from urllib.parse import unquote

from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from tests.aws.bench.errors import ACCOUNT, AwsError, invalid
from tests.aws.bench.world import World


def bucket_of(name: str) -> Any | None:
    """Return moto's bucket, None when there is none."""
    return cast("Any", s3_backends[ACCOUNT]["aws"]).buckets.get(name)


def role_of(arn: str) -> Any | None:
    """Return moto's role, None when there is none."""
    roles: dict[str, Any] = cast("Any", iam_backends[ACCOUNT]["aws"]).roles
    return next((role for role in roles.values() if role.arn == arn), None)


def need_role(arn: str, principal: str) -> None:
    """Refuse a role that does not exist or that *principal* may not assume."""
    role = role_of(arn)
    if role is None or principal not in unquote(str(role.assume_role_policy_document)):
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            f"'{principal}' to assume the role."
        )


def need_bucket(uri: str, region: str) -> None:
    """Refuse an ``s3://`` address whose bucket is missing or in another region."""
    name = uri.removeprefix("s3://").partition("/")[0]
    bucket = bucket_of(name)
    if bucket is None:
        raise invalid(f"S3 bucket '{name}' does not exist.")
    if bucket.region_name != region:
        raise invalid(f"The S3 bucket '{name}' is in {bucket.region_name}; it must be in {region}.")


def need_quota(world: World, instance: str, usage: str, used: int, count: int) -> None:
    """Refuse more instances than the account may have; quotas are per instance type and use (FACTS §6)."""
    name = f"{instance} for {usage}"
    limit = world.settings.quotas.get(name)
    if limit is not None and used + count > limit:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{name}' is {limit} Instances, with current utilization of {used} "
            f"Instances and a request delta of {count} Instances. Please use AWS Service Quotas to request an increase "
            "for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for "
            "this quota.",
        )
