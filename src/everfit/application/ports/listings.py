"""What data sources hold now, and what they held when it was last reported."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from everfit.domain.listing import Changed, ListedFile
from everfit.domain.project import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that a source held at one look.

    Args:
        digest: names it; the same files have the same one.
        cost: time that looking took of the processor, or of storage elsewhere.
    """

    digest: str
    files: int
    cost: timedelta = timedelta(0)


class Listings(Protocol):
    """Takes listings of data sources, and keeps them by their digest."""

    def take(self, source: str) -> Listing | None:
        """List the source and keep that; None while the storage has not answered yet: ask again soon.

        Raises:
            RequestError: the source is missing or may not be read.
            BackendError: the storage cannot be reached, or has not answered for very long.
        """
        ...

    def keep(self, files: Iterable[ListedFile]) -> Listing:
        """Keep a listing of these files, which come in the order of listings."""
        ...

    def holds(self, digest: str) -> bool:
        """Tell whether the listing is kept."""
        ...

    def files(self, digest: str) -> Iterator[ListedFile]:
        """Yield the files of a kept listing in the order of listings, or raise ``NotFoundError``."""
        ...

    def rows(self, source: str, data_format: Format, changed: Iterable[Changed]) -> int:
        """Return about how many rows came with these changes; a replaced file counts what it has grown by.

        The work is bounded: after many files or bytes, the rest is taken to be like those.
        """
        ...

    def forget_all_but(self, digests: Collection[str]) -> None:
        """Remove kept listings of some age, but for these."""
        ...
