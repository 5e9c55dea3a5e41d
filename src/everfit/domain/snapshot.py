"""Frozen data: the manifest, its digest, and what changed since another one."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NewType

from everfit.domain.errors import RequestError

SnapshotId = NewType("SnapshotId", str)
"""Digest of a canonical manifest: ``sha256:`` and 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a snapshot.

    Args:
        path: relative to the data source, with forward slashes.
        size: in bytes.
        digest: ``blake3:`` and 64 hexadecimal digits of the content; ``etag:`` and 64 digits that change with it where
            the storage tells only that.
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


_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class ManifestDigest:
    """The digest of the canonical manifest, taken file by file in the order of their paths.

    The canonical manifest is JSON: rows of path, size and digest, sorted by path, no spaces, ASCII.
    """

    def __init__(self) -> None:
        self._hasher = hashlib.sha256(b"[")
        self._last: str | None = None

    def add(self, entry: FileEntry) -> None:
        """Take the next file.

        Raises:
            RequestError: two files have one path, a path leads out of the source, or comes before the one before.
        """
        path, last = entry.path, self._last
        if path.startswith("/") or ".." in path.split("/"):
            raise RequestError(f"The data holds {path!r}, a name that leads out of its folder; rename the file.")
        if last is not None and path <= last:
            if path == last:
                raise RequestError(f"The data holds {path} twice; give each file a name of its own.")
            raise RequestError(f"The storage lists {path} after {last}; only one that lists by name can be frozen.")
        row = _ENCODER.encode((path, entry.size, entry.digest))
        self._hasher.update(f"{'' if last is None else ','}{row}".encode("ascii"))
        self._last = path

    @property
    def id(self) -> SnapshotId:
        """The name of a snapshot of the files so far."""
        whole = self._hasher.copy()
        whole.update(b"]")
        return SnapshotId(f"sha256:{whole.hexdigest()}")


def snapshot_of(files: Iterable[FileEntry]) -> Snapshot:
    """Return the snapshot of these files; the same content under the same names has the same id everywhere.

    Raises:
        RequestError: two files have one path, or a path leads out of the source.
    """
    entries = tuple(sorted(files, key=lambda entry: entry.path))
    digest = ManifestDigest()
    for entry in entries:
        digest.add(entry)
    return Snapshot(id=digest.id, files=entries)


def change_between(old: Snapshot | None, new: Snapshot) -> Change:
    """Return what is different in *new*; everything is, when there was no snapshot before.

    Both are walked side by side, so that it takes memory for what is different alone.
    """
    added: list[str] = []
    removed: list[str] = []
    replaced: list[str] = []
    new_bytes = 0
    for pair in _side_by_side(() if old is None else old.files, new.files):
        match pair:
            case FileEntry() as gone, None:
                removed.append(gone.path)
            case None, FileEntry() as came:
                added.append(came.path)
                new_bytes += came.size
            case FileEntry() as was, FileEntry() as now if was.digest != now.digest:
                replaced.append(now.path)
                new_bytes += now.size
            case _:
                pass  # It is the same file.
    return Change(added=tuple(added), removed=tuple(removed), replaced=tuple(replaced), new_bytes=new_bytes)


def _side_by_side(
    old: Iterable[FileEntry], new: Iterable[FileEntry]
) -> Iterator[tuple[FileEntry | None, FileEntry | None]]:
    """Yield what each holds under one path, in the order of paths."""
    olds = iter(old)
    before = next(olds, None)
    for after in new:
        while before is not None and before.path < after.path:
            yield before, None
            before = next(olds, None)
        if before is not None and before.path == after.path:
            yield before, after
            before = next(olds, None)
        else:
            yield None, after
    while before is not None:
        yield before, None
        before = next(olds, None)


def object_path(digest: str) -> str:
    """Return where the content with this digest lies below the folder ``objects``: ``ab/cdef…``."""
    plain = digest.partition(":")[2]
    return f"{plain[:2]}/{plain[2:]}"
