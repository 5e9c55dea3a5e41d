"""Sends a content to S3 with its SHA-256, in parts when it is large."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

# One PutObject takes up to 5 GB, parts have 5 MB to 5 GB, at most 10,000 of them (user guide, "multipart upload
# overview"). Only an object written at once has a SHA-256 of the whole, so that parts are for the very large.
SINGLE: Final = 1 << 30
PART: Final = 64 << 20
CONDITIONS: Final = ("IfMatch", "IfNoneMatch")
PLACE: Final = ("Bucket", "Key", "ExpectedBucketOwner")


class Upload:
    """One content on its way; it may be sent again.

    Args:
        options: of ``PutObject``, but for the content and its checksum.
        sha256: hexadecimal digest of the content, when it is known.
        single: the largest file, in bytes, that is sent at once.
    """

    def __init__(
        self, client: Any, options: Mapping[str, Any], body: bytes | Path, sha256: str | None, single: int = SINGLE
    ) -> None:
        self._client = client
        self._single = single
        self._options = options
        self._body = body
        self._sha256 = sha256

    def send(self) -> str:
        """Send it and return the object's ETag."""
        if isinstance(self._body, bytes):
            return self._at_once(self._body, self._sha256 or hashlib.sha256(self._body).hexdigest())
        if self._body.stat().st_size > self._single:
            return self._in_parts(self._body)
        with self._body.open("rb") as file:
            if self._sha256 is None:
                self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
            return self._at_once(file, self._sha256)

    def _at_once(self, body: Any, sha256: str) -> str:
        # S3 refuses a content of another digest (API reference, PutObject, x-amz-checksum-sha256).
        checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _checksum(bytes.fromhex(sha256))}
        answer = self._client.put_object(**self._options, **checksum, Body=body)
        return str(answer["ETag"])

    def _in_parts(self, path: Path) -> str:
        begun = {name: value for name, value in self._options.items() if name not in CONDITIONS}
        place: dict[str, Any] = {name: value for name, value in begun.items() if name in PLACE}
        upload = self._client.create_multipart_upload(**begun, ChecksumAlgorithm="SHA256")["UploadId"]
        try:
            parts = self._sent(path, {**place, "UploadId": upload})
            # The condition is asked when the parts become an object (API reference, CompleteMultipartUpload).
            conditions = {name: self._options[name] for name in CONDITIONS if name in self._options}
            answer = self._client.complete_multipart_upload(
                **place, **conditions, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            with suppress(ClientError, BotoCoreError):  # The bucket's lifecycle removes what is left of it.
                self._client.abort_multipart_upload(**place, UploadId=upload)
            raise
        return str(answer["ETag"])

    def _sent(self, path: Path, place: Mapping[str, Any]) -> list[Mapping[str, object]]:
        parts: list[Mapping[str, object]] = []
        with path.open("rb") as file:
            while data := file.read(min(PART, self._single)):
                number, checksum = len(parts) + 1, _checksum(hashlib.sha256(data).digest())
                answer = self._client.upload_part(**place, PartNumber=number, Body=data, ChecksumSHA256=checksum)
                parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})
        return parts


def _checksum(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
