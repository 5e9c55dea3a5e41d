"""Folders of this machine that are watched for changes."""

from collections.abc import Collection
from typing import Protocol


class Folders(Protocol):
    """Notices at once that something changed in a folder. It may miss changes: a listing from time to time may not."""

    def keep(self, sources: Collection[str]) -> None:
        """Watch the folders of these data sources from now on, and no others; URLs are passed over."""
        ...

    def changed(self) -> Collection[str]:
        """Return the sources in which something may have changed since the last call."""
        ...

    def trouble(self) -> str | None:
        """Return why folders cannot be watched, in words, or None."""
        ...
