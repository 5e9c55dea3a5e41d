"""How a template is sent: directly while it is small, else by way of the bucket."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager

from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects
from everfit.adapters.aws.stack.cloudformation import Body
from everfit.adapters.aws.stack.pieces import Template
from everfit.adapters.aws.stack.template import DIRECT_BYTES, MOST_BYTES
from everfit.domain.aws import AwsPlace, partition_of
from everfit.domain.errors import RefusedError


@contextmanager
def sendable(template: Template, objects: S3Objects, place: AwsPlace) -> Generator[Body]:
    """Give what is sent; what lay in the bucket for it is gone afterwards."""
    text = template.text()
    content = text.encode()
    if len(content) <= DIRECT_BYTES:
        yield Body(text=text)
        return
    if len(content) > MOST_BYTES:
        raise RefusedError(
            f"The template of {place.names.stack} has {len(content):,} bytes, and CloudFormation takes {MOST_BYTES:,}: "
            "the project has too many schedules and events for one stack."
        )
    digest = hashlib.sha256(content).hexdigest()
    key = f"{place.prefix}/packages/templates/{digest}.json"
    objects.put(Put(key=key, body=content, replaces=NOTHING, sha256=digest))
    try:
        yield Body(text=None, url=_address(place, key))
    finally:
        objects.delete(key)


def _address(place: AwsPlace, key: str) -> str:
    domain = "amazonaws.com.cn" if partition_of(place.region) == "aws-cn" else "amazonaws.com"
    return f"https://{place.bucket}.s3.{place.region}.{domain}/{key}"
