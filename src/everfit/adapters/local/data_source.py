"""Freezes data into a store of contents by digest, below the state folder.

A file whose identity (size, times, inode; ETag or version behind a URL) is the one that was seen before is neither
read nor copied again. That is trusted only when the file had been quiet for a while when it was read: a change in the
same tick of the clock would leave no trace. The source is listed again after reading, so that a file that changed in
between is noticed.
"""

import json
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

from everfit.adapters.files.digests import digest_of
from everfit.adapters.files.disk import alone, incoming, replace_file, writing
from everfit.adapters.local.objects import LARGE, ObjectStore
from everfit.adapters.local.sources import Identity, Source, SourceFile, source_of
from everfit.domain.errors import BackendError, EverfitError, NotFoundError, RequestError, StateError
from everfit.domain.snapshot import FileEntry, Snapshot, SnapshotId, object_path, snapshot_of

_ATTEMPTS: Final = 4
_QUIET: Final = timedelta(seconds=2)

_Known = dict[str, tuple[Identity, str]]


class LocalDataSource:
    """Snapshots of folders, globs, files and URLs.

    Args:
        quiet: how long a file must have been left alone for its times to be trusted; two seconds are the coarsest
            clock of any file system in use.
    """

    def __init__(self, home: Path, *, quiet: timedelta = _QUIET) -> None:
        self._home = home
        self._quiet = quiet
        self._objects = ObjectStore(home / "objects")
        self._manifests = home / "snapshots"

    def freeze(self, source: str) -> Snapshot:
        found = source_of(source, self._home)
        memory = self._manifests / f"seen-{sha256(found.name.encode()).hexdigest()[:32]}.json"
        with alone(self._objects.folder, shared=True), incoming(self._objects.folder) as folder:
            freezing = _Freezing(found, self._objects, folder, known=_read_memory(memory))
            snapshot = snapshot_of(freezing.entries(int(self._quiet.total_seconds() * 1e9)))
            self._write_manifest(snapshot)
            if freezing.learnt != freezing.known:
                replace_file(memory, json.dumps(freezing.learnt, separators=(",", ":")).encode())
        return snapshot

    def snapshot(self, snapshot: SnapshotId) -> Snapshot:
        path = self._manifest(snapshot)
        try:
            kept = _read_manifest(path)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"There is no snapshot {snapshot}; it was never made here, or it was removed."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"The manifest {path} is damaged ({error}). Freeze the data again.") from error
        if kept.id != snapshot:
            raise StateError(f"The manifest {path} is not what {snapshot} names any more. Freeze the data again.")
        return kept

    def location(self, snapshot: SnapshotId) -> Mapping[str, object]:
        for entry in self.snapshot(snapshot).files:
            if not self._objects.holds(entry.digest, entry.size):
                self._check(entry)
        return {"manifest": str(self._manifest(snapshot)), "objects": str(self._objects.folder)}

    def verify(self, snapshot: SnapshotId) -> None:
        """Read every content of the snapshot; raise ``StateError`` naming the first file that is not as it was."""
        for entry in self.snapshot(snapshot).files:
            self._check(entry)

    def _check(self, entry: FileEntry) -> None:
        path = self._objects.folder / object_path(entry.digest)
        try:
            with path.open("rb") as file:
                found = digest_of(file)
        except OSError as error:
            raise StateError(
                f"{path}, the kept content of {entry.path}, cannot be read ({error.strerror}). Freeze the data again."
            ) from error
        if found != entry.digest:
            raise StateError(
                f"{path}, the kept content of {entry.path}, was changed. Freeze the data again to mend it."
            )

    def prune(self, keep: Collection[SnapshotId]) -> int:
        """Remove all other snapshots and what only they need; return how many bytes that freed.

        Raises:
            NotFoundError: a snapshot to be kept is not there; nothing was removed.
        """
        with alone(self._objects.folder):
            needed = {entry.digest for snapshot in keep for entry in self.snapshot(snapshot).files}
            kept = {self._manifest(snapshot) for snapshot in keep}
            with writing(self._manifests):
                for path in self._manifests.glob("*.json"):
                    if path not in kept and not path.name.startswith("seen-"):
                        path.unlink()
            return self._objects.remove_all_but(needed)

    def _manifest(self, snapshot: SnapshotId) -> Path:
        return self._manifests / f"{snapshot.partition(':')[2]}.json"

    def _write_manifest(self, snapshot: Snapshot) -> None:
        files = [{"path": entry.path, "size": entry.size, "digest": entry.digest} for entry in snapshot.files]
        data = json.dumps({"id": snapshot.id, "files": files}).encode()
        path = self._manifest(snapshot.id)
        with writing(path):
            is_kept = path.exists() and path.read_bytes() == data
        if not is_kept:
            replace_file(path, data)


