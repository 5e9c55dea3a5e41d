"""Publishes a version's artifact under its own name, and makes its SageMaker model and configuration, each once."""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.endpoint_config import Document, Staging, difference
from everfit.adapters.aws.errors import MISSING, code_of, explained, is_ambiguous, refusal
from everfit.adapters.aws.intent import encryption, owner
from everfit.adapters.aws.pace import USUAL_PACE, Pace
from everfit.domain.aws import AwsPlace, split_url
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import RefusedError, RunFailedError

# CopyObject copies up to 5 GB in one call (API reference, CopyObject).
LARGEST_COPY: Final = 5 * 1024**3
PART: Final = 1024**3
_CHUNK: Final = 1 << 20
# SageMaker has no code of its own for what is not there or there already; Create and Describe calls both answer
# ValidationException, so that only a look tells which it is (botocore declares no other error for them).
INVALID: Final = "ValidationException"
_NOT_THERE: Final = "could not find"
UNSEEN_ATTEMPTS: Final = 5
MOST_PAUSE: Final = 2.0


def is_missing(error: ClientError) -> bool:
    """Tell whether a Describe call of SageMaker means that there is no such thing."""
    told = refusal(error)
    return told.code in MISSING or (told.code == INVALID and _NOT_THERE in told.said.lower())


def once_it_is_seen(call: Callable[[], object], pace: Pace) -> None:
    """Make a call that names what was made a moment ago, again while SageMaker does not find that.

    Its reads are eventually consistent, and it recommends to try again (API reference, CreateEndpointConfig).
    """
    for attempt in range(UNSEEN_ATTEMPTS):
        try:
            call()
        except ClientError as error:
            if not is_missing(error) or attempt == UNSEEN_ATTEMPTS - 1:
                raise
            time.sleep(min(MOST_PAUSE, pace.interval.total_seconds()))
        else:
            return


class PublishedModels:
    """The copies ``models/<model>/<version>/model.tar.gz`` of an installation; a version's copy never changes."""

    def __init__(self, clients: Clients, place: AwsPlace) -> None:
        self._clients = clients
        self._place = place

    def url(self, model: str, version: int) -> str:
        """Return where a version's copy is."""
        return f"{self._place.home}/models/{model}/{version}/model.tar.gz"

    def publish(self, version: ServedVersion) -> str:
        """Copy the artifact to its place unless it is there, and return the URL.

        Raises:
            RefusedError: other bytes than the version's are there.
        """
        url = self.url(version.model_name, version.version)
        if not version.model.startswith("s3://"):
            raise RefusedError(f"Version {version.version} lies in {version.model}, which SageMaker cannot read.")
        with explained(f"publish version {version.version} of {version.model_name} as {url}"):
            if self._found(url) is None:
                self._copy(version, url)
            digest = self._digest(url)
        if digest != version.artifact:
            raise RefusedError(
                f"{url} holds other bytes ({digest}) than version {version.version} of {version.model_name} "
                f"({version.artifact}). Nothing was shifted; put the object's version before back."
            )
        return url

    def mended(self, version: ServedVersion) -> str | None:
        """Put the version's own bytes back where others, or none, are; return in words what was found.

        SageMaker reads the copy again for every instance that it starts (Developer Guide, "Deploy models for real-time
        inference"), and no URL of a model names a version of its object.

        Raises:
            RefusedError: the artifact itself is not what it was.
        """
        url = self.url(version.model_name, version.version)
        with explained(f"look at the published copy {url}"):
            is_there = self._found(url) is not None
            found = self._digest(url) if is_there else None
            if found == version.artifact:
                return None
            digest = self._digest(version.model)
            if digest != version.artifact:
                raise RefusedError(
                    f"{url} does not hold version {version.version} of {version.model_name}, and neither does "
                    f"{version.model} ({digest}). Put the versions of these objects before back."
                )
            self._copy(version, url)
        return f"other bytes ({found})" if is_there else "nothing"

    def size(self, url: str) -> int:
        """Return the bytes of a published copy."""
        with explained(f"look at {url}"):
            return int((self._found(url) or {}).get("ContentLength", 0))

    def _found(self, url: str) -> Mapping[str, Any] | None:
        bucket, key = split_url(url)
        try:
            found: Mapping[str, Any] = self._clients("s3").head_object(
                Bucket=bucket, Key=key, ChecksumMode="ENABLED", **owner(self._place)
            )
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise
        return found

    def _copy(self, version: ServedVersion, url: str) -> None:
        source_bucket, source_key = split_url(version.model)
        bucket, key = split_url(url)
        size = int((self._found(version.model) or {}).get("ContentLength", 0))
        source = f"{source_bucket}/{source_key}"
        kept = {**owner(self._place), **encryption(self._place), "ChecksumAlgorithm": "SHA256"}
        if size > LARGEST_COPY:
            self._copy_parts(source, {"Bucket": bucket, "Key": key}, size, kept)
        else:
            self._clients("s3").copy_object(CopySource=source, Bucket=bucket, Key=key, **kept)

    def _copy_parts(self, source: str, target: Mapping[str, str], size: int, kept: Document) -> None:
        s3 = self._clients("s3")
        upload: str = s3.create_multipart_upload(**target, **kept)["UploadId"]
        parts: list[Document] = []
        try:
            for number, start in enumerate(range(0, size, PART), start=1):
                end = min(start + PART, size) - 1
                copied: Document = s3.upload_part_copy(
                    **target,
                    UploadId=upload,
                    PartNumber=number,
                    CopySource=source,
                    CopySourceRange=f"bytes={start}-{end}",
                )["CopyPartResult"]
                part = {"PartNumber": number, "ETag": copied["ETag"]}
                parts.append(
                    {**part, "ChecksumSHA256": copied["ChecksumSHA256"]} if "ChecksumSHA256" in copied else part
                )
            s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
        except (ClientError, BotoCoreError):
            s3.abort_multipart_upload(**target, UploadId=upload)
            raise

    def _digest(self, url: str) -> str:
        """Return the digest of what is there: by S3's own checksum of the whole object, or by reading it."""
        checksum = (self._found(url) or {}).get("ChecksumSHA256")
        # That of an object in parts is a checksum of checksums, and ends with their number.
        if checksum and "-" not in checksum:
            return f"sha256:{base64.b64decode(checksum).hex()}"
        bucket, key = split_url(url)
        hasher = hashlib.sha256()
        body = self._clients("s3").get_object(Bucket=bucket, Key=key, **owner(self._place))["Body"]
        for chunk in body.iter_chunks(_CHUNK):
            hasher.update(chunk)
        return f"sha256:{hasher.hexdigest()}"


