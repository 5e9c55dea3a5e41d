"""S3 as moto has it, with its 'Object Created' events sent to the bench's own event bus."""

import json
from typing import Any, cast

import moto.iam.access_control as access
import moto.s3.models as buckets

from tests.aws.bench.account import bucket_of
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.events import emit
from tests.aws.bench.operations import after, operation
from tests.aws.bench.world import World


def ignore_conditional_statements() -> None:
    """moto takes no notice of a condition: a policy that denies what comes without TLS would deny everything.

    What reaches the bench counts as having come with TLS, from a caller that the policy does not name.
    """
    bucket: Any = cast("Any", buckets).FakeBucket

    def permission(self: Any, action: str, resource: str) -> Any:
        document = json.loads(self.policy or '{"Statement": []}')
        left = [each for each in document["Statement"] if not each.get("Condition")]
        if not left:
            return access.PermissionResult.NEUTRAL
        return access.IAMPolicy(json.dumps({**document, "Statement": left})).is_action_permitted(action, resource)

    bucket.get_permission = permission


ignore_conditional_statements()
REASONS = {"PutObject": "PutObject", "CompleteMultipartUpload": "CompleteMultipartUpload", "CopyObject": "CopyObject"}


@after("s3", "PutBucketNotificationConfiguration")
def keep_notifications(world: World, call: Call) -> None:
    """moto loses an ``EventBridgeConfiguration`` that is empty, as it always is."""
    world.table("s3.notifications", "")[call.params["Bucket"]] = call.params["NotificationConfiguration"]


@operation("s3", "GetBucketNotificationConfiguration")
def get_notifications(world: World, call: Call) -> Document:
    if bucket_of(call.params["Bucket"]) is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    return world.table("s3.notifications", "").get(call.params["Bucket"], {})


@after("s3", *REASONS)
def tell_created(world: World, call: Call) -> None:
    """Send the event, when the bucket has EventBridge switched on.

    Its shape is that of the S3 user guide, "EventBridge event message structure".
    """
    bucket = bucket_of(call.params["Bucket"])
    if bucket is None or "EventBridgeConfiguration" not in world.table("s3.notifications", "").get(bucket.name, {}):
        return
    key = bucket.keys.get(call.params["Key"])
    made = {
        "key": call.params["Key"],
        "size": key.size,
        "etag": key.etag.strip('"'),
        "sequencer": f"{call.number:018X}",
    }
    if bucket.versioning_status == "Enabled":
        made["version-id"] = key.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": made,
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": REASONS[call.operation],
    }
    emit(world, bucket.region_name, "aws.s3", "Object Created", detail, [f"arn:aws:s3:::{bucket.name}"])
