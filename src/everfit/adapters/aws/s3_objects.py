"""Objects of one S3 bucket, read and written so that two writers never overwrite each other unawares.

Every write carries an id of its own in the object's metadata: when the answer is lost, a look tells whether it was
accepted. What S3 says of an object comes with S3's own time, so that nothing depends on the clock of a machine.
"""

import base64
import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError, ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import MISSING, code_of, explained, is_ambiguous, translated, unreached
from everfit.adapters.aws.s3_upload import SINGLE, Upload
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, EverfitError, NotFoundError

CHUNK: Final = 1 << 20
ATTEMPTS: Final = 4
FIRST_PAUSE: Final = 0.05
# A conditional write that met another one is to be sent again (API reference, PutObject, "409 Conflict").
COLLIDED: Final = frozenset({"ConditionalRequestConflict", "OperationAborted"})
LOST: Final = frozenset({"PreconditionFailed", "412"})
# GetObject and HeadObject answer 304 to If-None-Match (API reference); botocore takes that for an error of this code.
UNCHANGED: Final = "304"
WRITE: Final = "everfit-write"
EARLIER: Final = "everfit-earlier"

NOTHING: Final = ""
"""What an object replaces that must be new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What S3 says of an object.

    Args:
        size: in bytes.
        modified: when it was written, by S3's clock.
        now: when S3 said so, by the same clock.
        sha256: hexadecimal digest of the whole content; None when S3 keeps none.
        version: None in a bucket that keeps no versions.
        notes: the metadata.
    """

    etag: str
    size: int
    modified: datetime
    now: datetime
    sha256: str | None
    version: str | None
    notes: Mapping[str, str]

    @property
    def writes(self) -> tuple[str, ...]:
        """The ids of the write that made it and of some before, newest first."""
        return tuple(filter(None, (self.notes.get(WRITE), *self.notes.get(EARLIER, "").split())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """An object that fits into memory."""

    facts: Facts
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What is to be written.

    Args:
        replaces: ETag of what it may replace; ``NOTHING`` when the object must be new, None replaces whatever is there.
        sha256: hexadecimal digest of the content, when it is known.
        notes: metadata, in ASCII.
        earlier: ids of the writes before, so that this one is recognised under a newer one as well.
    """

    key: str
    body: bytes | Path
    replaces: str | None = None
    sha256: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A write that was accepted."""

    etag: str
    write: str


class S3Objects:
    """The objects of a bucket.

    Args:
        bucket: None takes the installation's own, whose owner is checked when the place names an account.
        single: the largest file, in bytes, that is written at once.
    """

    def __init__(self, clients: Clients, place: AwsPlace, bucket: str | None = None, *, single: int = SINGLE) -> None:
        self._single = single
        self._clients = clients
        self._key = place.key
        self.bucket = bucket or place.bucket
        self.region = clients.region
        is_own = self.bucket == place.bucket and place.account is not None
        self._owner: Mapping[str, str] = {"ExpectedBucketOwner": str(place.account)} if is_own else {}

    def url(self, key: str) -> str:
        """Return the URL of an object."""
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str, *, unless: str = "") -> Content | None:
        """Return the object; None while its ETag is *unless*.

        Raises:
            NotFoundError: there is none.
        """
        condition = {"IfNoneMatch": unless} if unless else {}
        with explained(f"read {self.url(key)}"):
            try:
                answer = self._client.get_object(**self._at(key), ChecksumMode="ENABLED", **condition)
                return Content(facts=_facts(answer), data=answer["Body"].read())
            except ClientError as error:
                if code_of(error) == UNCHANGED:
                    return None
                raise

    def look(self, key: str) -> Facts:
        """Return what S3 says of the object, or raise ``NotFoundError``."""
        with explained(f"look at {self.url(key)}"):
            return _facts(self._client.head_object(**self._at(key), ChecksumMode="ENABLED"))

    def seen(self, key: str) -> Facts | None:
        """Return what S3 says of the object, None when there is none."""
        try:
            return self.look(key)
        except NotFoundError:
            return None

    def parts(self, key: str, *, version: str | None = None, etag: str | None = None) -> Iterator[bytes]:
        """Yield the content in parts; with *etag*, an object that is another one meanwhile is refused."""
        chosen = {"VersionId": version} if version else {}
        condition = {"IfMatch": etag} if etag else {}
        with explained(f"read {self.url(key)}"):
            answer = self._client.get_object(**self._at(key), **chosen, **condition)
            # Whoever wants no more of it leaves a connection behind that is of no use to anybody.
            with closing(answer["Body"]) as body:
                while part := body.read(CHUNK):
                    yield part

    def section(self, key: str, start: int, size: int) -> bytes:
        """Return *size* bytes from *start* on, fewer where the object ends."""
        with explained(f"read {self.url(key)}"):
            answer = self._client.get_object(**self._at(key), Range=f"bytes={start}-{start + size - 1}")
            return bytes(answer["Body"].read())

    def fetch(self, key: str, target: BinaryIO) -> None:
        """Write the object's content into *target*."""
        for part in self.parts(key):
            target.write(part)

    def put(self, put: Put) -> Written | None:
        """Write an object; None when what it must replace is not there any more.

        Raises:
            BackendError: S3 does not answer, or it cannot be known whether it has accepted the write.
        """
        write = uuid.uuid4().hex
        options = {**self._at(put.key), **self._options(put, write)}
        upload = Upload(self._client, options, put.body, put.sha256, self._single)
        doubtful: EverfitError | None = None
        for attempt in range(ATTEMPTS):
            time.sleep(FIRST_PAUSE * (2**attempt - 1))
            try:
                return Written(etag=upload.send(), write=write)
            except ClientError as error:
                code = code_of(error)
                if code in LOST or (put.replaces and code in MISSING):
                    # If-Match on a key that holds nothing is 404 (API reference, PutObject).
                    # A lost answer makes botocore ask again, and then our own first write is in the way.
                    return self._settled(put.key, write) if doubtful or _was_repeated(error) else None
                if code not in COLLIDED:
                    doubtful = translated(error, f"write {self.url(put.key)}")
                    _raise_unless(is_ambiguous(error), doubtful, error)
            except BotoCoreError as error:
                doubtful = unreached(error, f"write {self.url(put.key)}")
                _raise_unless(is_ambiguous(error), doubtful, error)
            found = self._settled(put.key, write) if doubtful else None
            if found is not None:
                return found
        raise doubtful or BackendError(
            f"{self.url(put.key)} is being written by others all the time. Try again.", retryable=True
        )

    def put_same(self, put: Put, sha256_of: Callable[[Facts], str | None] = lambda facts: facts.sha256) -> None:
        """Make the object have this content and these notes; nothing is sent when it has them already.

        Args:
            sha256_of: returns the digest of the content that is there, None when it is not known.
        """
        wanted = replace(put, sha256=put.sha256 or _sha256(put.body))
        for _ in range(ATTEMPTS):
            facts = self.seen(put.key)
            if facts is not None and sha256_of(facts) == wanted.sha256 and put.notes.items() <= facts.notes.items():
                return
            if self.put(replace(wanted, replaces=NOTHING if facts is None else facts.etag)) is not None:
                return
        raise BackendError(f"{self.url(put.key)} changed while it was written. Try again.", retryable=True)

    def delete(self, key: str, *, version: str | None = None, etag: str | None = None) -> None:
        """Remove the object; nothing happens when there is none.

        Args:
            etag: only the object with this one is removed.
        """
        chosen = {"VersionId": version} if version else {}
        # Conditional deletes (S3 user guide, "Conditional deletes").
        condition = {"IfMatch": etag} if etag else {}
        with explained(f"remove {self.url(key)}"):
            try:
                self._client.delete_object(**self._at(key), **chosen, **condition)
            except ClientError as error:
                if code_of(error) not in LOST | MISSING:
                    raise

    @property
    def _client(self) -> Any:
        return self._clients("s3")

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": key, **self._owner}

    def _options(self, put: Put, write: str) -> dict[str, Any]:
        notes = {**put.notes, WRITE: write, **({EARLIER: " ".join(put.earlier)} if put.earlier else {})}
        options: dict[str, Any] = {"Metadata": notes}
        if self._key is not None:
            options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._key, "BucketKeyEnabled": True}
        if put.replaces is not None:
            options |= {"IfMatch": put.replaces} if put.replaces else {"IfNoneMatch": "*"}
        return options

    def _settled(self, key: str, write: str) -> Written | None:
        """Look whether the write was accepted after all."""
        found = self.seen(key)
        # Under a newer write, the ETag is that one's; what is written next meets it and is refused, as it should be.
        return Written(etag=found.etag, write=write) if found is not None and write in found.writes else None