class _Freezing:
    """One pass over a source."""

    def __init__(self, source: Source, objects: ObjectStore, folder: Path, *, known: _Known) -> None:
        self.known = known
        self.learnt: _Known = {}
        self._source = source
        self._objects = objects
        self._folder = folder
        self._numbers = count()
        self._read: dict[tuple[str, Identity], FileEntry] = {}

    def entries(self, quiet: int) -> list[FileEntry]:
        """Return every file's entry, when all of them were the same before and after they were read.

        Args:
            quiet: nanoseconds for which a file must have been left alone for its times to be trusted.
        """
        changed: list[str] = []
        for attempt in range(_ATTEMPTS):
            time.sleep(0.05 * attempt)
            still = time.time_ns() - quiet
            files = self._listed()
            new = [file for file in files if not self._is_known(file)]
            changed = self._keep(new)
            if not changed:
                return [self._entry(file, still) for file in files]
        raise BackendError(
            f"{changed[0]} went on changing while it was read. Let its writer finish, then run again.", retryable=True
        )

    def _listed(self) -> list[SourceFile]:
        files = self._source.files()
        if not files:
            raise RequestError(f"There are no files at {self._source.name}. Put data there, or mend data.source.")
        return files

    def _is_known(self, file: SourceFile) -> bool:
        identity, digest = self.known.get(file.path, ((), ""))
        return (file.path, file.identity) in self._read or (
            bool(identity) and identity == file.identity and self._objects.holds(digest, file.size)
        )

    def _entry(self, file: SourceFile, still: int) -> FileEntry:
        entry = self._read.get((file.path, file.identity))
        if entry is None:
            entry = FileEntry(path=file.path, size=file.size or 0, digest=self.known[file.path][1])
            self.learnt[file.path] = self.known[file.path]
        else:
            is_quiet = file.touched is None or file.touched < still
            self.learnt[file.path] = (file.identity if is_quiet else (), entry.digest)
        return entry

    def _keep(self, files: list[SourceFile]) -> list[str]:
        """Read the files; return the paths of those that were not the same before and after."""
        if not files:
            return []
        large = [file for file in files if self._is_slow(file)]
        small = [file for file in files if not self._is_slow(file)]
        objects = ObjectStore(self._objects.folder, sum(file.size or 0 for file in files))
        pool = ThreadPoolExecutor(16 if self._source.is_remote else 2)
        try:
            waiting = [pool.submit(self._keep_one, file, objects) for file in large]
            kept = [self._keep_one(file, objects) for file in small] + [each.result() for each in waiting]
        finally:
            pool.shutdown(cancel_futures=True)
        now = {file.path: file.identity for file in self._source.files()}
        changed: list[str] = []
        for file, entry in zip([*small, *large], kept, strict=True):
            if entry is None or file.size not in (entry.size, None) or now.get(file.path) != file.identity:
                changed.append(file.path)
            else:
                self._read[file.path, file.identity] = entry
        return changed

    def _is_slow(self, file: SourceFile) -> bool:
        return self._source.is_remote or file.size is None or file.size > LARGE

    def _keep_one(self, file: SourceFile, objects: ObjectStore) -> FileEntry | None:
        try:
            with self._source.open(file) as handle:
                seen, guess = self.known.get(file.path, ((), ""))
                guess = "" if seen else guess  # A file that was not quiet last time is mostly the same now.
                digest, size = objects.keep(handle, file.size, f"{self._folder}/{next(self._numbers)}", guess)
        except FileNotFoundError:
            return None
        except EverfitError:
            raise
        except Exception as error:  # A driver of any make raises errors of its own.
            raise self._source.error(error, file.place) from error
        return FileEntry(path=file.path, size=size, digest=digest)


def _read_memory(path: Path) -> _Known:
    try:
        rows: dict[str, Any] = json.loads(path.read_bytes())
        return {name: (tuple(identity), str(digest)) for name, (identity, digest) in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # It only saves time: without it everything is read again.


def _read_manifest(path: Path) -> Snapshot:
    rows = json.loads(path.read_bytes())["files"]
    return snapshot_of(FileEntry(path=row["path"], size=row["size"], digest=row["digest"]) for row in rows)
