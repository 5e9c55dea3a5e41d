"""Keeps packed models in S3 under their digest; what was packed once is never replaced by anything else.

S3 keeps the SHA-256 that an object was written with, and had checked it then. So one look tells whether an artifact is
still what its digest says (user guide, "Checking object integrity").
"""

from functools import partial
from pathlib import Path
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_archives import SUFFIX, S3Archives
from everfit.adapters.aws.s3_objects import Facts, Put, S3Objects, digest_of_parts
from everfit.adapters.aws.scratch import Scratch
from everfit.adapters.files.archive import Member, write_archive
from everfit.adapters.files.disk import writing
from everfit.adapters.files.packing import package_members, plain_digest, size_of
from everfit.application.ports import Artifact
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import NotFoundError, RefusedError, RequestError

_LARGEST: Final = 64 * 10**9


class S3Artifacts:
    """Archives below ``artifacts/``; an artifact is handed on as the URL of its archive.

    Args:
        scratch: folder on this machine in which models are packed.
        limit: the most bytes that one archive may unpack to.
    """

    def __init__(self, clients: Clients, place: AwsPlace, scratch: Path, *, limit: int = _LARGEST) -> None:
        self._objects = S3Objects(clients, place)
        self._prefix = f"{place.prefix}/artifacts"
        self._scratch = Scratch(scratch)
        self._archives = S3Archives(clients, place, self._scratch)
        self._limit = limit
        # An archive written in parts has no digest of the whole in S3: it is read once for each ETag.
        self._read: dict[str, str] = {}

    def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
        with self._scratch.room() as folder:
            members = self._members(folder, model, code, requirements)
            self._scratch.check(size_of(members))
            packed = folder / "package.tar.gz"
            with writing(folder, size_of(members)), open(packed, "xb", buffering=0) as file:
                digest, size = write_archive(members, file)
            self._keep(packed, digest)
        return Artifact(digest=digest, size=size)

    def unpacked(self, digest: str) -> str:
        self.verify(digest)
        return self._objects.url(self._key(digest))

    def verify(self, digest: str) -> None:
        key = self._key(digest)
        try:
            facts = self._objects.look(key)
        except NotFoundError as error:
            raise NotFoundError(
                f"There is no artifact {digest}; it was never packed here, or it was removed."
            ) from error
        found = self._digest(key, facts)
        if found != plain_digest(digest):
            raise RefusedError(
                f"{self._objects.url(key)} is not what it was when it was packed: its digest is sha256:{found} now. "
                "Bring an earlier version of the object back, or deploy another version of the model."
            )

    def delete(self, digest: str) -> None:
        self._objects.delete(self._key(digest))

    def _members(self, folder: Path, model: str, code: str | None, requirements: str | None) -> dict[str, Member]:
        if model.startswith("s3://"):
            model = self._fetched_model(model, folder / "model")
        if code is not None and code.startswith("s3://"):
            self._archives.unpack_code(code, folder / "code")
            code = str(folder / "code")
        return package_members(model, code, requirements)

    def _fetched_model(self, url: str, target: Path) -> str:
        # SageMaker packs what is left in /opt/ml/model (guide, "How SageMaker Processes Training Output").
        archive = url if url.endswith(SUFFIX) else f"{url.rstrip('/')}{SUFFIX}"
        try:
            self._archives.unpack(archive, target, limit=self._limit)
        except NotFoundError as error:
            raise RequestError(
                f"There is no {archive}, so the training left no model. Let its script write it to SM_MODEL_DIR."
            ) from error
        return str(target)

    def _keep(self, packed: Path, digest: str) -> None:
        key = self._key(digest)
        self._objects.put_same(Put(key=key, body=packed, sha256=plain_digest(digest)), partial(self._digest, key))

    def _digest(self, key: str, facts: Facts) -> str:
        if facts.sha256 is not None:
            return facts.sha256
        if facts.etag not in self._read:
            self._read[facts.etag] = digest_of_parts(self._objects.parts(key, etag=facts.etag))
        return self._read[facts.etag]

    def _key(self, digest: str) -> str:
        return f"{self._prefix}/{plain_digest(digest)}{SUFFIX}"
