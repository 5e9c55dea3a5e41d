"""Where events go that ended long ago."""

from collections.abc import Sequence
from typing import Protocol

from everfit.domain.trigger import EventRecord


class EventArchive(Protocol):
    """Events that are no longer needed, for a person who asks about them later."""

    def keep(self, records: Sequence[EventRecord]) -> None:
        """Keep the events, which ended in one month; once it returns they survive anything.

        Events that begin with the same one as before take the place of those: they are the same and more.
        """
        ...
