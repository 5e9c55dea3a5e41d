"""Lists the objects of a bucket page by page, in S3's order: by the bytes of the keys' UTF-8."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import DENIED, ELSEWHERE, MISSING, code_of, explained
from everfit.domain.errors import RequestError

REGION: Final = "x-amz-bucket-region"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3File:
    """One object as a listing shows it.

    Args:
        size: in bytes.
        version: None where the listing tells none.
    """

    key: str
    size: int
    etag: str
    modified: datetime
    version: str | None = None


class S3Listing:
    """The objects of a bucket.

    Args:
        owner: account that must own the bucket; None lets any.
    """

    def __init__(self, clients: Clients, bucket: str, owner: str | None = None) -> None:
        self._clients = clients
        self._bucket = bucket
        self._owner: Mapping[str, str] = {} if owner is None else {"ExpectedBucketOwner": owner}

    def check(self) -> None:
        """Raise ``RequestError`` when there is no such bucket here, or it may not be read."""
        with explained(f"look at the bucket {self._bucket}"):
            try:
                answer = self._client.head_bucket(**self._place)
            except ClientError as error:
                raise self._refused(error) from error
        self._check_region(answer.get("BucketRegion"))

    def newest(self, prefix: str) -> Iterator[S3File]:
        """Yield every object below the prefix: its newest version, where the bucket keeps versions."""
        with explained(f"look at the bucket {self._bucket}"):
            # No status at all when versions were never kept (API reference, GetBucketVersioning).
            is_versioned = self._client.get_bucket_versioning(**self._place).get("Status") == "Enabled"
        return self._versions(prefix) if is_versioned else self.plain(prefix)

    def plain(self, prefix: str) -> Iterator[S3File]:
        """Yield every object below the prefix, without its version."""
        for page in self._pages("list_objects_v2", prefix):
            for each in page.get("Contents", ()):
                yield _file(each)

    def first(self, prefix: str) -> S3File | None:
        """Return the first object whose key begins so."""
        with explained(f"list s3://{self._bucket}/{prefix}"):
            found = self._client.list_objects_v2(**self._place, Prefix=prefix, MaxKeys=1).get("Contents", ())
        return _file(found[0]) if found else None

    def _versions(self, prefix: str) -> Iterator[S3File]:
        # Deleted objects are delete markers, which come in a list of their own (API reference, ListObjectVersions).
        for page in self._pages("list_object_versions", prefix):
            for each in page.get("Versions", ()):
                if each["IsLatest"]:
                    yield _file(each)

    def _pages(self, operation: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        with explained(f"list s3://{self._bucket}/{prefix}"):
            yield from self._client.get_paginator(operation).paginate(**self._place, Prefix=prefix)

    @property
    def _client(self) -> Any:
        return self._clients("s3")

    @property
    def _place(self) -> Mapping[str, str]:
        return {"Bucket": self._bucket, **self._owner}

    def _refused(self, error: ClientError) -> Exception:
        code = code_of(error)
        if code in MISSING or code == "NoSuchBucket":
            return RequestError(f"There is no bucket {self._bucket}. Look at data.source in everfit.yaml.")
        headers: Mapping[str, str] = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if code in ELSEWHERE:
            self._check_region(headers.get(REGION, "another region"))
        if code in DENIED:
            return RequestError(
                f"The bucket {self._bucket} may not be listed. Allow s3:ListBucket on it to the role in use, or look "
                "at data.source in everfit.yaml."
            )
        return error

    def _check_region(self, region: str | None) -> None:
        # botocore would follow the bucket into its region, and each training would pay for the way between the two.
        if region is not None and region != self._clients.region:
            raise RequestError(
                f"The bucket {self._bucket} is in {region}, and aws.region is {self._clients.region}. Copy the data "
                f"into a bucket in {self._clients.region}, or set aws.region to {region}."
            )


def _file(found: Mapping[str, Any]) -> S3File:
    return S3File(
        key=found["Key"],
        size=found["Size"],
        etag=found["ETag"],
        modified=found["LastModified"],
        version=found.get("VersionId"),
    )