def hexadecimal(checksum: str) -> str:
    """Return the digest that S3 writes in base 64."""
    return base64.b64decode(checksum).hex()


def digest_of_parts(parts: Iterator[bytes]) -> str:
    """Return the hexadecimal SHA-256 of the content."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return hasher.hexdigest()


def _sha256(body: bytes | Path) -> str:
    if isinstance(body, bytes):
        return hashlib.sha256(body).hexdigest()
    with body.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _raise_unless(is_doubtful: bool, error: EverfitError, cause: Exception) -> None:
    if not is_doubtful:
        raise error from cause


def _was_repeated(error: ClientError) -> bool:
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _facts(answer: Mapping[str, Any]) -> Facts:
    headers: Mapping[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    checksum = answer.get("ChecksumSHA256")
    # Of an object written in parts, whose ETag is "…-3", S3 keeps a SHA-256 of the parts' SHA-256 only (user guide,
    # "Checking object integrity").
    is_whole = checksum is not None and "-" not in f"{checksum}{answer['ETag']}"
    return Facts(
        etag=str(answer["ETag"]),
        size=int(answer["ContentLength"]),
        modified=answer["LastModified"],
        now=parsedate_to_datetime(headers["date"]) if "date" in headers else answer["LastModified"],
        sha256=hexadecimal(str(checksum)) if is_whole else None,
        version=answer.get("VersionId"),
        notes=answer.get("Metadata") or {},
    )
