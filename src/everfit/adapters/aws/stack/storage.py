"""The base stack: the bucket of an installation, which outlives every model in it."""

from collections.abc import Sequence
from typing import Final

from everfit.adapters.aws.stack.pieces import ACCOUNT, GetAtt, Ref, Resource, Sub, Template, Tree
from everfit.domain.aws import AwsPlace, partition_of

AUDITED_BELOW: Final = "audit"
"""Where CloudTrail writes, outside every installation's own prefix, so that its writing is not recorded in turn."""
PREFIXES: Final = "EverfitPrefixes"
"""The template's note of the installations in the bucket: the rules of each are kept when another one is added."""

_WORK_DAYS: Final = 180
_OLD_DAYS: Final = 30


def base_stack_name(place: AwsPlace) -> str:
    """Return the name of the stack that holds the bucket."""
    return f"everfit-{place.bucket}"


def base_template(place: AwsPlace, prefixes: Sequence[str]) -> Template:
    """Return the template of the bucket.

    Args:
        prefixes: of the installations in it.
    """
    kept = sorted({*prefixes, place.prefix})
    return Template(
        description="The bucket of Everfit: state, snapshots, jobs and models.",
        metadata={PREFIXES: kept},
        resources={
            "Bucket": Resource(type="AWS::S3::Bucket", properties=_bucket(place, kept), is_data=True),
            "BucketPolicy": Resource(
                type="AWS::S3::BucketPolicy",
                properties={"Bucket": Ref("Bucket"), "PolicyDocument": _policy(place)},
                # Without it the bucket that is kept would let in what is not encrypted on its way.
                is_data=True,
            ),
        },
        outputs={"Bucket": Ref("Bucket")},
        tags=place.tags,
    )


def _bucket(place: AwsPlace, prefixes: Sequence[str]) -> dict[str, Tree]:
    encryption: Tree = (
        {"SSEAlgorithm": "AES256"} if place.key is None else {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": place.key}
    )
    return {
        "BucketName": place.bucket,
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                # A bucket key asks KMS once for many objects, which costs a hundredth (S3 User Guide, "Bucket Keys").
                {
                    "ServerSideEncryptionByDefault": encryption,
                    "BucketKeyEnabled": None if place.key is None else True,
                }
            ]
        },
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        "LifecycleConfiguration": {"Rules": [_uploads(), *(rule for each in prefixes for rule in _lifecycle(each))]},
    }


def _uploads() -> Tree:
    return {
        "Id": "unfinished-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }


def _lifecycle(prefix: str) -> list[Tree]:
    """Return the rules of one installation: nothing that a version or a snapshot needs ever goes by itself.

    State and lock are written every minute, and each write leaves an old version behind; the newest 50 are a way back.
    """
    name = prefix.replace("/", "-")
    rules: list[Tree] = [
        {
            "Id": f"{name}-state",
            "Status": "Enabled",
            "Prefix": f"{prefix}/state.",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 50},
            "ExpiredObjectDeleteMarker": True,
        },
        {
            "Id": f"{name}-runs",
            "Status": "Enabled",
            "Prefix": f"{prefix}/runs/",
            "ExpirationInDays": _WORK_DAYS,
            "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_DAYS},
        },
    ]
    # What Everfit deletes here itself, because nothing needs it any more, is gone for good a while later.
    rules += [
        {
            "Id": f"{name}-{folder}",
            "Status": "Enabled",
            "Prefix": f"{prefix}/{folder}/",
            "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_DAYS},
            "ExpiredObjectDeleteMarker": True,
        }
        for folder in ("artifacts", "code", "listings", "models", "snapshots")
    ]
    return rules


def _policy(place: AwsPlace) -> Tree:
    partition = partition_of(place.region)
    objects = Sub(f"arn:{partition}:s3:::${{Bucket}}/*")
    trail: Tree = {
        "StringLike": {"aws:SourceArn": Sub(f"arn:{partition}:cloudtrail:{place.region}:{ACCOUNT}:trail/everfit-*")}
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyWithTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [GetAtt("Bucket"), objects],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            # "Amazon S3 bucket policy for CloudTrail", CloudTrail User Guide; for environments with aws.audit.
            {
                "Sid": "TrailLooks",
                "Effect": "Allow",
                "Principal": {"Service": "cloudtrail.amazonaws.com"},
                "Action": "s3:GetBucketAcl",
                "Resource": GetAtt("Bucket"),
                "Condition": trail,
            },
            {
                "Sid": "TrailWrites",
                "Effect": "Allow",
                "Principal": {"Service": "cloudtrail.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": Sub(f"arn:{partition}:s3:::${{Bucket}}/{AUDITED_BELOW}/AWSLogs/{ACCOUNT}/*"),
                "Condition": trail,
            },
        ],
    }
