"""Freezes data in S3 by writing down which objects in which versions it is; nothing is copied.

Data of this machine is frozen here first, and its contents are uploaded once under their digests.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.manifest_file import ManifestWriter, opened
from everfit.adapters.aws.s3_listing import S3Listing
from everfit.adapters.aws.s3_objects import Put, S3Objects
from everfit.adapters.aws.s3_source import S3Source, content_digest
from everfit.adapters.aws.scratch import Scratch
from everfit.application.ports import DataSource
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError, RequestError
from everfit.domain.snapshot import FileEntry, Snapshot, SnapshotId, object_path

UPLOADS: Final = 8
LISTED: Final = 200
"""With more files than this, what is in the bucket already is found out by listing rather than by a look at each."""


class S3DataSource:
    """Snapshots of prefixes, globs and objects in S3, and of what *local* freezes.

    Args:
        scratch: folder on this machine in which manifests are written and read.
        local: freezes data of this machine; None when there is none.
    """

    def __init__(self, clients: Clients, place: AwsPlace, scratch: Path, *, local: DataSource | None = None) -> None:
        self._clients = clients
        self._place = place
        self._objects = S3Objects(clients, place)
        self._scratch = Scratch(scratch)
        self._local = local

    def freeze(self, source: str) -> Snapshot:
        if not source.startswith("s3://"):
            return self._uploaded(source)
        found = S3Source(self._clients, self._place, source)
        with self._scratch.room() as folder, ManifestWriter(folder) as manifest:
            for path, file in found.files():
                row = {
                    "path": path,
                    "bucket": found.bucket,
                    "key": file.key,
                    "version": file.version,
                    "etag": file.etag,
                }
                manifest.add(FileEntry(path=path, size=file.size, digest=content_digest(file)), row)
            if not manifest.count:
                raise RequestError(f"There are no files at {source}. Put data there, or mend data.source.")
            return self._kept(manifest)

    def snapshot(self, snapshot: SnapshotId) -> Snapshot:
        key = self._key(snapshot, "json")
        with self._scratch.room() as folder:
            path = folder / "manifest.json"
            try:
                with path.open("xb") as file:
                    self._objects.fetch(key, file)
            except NotFoundError as error:
                raise _no_snapshot(snapshot) from error
            return opened(path, snapshot, self._objects.url(key))

    def location(self, snapshot: SnapshotId) -> Mapping[str, object]:
        keys = {"manifest": self._key(snapshot, "json"), "objects": self._key(snapshot, "objects.jsonl")}
        try:
            for key in keys.values():
                self._objects.look(key)
        except NotFoundError as error:
            raise _no_snapshot(snapshot) from error
        return {name: self._objects.url(key) for name, key in keys.items()}

    def _kept(self, manifest: ManifestWriter) -> Snapshot:
        snapshot = manifest.finish()
        # Where the contents lie first: a manifest that is there is whole.
        # The same data may lie in other places by now.
        self._objects.put_same(Put(key=self._key(snapshot.id, "objects.jsonl"), body=manifest.places))
        self._objects.put_same(Put(key=self._key(snapshot.id, "json"), body=manifest.manifest))
        return snapshot

    def _key(self, snapshot: SnapshotId, suffix: str) -> str:
        return f"{self._place.prefix}/snapshots/{snapshot.partition(':')[2]}.{suffix}"

    def _uploaded(self, source: str) -> Snapshot:
        if self._local is None:
            raise RequestError(
                f"The data at {source} is not in S3, and nothing is uploaded from here. Put it into a bucket and name "
                "that in data.source, such as s3://bucket/prefix/."
            )
        frozen = self._local.freeze(source)
        folder = Path(str(self._local.location(frozen.id)["objects"]))
        etags = self._upload(folder, {entry.digest: entry.size for entry in frozen.files})
        with self._scratch.room() as room, ManifestWriter(room) as manifest:
            for entry in frozen.files:
                place = {"bucket": self._objects.bucket, "key": self._object(entry.digest), "version": None}
                manifest.add(entry, {"path": entry.path, **place, "etag": etags[entry.digest]})
            return self._kept(manifest)

    def _upload(self, folder: Path, sizes: Mapping[str, int]) -> Mapping[str, str]:
        """Bring each content to the bucket; return their ETags."""
        there = self._there() if len(sizes) > LISTED else None
        with ThreadPoolExecutor(UPLOADS) as pool:
            try:
                waiting = {
                    digest: pool.submit(self._upload_one, folder / object_path(digest), digest, size, there)
                    for digest, size in sizes.items()
                }
                return {digest: each.result() for digest, each in waiting.items()}
            finally:
                pool.shutdown(cancel_futures=True)

    def _upload_one(self, path: Path, digest: str, size: int, there: Mapping[str, tuple[int, str]] | None) -> str:
        key = self._object(digest)
        known = self._looked(key) if there is None else there.get(key)
        if known is not None and known[0] == size:
            return known[1]
        written = self._objects.put(Put(key=key, body=path))
        if written is None:
            raise BackendError(f"{self._objects.url(key)} could not be written. Try again.", retryable=True)
        return written.etag

    def _looked(self, key: str) -> tuple[int, str] | None:
        facts = self._objects.seen(key)
        return None if facts is None else (facts.size, facts.etag)

    def _there(self) -> Mapping[str, tuple[int, str]]:
        listing = S3Listing(self._clients, self._objects.bucket, self._place.account)
        return {file.key: (file.size, file.etag) for file in listing.plain(f"{self._place.prefix}/objects/")}

    def _object(self, digest: str) -> str:
        return f"{self._place.prefix}/objects/{object_path(digest)}"


def _no_snapshot(snapshot: SnapshotId) -> NotFoundError:
    return NotFoundError(f"There is no snapshot {snapshot}; it was never made here, or it was removed.")
