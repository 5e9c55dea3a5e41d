"""Examines the buckets: there, in the region, versioned, encrypted, closed, and only by TLS."""

import json
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.doctor_words import Finding, Subject, looked, statements_of
from everfit.adapters.aws.errors import code_of
from everfit.domain.aws import split_url

# What S3 answers when nobody has set it (API reference, GetPublicAccessBlock, GetBucketPolicy, GetBucketEncryption).
UNSET: Final = frozenset(
    {
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchBucketPolicy",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


def examine_storage(subject: Subject) -> Iterator[Finding]:
    """Yield what was found out about the buckets of the installation and of the data."""
    place = subject.place
    own = _bucket(subject, place.bucket, "`everfit apply` makes it, or correct aws.bucket")
    yield own
    if own.is_well:
        yield from _own_bucket(subject)
    source = subject.project.data_in(subject.environment).source.replace("s3a://", "s3://")
    if source.startswith("s3://") and split_url(source)[0] != place.bucket:
        yield _bucket(subject, split_url(source)[0], "correct data.source")


def _bucket(subject: Subject, bucket: str, to_do: str) -> Finding:
    region = subject.place.region

    def look() -> Finding:
        try:
            answer: Any = subject.clients("s3").head_bucket(Bucket=bucket)
        except ClientError as error:
            # A bucket elsewhere, or of somebody else, tells its region all the same (API reference, HeadBucket).
            if _region_of(error.response) in (None, region):
                raise
            answer = error.response
        found = _region_of(answer) or region
        if found != region:
            words = f"the bucket {bucket} is in {found}, and aws.region is {region}; both must be the same"
            return Finding(name="bucket", is_well=False, words=words)
        return Finding(name="bucket", is_well=True, words=f"{bucket} is there, in {found}")

    return looked("bucket", f"the bucket {bucket}", look, missing=f"there is no bucket {bucket}: {to_do}")


def _region_of(answer: Any) -> str | None:
    headers: dict[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region")


def _own_bucket(subject: Subject) -> Iterator[Finding]:
    bucket = subject.place.bucket
    for name, look in (
        ("versions", _versions),
        ("encryption", _encryption),
        ("public access", _closed),
        ("TLS", _tls),
    ):

        def examined(look: Any = look) -> Finding:
            found: Finding = look(subject)
            return found

        yield looked(name, f"the bucket {bucket}", examined, missing=f"there is no bucket {bucket}")


def _versions(subject: Subject) -> Finding:
    found = subject.clients("s3").get_bucket_versioning(Bucket=subject.place.bucket).get("Status")
    if found != "Enabled":
        words = f"{subject.place.bucket} keeps no old versions, so a lost state cannot be put back; turn versioning on"
        return Finding(name="versions", is_well=None, words=words)
    return Finding(name="versions", is_well=True, words="old versions of objects are kept")


def _encryption(subject: Subject) -> Finding:
    answer = _set(lambda: subject.clients("s3").get_bucket_encryption(Bucket=subject.place.bucket))
    rules = (answer or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    algorithms = {str(each.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm")) for each in rules}
    if subject.place.key is not None and "aws:kms" not in algorithms:
        words = "aws.key is given, and the bucket's own encryption is not by KMS; what Everfit writes is"
        return Finding(name="encryption", is_well=None, words=words)
    # S3 encrypts whatever is written since January 2023 (S3 User Guide, "Default encryption FAQ").
    return Finding(name="encryption", is_well=True, words=", ".join(sorted(algorithms)) or "keys that S3 manages")


def _closed(subject: Subject) -> Finding:
    answer = _set(lambda: subject.clients("s3").get_public_access_block(Bucket=subject.place.bucket))
    blocks = (answer or {}).get("PublicAccessBlockConfiguration", {})
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    missing = [name for name in names if not blocks.get(name)]
    if missing:
        words = f"{subject.place.bucket} could be made public: turn on {', '.join(missing)}"
        return Finding(name="public access", is_well=False, words=words)
    return Finding(name="public access", is_well=True, words="blocked")


def _tls(subject: Subject) -> Finding:
    answer = _set(lambda: subject.clients("s3").get_bucket_policy(Bucket=subject.place.bucket))
    if not refuses_plain(json.loads((answer or {}).get("Policy", "{}"))):
        words = f"{subject.place.bucket} can be read without TLS; refuse aws:SecureTransport false in its policy"
        return Finding(name="TLS", is_well=None, words=words)
    return Finding(name="TLS", is_well=True, words="required")


def refuses_plain(policy: object) -> bool:
    """Tell whether the policy refuses whatever comes without TLS."""
    wanted = ({"aws:SecureTransport": "false"}, {"aws:SecureTransport": ["false"]})
    return any(
        each.get("Effect") == "Deny" and each.get("Condition", {}).get("Bool") in wanted
        for each in statements_of(policy)
    )


def _set(look: Any) -> dict[str, Any] | None:
    """Return what has been set, or None when nobody has."""
    try:
        found: dict[str, Any] = look()
    except ClientError as error:
        if code_of(error) in UNSET:
            return None
        raise
    return found
