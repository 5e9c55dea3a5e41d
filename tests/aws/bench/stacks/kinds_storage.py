"""Buckets, keys, logs and trails in stacks."""

import json
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.errors import ACCOUNT
from tests.aws.bench.stacks.kinds import KINDS, Kind, Made, Place, chosen, tag_map

BLOCK = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def bucket_name(place: Place, given: Document) -> str:
    return str(given.get("BucketName") or place.name().lower())


def create_bucket(place: Place, given: Document) -> Made:
    s3, name = place.client("s3"), bucket_name(place, given)
    where = {} if place.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    s3.create_bucket(Bucket=name, **where)
    configure_bucket(s3, name, given)
    tags = place.all_tags(given)
    if tags:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    return name, bucket_attributes(place, name)


def bucket_attributes(place: Place, name: str) -> Document:
    domain = f"{name}.s3.amazonaws.com"
    return {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": domain,
        "RegionalDomainName": f"{name}.s3.{place.region}.amazonaws.com",
    }


def configure_bucket(s3: Any, name: str, given: Document) -> None:
    """Make the calls behind the properties of a bucket."""
    if "VersioningConfiguration" in given:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=given["VersioningConfiguration"])
    if "BucketEncryption" in given:
        rules = [encryption_rule(rule) for rule in given["BucketEncryption"]["ServerSideEncryptionConfiguration"]]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if "PublicAccessBlockConfiguration" in given:
        wanted = chosen(given["PublicAccessBlockConfiguration"], *BLOCK)
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=wanted)
    if "OwnershipControls" in given:
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=given["OwnershipControls"])
    if "LifecycleConfiguration" in given:
        rules = [lifecycle_rule(rule) for rule in given["LifecycleConfiguration"]["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    if "NotificationConfiguration" in given:
        bridge = given["NotificationConfiguration"].get("EventBridgeConfiguration")
        is_on = bridge is not None and str(bridge.get("EventBridgeEnabled", True)).lower() == "true"
        wanted = {"EventBridgeConfiguration": {}} if is_on else {}
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=wanted)
    if "LoggingConfiguration" in given:
        target = given["LoggingConfiguration"]
        wanted = {"TargetBucket": target["DestinationBucketName"], "TargetPrefix": target.get("LogFilePrefix", "")}
        s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": wanted})


def encryption_rule(rule: Document) -> Document:
    default = rule["ServerSideEncryptionByDefault"]
    return {"ApplyServerSideEncryptionByDefault": default, **chosen(rule, "BucketKeyEnabled")}


def lifecycle_rule(rule: Document) -> Document:
    """Return the API's words for a rule of the template."""
    made: Document = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    elif rule.get("ExpiredObjectDeleteMarker"):
        made["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if "NoncurrentVersionExpirationInDays" in rule:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(rule["NoncurrentVersionExpirationInDays"])}
    made |= chosen(rule, "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
    if "Transitions" in rule:
        made["Transitions"] = [
            {"StorageClass": each["StorageClass"], "Days": int(each["TransitionInDays"])}
            for each in rule["Transitions"]
        ]
    return made


def update_bucket(place: Place, name: str, old: Document, new: Document) -> Made:
    s3 = place.client("s3")
    if "LifecycleConfiguration" in old and "LifecycleConfiguration" not in new:
        s3.delete_bucket_lifecycle(Bucket=name)
    configure_bucket(s3, name, new)
    return name, bucket_attributes(place, name)


def delete_bucket(place: Place, name: str, given: Document) -> None:
    """A bucket that has objects stays (API reference, DeleteBucket: BucketNotEmpty)."""
    del given
    place.client("s3").delete_bucket(Bucket=name)


def read_bucket(place: Place, name: str) -> Document:
    s3 = place.client("s3")
    s3.head_bucket(Bucket=name)
    status = s3.get_bucket_versioning(Bucket=name).get("Status")
    return {"VersioningConfiguration": {"Status": status}} if status else {}


def create_bucket_policy(place: Place, given: Document) -> Made:
    place.client("s3").put_bucket_policy(Bucket=given["Bucket"], Policy=json.dumps(given["PolicyDocument"]))
    return str(given["Bucket"]), {}


def delete_bucket_policy(place: Place, name: str, given: Document) -> None:
    del given
    place.client("s3").delete_bucket_policy(Bucket=name)


def create_key(place: Place, given: Document) -> Made:
    kms = place.client("kms")
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in place.all_tags(given)]
    policy = {"Policy": json.dumps(given["KeyPolicy"])} if "KeyPolicy" in given else {}
    made = kms.create_key(Tags=tags, **policy, **chosen(given, "Description", "KeyUsage", "KeySpec"))["KeyMetadata"]
    if given.get("EnableKeyRotation"):
        kms.enable_key_rotation(KeyId=made["KeyId"])
    return made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]}


