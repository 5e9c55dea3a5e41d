"""The folders of a machine that has none of anybody's: all data lies in S3, which is listed from time to time."""

from collections.abc import Collection


class NoFolders:
    """Implements ``Folders`` where there is nothing to watch."""

    def keep(self, sources: Collection[str]) -> None:
        """Pass over every source: all of them are URLs."""

    def changed(self) -> Collection[str]:
        """Return nothing: S3 tells of its changes by events."""
        return ()

    def trouble(self) -> str | None:
        """Return None: nothing is watched that could fail."""
        return None
