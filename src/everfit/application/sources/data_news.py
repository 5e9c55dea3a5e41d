"""Puts what is new in a data source into the inbox.

The listing lies in its file before the inbox names it, and the inbox takes the event and the name of the listing in one
transaction: a kill in between loses no change and reports none twice.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from everfit.application.ports.inbox import Inbox
from everfit.application.ports.listings import Listing, Listings
from everfit.application.sources.data_marks import Known, Marks
from everfit.application.sources.data_past import Past
from everfit.application.sources.data_targets import Target
from everfit.domain.listing import Difference, changes, difference
from everfit.domain.trigger import Amount, TriggerEvent, TriggerKind


class News:
    """Compares listings with those that were reported, and reports."""

    def __init__(self, inbox: Inbox, listings: Listings, marks: Marks, past: Past) -> None:
        self._inbox = inbox
        self._listings = listings
        self._marks = marks
        self._past = past

    def known(self, target: Target) -> Known:
        """Return what the target knows; at first sight, what its newest run or its champion learnt from."""
        known = self._marks.of(target)
        if known.listing is not None and self._listings.holds(known.listing):
            return known
        before = self._listings.keep(self._past.files(target.model, target.environment))
        known = replace(known, listing=before.digest, files=before.files)
        self._marks.wrote(target, known)
        return known

    def report(self, target: Target, listing: Listing, now: datetime) -> None:
        """Accept an event about what is different since the last report, if anything is.

        What a run has looked at meanwhile is no news: storage that tells of each object was quicker than the look.
        """
        known = self._newest(target)
        if known.listing is None or known.listing == listing.digest:
            return
        changed = difference(changes(self._listings.files(known.listing), self._listings.files(listing.digest)))
        after = replace(known, listing=listing.digest, files=listing.files)
        if not changed.files or self._is_learnt(target, listing):
            self._marks.write(target, after)
            return
        after = replace(after, reports=known.reports + 1)
        amount = Amount(
            files=changed.files, bytes=changed.bytes, rows=self._rows(target, known.listing, listing.digest)
        )
        event = TriggerEvent(
            id=_id(known, after),
            kind=TriggerKind.DATA,
            model=target.model,
            environment=target.environment,
            actor="data",
            at=now,
            trigger=target.trigger.key,
            subject=changed.words,
            amount=amount,
            detail=_detail(changed),
        )
        self._inbox.accept((event,), {target.mark: after.mark})
        self._marks.wrote(target, after)

    def _is_learnt(self, target: Target, listing: Listing) -> bool:
        files = self._listings.files(listing.digest)
        return self._past.has_learnt(target.model, target.environment, listing.files, files)

    def _newest(self, target: Target) -> Known:
        self._marks.read_again(target)
        return self.known(target)

    def _rows(self, target: Target, before: str, after: str) -> int:
        if not target.wants_rows:
            return 0
        changed = changes(self._listings.files(before), self._listings.files(after))
        return self._listings.rows(target.source, target.format, changed)


def _id(before: Known, after: Known) -> str:
    """Name the change: the count tells it from the same change at another time, after one back."""
    return ":".join(("data", after.source, _short(before), _short(after), str(after.reports)))


def _short(known: Known) -> str:
    return (known.listing or "").partition(":")[2][:16]


def _detail(changed: Difference) -> Mapping[str, object]:
    return {
        "added": changed.added,
        "replaced": changed.replaced,
        "deleted": changed.removed,
        "examples": list(changed.examples),
    }
