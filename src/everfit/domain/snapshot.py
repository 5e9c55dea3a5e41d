"""Frozen data: the manifest, its digest, and what changed since another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

SnapshotId = NewType("SnapshotId", str)
"""Digest of a manifest: ``blake3:`` and 64 hexadecimal digits."""


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
