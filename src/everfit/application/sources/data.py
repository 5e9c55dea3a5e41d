"""Watches data, and reports what is new.

A source is looked at when something has changed in its folder, and from time to time in any case, since events of a
file system get lost and other storage sends none. What changed is reported once two looks, some time apart, have seen
the same: a file that is being written is waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from everfit.application.ports import DataSource, Registry, RunStore
from everfit.application.ports.folders import Folders
from everfit.application.ports.inbox import Inbox
from everfit.application.ports.listings import Listing, Listings
from everfit.application.ports.outbox import Outbox
from everfit.application.sources.data_marks import Marks
from everfit.application.sources.data_news import News
from everfit.application.sources.data_past import Past
from everfit.application.sources.data_place import Place, Rest
from everfit.application.sources.data_targets import Target, targets_of
from everfit.application.sources.data_trouble import Troubles
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, RequestError, StateError
from everfit.domain.listing import moving, settled
from everfit.domain.notice import Notice, NoticeKind

POLL: Final = timedelta(seconds=1)
"""Time between two questions whether a folder has changed; whoever watches folders also wakes the watch."""
REFRESH: Final = timedelta(minutes=1)
"""Time between two checks that the folders that are watched are still the ones there."""
TIDY: Final = timedelta(minutes=10)
MOST_MOVING: Final = 10_000
AT_ONCE: Final = 50
"""Sources that are looked at before others get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPorts:
    """What watching data needs of the outside."""

    inbox: Inbox
    outbox: Outbox
    listings: Listings
    folders: Folders
    store: RunStore
    registry: Registry
    data: DataSource


class DataWatch:
    """The source of events about new data."""

    def __init__(self, ports: DataPorts) -> None:
        self._ports = ports
        self._marks = Marks(ports.inbox)
        self._news = News(ports.inbox, ports.listings, self._marks, Past(ports.store, ports.registry, ports.data))
        self._troubles = Troubles(self._marks, ports.outbox)
        self._places: dict[str, Place] = {}
        self._refresh: datetime | None = None
        self._tidy: datetime | None = None
        self._last: datetime | None = None
        self._told: str | None = None

    def keep(self, workspaces: Sequence[Workspace]) -> None:
        self._marks.read()
        targets = targets_of(workspaces)
        self._places = {source: self._place(source, each) for source, each in targets.items()}
        self._refresh = None

    def look(self, now: datetime) -> datetime:
        self._tend(now)
        for source in self._ports.folders.changed():
            if source in self._places:
                self._places[source].has_changed(now)
        due = sorted(
            (place for place in self._places.values() if place.due(now) <= now), key=lambda each: each.due(now)
        )
        for place in due[:AT_ONCE]:
            self._look_at(place, now)
        if len(due) > AT_ONCE:
            return now
        return min(now + POLL, *(place.due(now) for place in self._places.values())) if self._places else now + REFRESH

    def _place(self, source: str, targets: tuple[Target, ...]) -> Place:
        known = self._places.get(source)
        if known is None:
            return Place(source, targets)
        known.take(targets)
        return known

    def _look_at(self, place: Place, now: datetime) -> None:
        try:
            listing = self._ports.listings.take(place.source)
            if listing is None:
                place.is_unanswered(now)
                return
            self._refuse_emptied(place, listing)
            self._troubles.end(place.targets, now)
            self._compare(place, listing, now)
        except StateError:
            raise
        except (RequestError, BackendError) as error:
            self._troubles.begin(place.targets, error, now)
            place.is_in_trouble(now)

    def _refuse_emptied(self, place: Place, listing: Listing) -> None:
        """Take a source that lost all of its files for a disk that is not mounted: no model can learn from nothing."""
        if not listing.files and any(self._news.known(target).files for target in place.targets):
            raise RequestError(
                f"{place.source} holds no files any more. This is not taken for new data: check that its disk is "
                "mounted, or put data there."
            )

    def _compare(self, place: Place, listing: Listing, now: datetime) -> None:
        behind = [target for target in place.targets if self._news.known(target).listing != listing.digest]
        if not behind:
            place.is_quiet(listing, now)
            return
        rest = place.rest(listing, now, self._ports.listings.holds)
        match rest:
            case Rest.WHOLE:
                for target in behind:
                    self._news.report(target, listing, now)
                place.is_quiet(listing, now)
            case Rest.PART:
                self._report_part(place, behind, listing, now)
                place.look_again(listing, now)
            case Rest.NONE:
                pass
            case _:
                assert_never(rest)

    def _report_part(self, place: Place, behind: Sequence[Target], listing: Listing, now: datetime) -> None:
        files = self._ports.listings.files
        before = listing if place.before is None else place.before
        overdue = place.overdue(moving(files(before.digest), files(listing.digest), MOST_MOVING), now)
        for target in behind:
            known = files(self._news.known(target).listing or listing.digest)
            rested = self._ports.listings.keep(settled(known, files(before.digest), files(listing.digest), overdue))
            self._news.report(target, rested, now)

    def _tend(self, now: datetime) -> None:
        if self._last is not None and now < self._last:
            self._refresh = self._tidy = None
            for place in self._places.values():
                place.clock_was_set_back(now)
        self._last = now
        if self._refresh is None or now >= self._refresh:
            self._refresh = now + REFRESH
            self._ports.folders.keep(tuple(self._places))
            self._tell_of_folders(now)
        if self._tidy is None or now >= self._tidy:
            self._tidy = now + TIDY
            self._marks.read()
            seen = (place.before.digest for place in self._places.values() if place.before is not None)
            self._ports.listings.forget_all_but({*self._marks.listings, *seen})

    def _tell_of_folders(self, now: datetime) -> None:
        """Tell once that the system watches no more folders; looking from time to time goes on."""
        words = self._ports.folders.trouble()
        target = next((target for place in self._places.values() for target in place.targets), None)
        if words is None or words == self._told or target is None:
            return
        self._told = words
        notice = Notice(
            id=f"trouble:folders:{now.isoformat()}",
            kind=NoticeKind.TROUBLE,
            model=target.model,
            environment=None,
            run=None,
            cause="watching folders",
            at=now,
            facts={"reason": words, "part": "data"},
        )
        self._ports.outbox.note(notice)
