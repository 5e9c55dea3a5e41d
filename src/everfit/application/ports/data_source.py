"""Lists and freezes data."""

from collections.abc import Mapping
from typing import Protocol

from everfit.domain.snapshot import Snapshot, SnapshotId


class DataSource(Protocol):
    """Lists and freezes data."""

    def freeze(self, source: str) -> Snapshot:
        """Return *source* (a folder, a glob or a URL) as a snapshot whose content is kept from now on.

        Raises:
            RequestError: the source is missing, empty or may not be read.
            BackendError: the storage cannot be reached (never treated as "no data"), or a file went on changing.
        """
        ...

    def snapshot(self, snapshot: SnapshotId) -> Snapshot:
        """Return a snapshot that was frozen before, or raise ``NotFoundError``."""
        ...

    def location(self, snapshot: SnapshotId) -> Mapping[str, object]:
        """Return what a prepare job needs to read the snapshot: ``manifest`` and ``objects``, both paths."""
        ...
