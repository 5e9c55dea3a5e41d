"""Frozen data: the manifest, its digest, and what changed since another one."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NewType

from everfit.domain.errors import RequestError

SnapshotId = NewType("SnapshotId", str)
"""Digest of a canonical manifest: ``sha256:`` and 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a snapshot.

    Args:
        path: relative to the data source, with forward slashes.
        size: in bytes.
        digest: ``blake3:`` and 64 hexadecimal digits of the content.
    """

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The frozen data of a run; entries are sorted by path."""

    id: SnapshotId
    files: Sequence[FileEntry]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different between two snapshots: paths, and the bytes that the newer one added or replaced."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    new_bytes: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether both snapshots hold the same content under the same names."""
        return not (self.added or self.removed or self.replaced)


def manifest_bytes(files: Iterable[FileEntry]) -> bytes:
    """Return the one form in which these files are written down: sorted by path, no spaces, ASCII."""
    rows = sorted((entry.path, entry.size, entry.digest) for entry in files)
    return json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def snapshot_of(files: Iterable[FileEntry]) -> Snapshot:
    """Return the snapshot of these files; the same content under the same names has the same id everywhere.

    Raises:
        RequestError: two files have one path, or a path leads out of the source.
    """
    entries = tuple(sorted(files, key=lambda entry: entry.path))
    for first, second in pairwise(entries):
        if first.path == second.path:
            raise RequestError(f"The data holds {first.path} twice; give each file a name of its own.")
    for entry in entries:
        if entry.path.startswith("/") or ".." in entry.path.split("/"):
            raise RequestError(f"The data holds {entry.path!r}, a name that leads out of its folder; rename the file.")
    digest = hashlib.sha256(manifest_bytes(entries)).hexdigest()
    return Snapshot(id=SnapshotId(f"sha256:{digest}"), files=entries)


def change_between(old: Snapshot | None, new: Snapshot) -> Change:
    """Return what is different in *new*; everything is, when there was no snapshot before."""
    before = {} if old is None else {entry.path: entry.digest for entry in old.files}
    after = {entry.path: entry for entry in new.files}
    added = tuple(path for path in after if path not in before)
    replaced = tuple(path for path, entry in after.items() if before.get(path, entry.digest) != entry.digest)
    return Change(
        added=added,
        removed=tuple(path for path in before if path not in after),
        replaced=replaced,
        new_bytes=sum(after[path].size for path in (*added, *replaced)),
    )


def object_path(digest: str) -> str:
    """Return where the content with this digest lies below the folder ``objects``: ``ab/cdef…``."""
    plain = digest.partition(":")[2]
    return f"{plain[:2]}/{plain[2:]}"
