"""One data source: when it is looked at, and whether what was seen there has come to rest."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from everfit.application.ports.listings import Listing
from everfit.application.sources.data_targets import (
    Target,
    longest_wait,
    next_turn,
    settle_time,
    shortest_every,
)

PATIENCE: Final = timedelta(minutes=1)
"""How long files that have come to rest wait for others that go on changing."""
RETRY: Final = timedelta(minutes=1)
SOON: Final = timedelta(milliseconds=500)
REST: Final = 4
"""Looking takes at most one part in so many of the time."""


class Rest(Enum):
    """How far a source has come to rest."""

    WHOLE = "nothing has changed since the look before"
    PART = "some files go on changing; what has not changed since the look before is reported without them"
    NONE = "it is looked at again first"


class Place:
    """A data source and the models that learn from it.

    Args:
        source: a folder, a glob or a URL.
    """

    def __init__(self, source: str, targets: tuple[Target, ...]) -> None:
        self.source = source
        self.take(targets)
        self.before: Listing | None = None
        self._due: datetime | None = None
        self._not_before: datetime | None = None
        self._since: datetime | None = None
        self._moving: dict[str, datetime] = {}

    def take(self, targets: tuple[Target, ...]) -> None:
        """Have these models learn from it from now on."""
        self.targets = targets
        self._settle = settle_time(targets)
        self._longest = longest_wait(targets)
        self._every = shortest_every(targets)

    def due(self, now: datetime) -> datetime:
        """Return when it is looked at next; a new one at once."""
        return now if self._due is None else self._due

    def has_changed(self, now: datetime) -> None:
        """Look soon; while a change is coming to rest, the next look is fixed already."""
        if self.before is None:
            self._due = now if self._not_before is None else max(now, self._not_before)

    def clock_was_set_back(self, now: datetime) -> None:
        """Wait no longer than usual."""
        self._not_before = None
        self._due = min(self.due(now), now + self._every)
        if self._since is not None:
            self._since = min(self._since, now)
        self._moving = {path: min(since, now) for path, since in self._moving.items()}

    def is_unanswered(self, now: datetime) -> None:
        """Ask again soon."""
        self._due = now + SOON

    def is_in_trouble(self, now: datetime) -> None:
        """Begin anew, at most a minute from now."""
        self._forget()
        self._due = now + min(self._every, RETRY)

    def is_quiet(self, listing: Listing, now: datetime) -> None:
        """Look again when something changes, or when its turn comes."""
        self._forget()
        self._not_before = now + listing.cost * REST
        self._due = next_turn(now, self._every, self.source)

    def rest(self, listing: Listing, now: datetime, holds: Callable[[str], bool]) -> Rest:
        """Tell whether what was seen now can be reported.

        Args:
            holds: whether a listing is still kept.
        """
        if not self._settle:
            return Rest.WHOLE
        if self.before is None or self._since is None or not holds(self.before.digest):
            self._since = now
        elif listing.digest == self.before.digest:
            return Rest.WHOLE
        elif now - self._since >= PATIENCE:
            return Rest.PART
        self.look_again(listing, now)
        return Rest.NONE

    def look_again(self, listing: Listing, now: datetime) -> None:
        """Compare the next look with this one."""
        self.before = listing
        self._due = now + max(self._settle, listing.cost * REST)

    def overdue(self, moving: Collection[str], now: datetime) -> frozenset[str]:
        """Return which of the files that are changing have been for so long that they are taken as they are."""
        self._since = now
        held = {path: self._moving.get(path, now) for path in moving}
        late = frozenset(path for path, since in held.items() if now - since >= self._longest)
        self._moving = {path: since for path, since in held.items() if path not in late}
        return late

    def _forget(self) -> None:
        self.before, self._since, self._moving = None, None, {}