class StagedModels:
    """The models and endpoint configurations of SageMaker."""

    def __init__(self, clients: Clients, pace: Pace = USUAL_PACE) -> None:
        self._clients = clients
        self._pace = pace

    def make(self, wanted: Staging) -> None:
        """Make model and configuration unless they are there.

        Raises:
            RefusedError: one of that name says something else.
            RunFailedError: SageMaker does not take it, as when the image does not exist.
        """
        sagemaker = self._clients("sagemaker")
        self._one("model", wanted.model, sagemaker.create_model, self.model)
        self.make_config(wanted.config)

    def make_config(self, config: Document) -> None:
        """Make an endpoint configuration unless it is there."""
        self._one("endpoint configuration", config, self._clients("sagemaker").create_endpoint_config, self.config)

    def model(self, name: str) -> Document | None:
        """Return the model as SageMaker describes it; None when there is none."""
        return self._described(lambda: self._clients("sagemaker").describe_model(ModelName=name))

    def config(self, name: str) -> Document | None:
        """Return the configuration as SageMaker describes it; None when there is none."""
        return self._described(
            lambda: self._clients("sagemaker").describe_endpoint_config(EndpointConfigName=name),
        )

    def remove(self, name: str) -> None:
        """Delete the configuration and the model of that name; what is gone already is fine."""
        sagemaker = self._clients("sagemaker")
        deletions: tuple[Callable[[], object], ...] = (
            lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name),
            lambda: sagemaker.delete_model(ModelName=name),
        )
        for delete in deletions:
            with explained(f"delete what {name} was made of"):
                try:
                    delete()
                except ClientError as error:
                    if not is_missing(error):
                        raise

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a thing of SageMaker's."""
        with explained(f"read the tags of {arn}"):
            found = self._clients("sagemaker").list_tags(ResourceArn=arn)["Tags"]
        return {str(tag["Key"]): str(tag["Value"]) for tag in found}

    def _one(
        self, kind: str, wanted: Document, create: Callable[..., object], look: Callable[[str], Document | None]
    ) -> None:
        name = str(wanted["ModelName" if kind == "model" else "EndpointConfigName"])
        found = look(name)
        if found is None:
            with explained(f"make the {kind} {name}"):
                found = self._made(kind, name, wanted, create, look)
        said = {key: value for key, value in wanted.items() if key != "Tags"}
        different = None if found is None else difference(said, found)
        if different is not None:
            raise RefusedError(
                f"The {kind} {name} exists with another {different} than Everfit gives it. Delete it; Everfit makes "
                "it anew."
            )

    def _made(
        self,
        kind: str,
        name: str,
        wanted: Document,
        create: Callable[..., object],
        look: Callable[[str], Document | None],
    ) -> Document | None:
        """Make it, and return it as it is described when another was first; an answer that was lost is looked up."""
        try:
            once_it_is_seen(lambda: create(**wanted), self._pace)
        except (ClientError, BotoCoreError) as error:
            is_refused = isinstance(error, ClientError) and code_of(error) == INVALID
            if not is_refused and not is_ambiguous(error):
                raise
            found = look(name)
            if found is not None:
                return found
            if isinstance(error, ClientError) and is_refused:
                raise RunFailedError(
                    f"SageMaker does not take the {kind} {name}: {refusal(error).said} Nothing was shifted."
                ) from error
            raise
        return None

    def _described(self, describe: Callable[[], Document]) -> Document | None:
        with explained("look at what SageMaker has"):
            try:
                return describe()
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