def update_key(place: Place, name: str, old: Document, new: Document) -> Made:
    kms = place.client("kms")
    if old.get("KeyPolicy") != new.get("KeyPolicy"):
        kms.put_key_policy(KeyId=name, PolicyName="default", Policy=json.dumps(new["KeyPolicy"]))
    if new.get("EnableKeyRotation") and not old.get("EnableKeyRotation"):
        kms.enable_key_rotation(KeyId=name)
    return name, {"Arn": kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"], "KeyId": name}


def delete_key(place: Place, name: str, given: Document) -> None:
    days = int(given.get("PendingWindowInDays", 30))
    place.client("kms").schedule_key_deletion(KeyId=name, PendingWindowInDays=days)


def create_key_alias(place: Place, given: Document) -> Made:
    place.client("kms").create_alias(AliasName=given["AliasName"], TargetKeyId=given["TargetKeyId"])
    return str(given["AliasName"]), {}


def update_key_alias(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    place.client("kms").update_alias(AliasName=name, TargetKeyId=new["TargetKeyId"])
    return name, {}


def delete_key_alias(place: Place, name: str, given: Document) -> None:
    del given
    place.client("kms").delete_alias(AliasName=name)


def log_group_attributes(place: Place, name: str) -> Document:
    return {"Arn": f"arn:aws:logs:{place.region}:{ACCOUNT}:log-group:{name}:*"}


def create_log_group(place: Place, given: Document) -> Made:
    logs, name = place.client("logs"), str(given.get("LogGroupName") or place.name(512))
    key = {"kmsKeyId": given["KmsKeyId"]} if "KmsKeyId" in given else {}
    tags = {"tags": tag_map(place.all_tags(given))} if place.all_tags(given) else {}
    logs.create_log_group(logGroupName=name, **key, **tags)
    return update_log_group(place, name, {}, given)


def update_log_group(place: Place, name: str, old: Document, new: Document) -> Made:
    logs = place.client("logs")
    if "RetentionInDays" in new:
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(new["RetentionInDays"]))
    elif "RetentionInDays" in old:
        logs.delete_retention_policy(logGroupName=name)
    return name, log_group_attributes(place, name)


def delete_log_group(place: Place, name: str, given: Document) -> None:
    del given
    place.client("logs").delete_log_group(logGroupName=name)


def read_log_group(place: Place, name: str) -> Document:
    groups = place.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    found = [group for group in groups if group["logGroupName"] == name]
    if not found:
        raise LookupError(name)
    return {"RetentionInDays": found[0]["retentionInDays"]} if "retentionInDays" in found[0] else {}


def trail_settings(given: Document) -> Document:
    names = ("S3BucketName", "S3KeyPrefix", "IncludeGlobalServiceEvents", "IsMultiRegionTrail", "KmsKeyId")
    made = chosen(given, *names)
    if "KMSKeyId" in given:
        made["KmsKeyId"] = given["KMSKeyId"]
    if "EnableLogFileValidation" in given:
        made["EnableLogFileValidation"] = given["EnableLogFileValidation"]
    return made


def create_trail(place: Place, given: Document) -> Made:
    trails, name = place.client("cloudtrail"), str(given.get("TrailName") or place.name())
    made = trails.create_trail(Name=name, **trail_settings(given))
    switch_trail(trails, name, given)
    return name, {"Arn": made["TrailARN"]}


def switch_trail(trails: Any, name: str, given: Document) -> None:
    if "EventSelectors" in given:
        trails.put_event_selectors(TrailName=name, EventSelectors=given["EventSelectors"])
    (trails.start_logging if given.get("IsLogging") else trails.stop_logging)(Name=name)


def update_trail(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    trails = place.client("cloudtrail")
    made = trails.update_trail(Name=name, **trail_settings(new))
    switch_trail(trails, name, new)
    return name, {"Arn": made["TrailARN"]}


def delete_trail(place: Place, name: str, given: Document) -> None:
    del given
    place.client("cloudtrail").delete_trail(Name=name)


KINDS |= {
    "AWS::S3::Bucket": Kind(create=create_bucket, update=update_bucket, delete=delete_bucket, read=read_bucket),
    "AWS::S3::BucketPolicy": Kind(
        create=create_bucket_policy,
        update=lambda place, name, old, new: create_bucket_policy(place, new),
        delete=delete_bucket_policy,
    ),
    "AWS::KMS::Key": Kind(create=create_key, update=update_key, delete=delete_key),
    "AWS::KMS::Alias": Kind(create=create_key_alias, update=update_key_alias, delete=delete_key_alias),
    "AWS::Logs::LogGroup": Kind(
        create=create_log_group, update=update_log_group, delete=delete_log_group, read=read_log_group
    ),
    "AWS::CloudTrail::Trail": Kind(create=create_trail, update=update_trail, delete=delete_trail),
}
