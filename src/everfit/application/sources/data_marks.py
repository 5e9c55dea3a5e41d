"""What is remembered of the data of each model and environment: the listing that was last reported, and trouble."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from everfit.application.facts import Facts
from everfit.application.ports.inbox import Inbox, Mark
from everfit.application.sources.data_targets import Target

PREFIX: Final = "data:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is remembered of one target.

    Args:
        source: digest of the source that the listing is of.
        listing: digest of the one that was reported last; None before there was any.
        files: how many it holds.
        reports: how many changes were reported.
        trouble: digest of what is wrong with the source, and since when; None when it is well.
    """

    source: str
    listing: str | None = None
    files: int = 0
    reports: int = 0
    trouble: str | None = None
    since: str | None = None

    @property
    def mark(self) -> Mark:
        """As it is remembered in the inbox."""
        return asdict(self)


class Marks:
    """What is remembered of every target, read once and written through."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._known: Mapping[str, Known] = {}

    def read(self) -> None:
        """Read what is remembered now; another service may have written it."""
        self._known = {key: _read(mark) for key, mark in self._inbox.marks(PREFIX).items()}

    def of(self, target: Target) -> Known:
        """Return what is remembered of the target; no listing, when its source is another one now."""
        digest = target.source_digest
        known = self._known.get(target.mark, Known(source=digest))
        return known if known.source == digest else replace(known, source=digest, listing=None, files=0)

    def read_again(self, target: Target) -> Known:
        """Return what is remembered of the target, as another service may have written it a moment ago."""
        found = self._inbox.marks(target.mark).get(target.mark)
        if found is not None:
            self._known = {**self._known, target.mark: _read(found)}
        return self.of(target)

    def wrote(self, target: Target, known: Known) -> None:
        """Take note of what was written into the inbox."""
        self._known = {**self._known, target.mark: known}

    def write(self, target: Target, known: Known) -> None:
        """Remember this of the target."""
        self._inbox.accept((), {target.mark: known.mark})
        self.wrote(target, known)

    @property
    def listings(self) -> frozenset[str]:
        """Digests of the listings that are remembered."""
        return frozenset(known.listing for known in self._known.values() if known.listing is not None)


def _read(mark: Mark) -> Known:
    facts = Facts("What is remembered of a data source", mark)
    return Known(
        source=facts.text("source"),
        listing=facts.text_or_none("listing"),
        files=facts.whole("files"),
        reports=facts.whole("reports"),
        trouble=facts.text_or_none("trouble"),
        since=facts.text_or_none("since"),
    )
