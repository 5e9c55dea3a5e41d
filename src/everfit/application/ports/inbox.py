"""The durable inbox of trigger events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from everfit.domain.inbox import Pause, Waiting
from everfit.domain.run import Run
from everfit.domain.trigger import EventEnd, EventRecord, TriggerEvent

Mark = Mapping[str, object]
"""What a source of events remembers, as JSON of at most 1 MB."""


class Inbox(Protocol):
    """Trigger events from the moment they are accepted until each has its end. Each call is one transaction."""

    def accept(self, events: Sequence[TriggerEvent], marks: Mapping[str, Mark] | None = None) -> Sequence[bool]:
        """Write the events and what their source remembers, all or nothing; True for each that is new.

        An event is known when its model and environment have accepted its id before.

        Args:
            marks: by key; written also when every event is known.
        """
        ...

    def marks(self, prefix: str) -> Mapping[str, Mark]:
        """Return what was remembered under the keys that start with *prefix*."""
        ...

    def forget_mark(self, key: str) -> None:
        """Forget what was remembered under the key; nothing happens when that is nothing."""
        ...

    def waiting(self, model: str, environment: str) -> Waiting:
        """Return what waits for the next run, summed up; the cost does not depend on how many events wait."""
        ...

    def all_waiting(self) -> Sequence[Waiting]:
        """Return what waits in every model and environment in which something waits."""
        ...

    def start(self, run: Run, seen: int | None = None) -> Run:
        """Write the queued run and have the events that wait join it; a run that is there already is returned.

        Args:
            seen: place of the newest event that joins, so that none does whose wish was not read; None takes all.

        Raises:
            BusyError: a run of that model and environment has neither ended nor waits for a person, or nothing of what
                was seen waits any more.
        """
        ...

    def skip(self, model: str, environment: str, reason: str, seen: int | None = None) -> int:
        """End the events that wait as skipped; return how many those were.

        Args:
            seen: place of the newest of them; None takes all.
        """
        ...

    def refuse(self, event: TriggerEvent, reason: str) -> bool:
        """Write an event that is skipped at once, such as a tag that holds no version; False when it is known."""
        ...

    def event(self, model: str, environment: str, event: str) -> EventRecord:
        """Return the event of that id, or raise ``NotFoundError``."""
        ...

    def joining(
        self, model: str, environment: str, *, before: int | None = None, limit: int = 1_000
    ) -> Sequence[EventRecord]:
        """Return the events that the next run would be joined by, newest first.

        Args:
            before: only those with a smaller place, for the next page.
        """
        ...

    def events(
        self,
        *,
        model: str | None = None,
        environment: str | None = None,
        end: EventEnd | None = None,
        run: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[EventRecord]:
        """Return events, newest first.

        Args:
            before: only those with a smaller place, for the next page.
        """
        ...

    def started_since(self, model: str, environment: str, since: datetime) -> int:
        """Return how many runs were started since then; skipped and cancelled ones do not count."""
        ...

    def last_started(self, model: str, environment: str) -> datetime | None:
        """Return when the newest run was started that was not skipped or cancelled."""
        ...

    def pause(self, pause: Pause) -> None:
        """Start no runs of the model (in the environment) from now on; the newest reason stays."""
        ...

    def resume(self, model: str, environment: str | None) -> bool:
        """Take back a pause of exactly that model and environment; False when there is none."""
        ...

    def pauses(self) -> Sequence[Pause]:
        """Return every pause that holds."""
        ...

    def archive(self, ended_before: datetime, limit: int = 10_000) -> Sequence[EventRecord]:
        """Return at most *limit* events that had ended before then, by when they ended; they stay here."""
        ...

    def drop(self, up_to: EventRecord) -> int:
        """Delete the events that ended up to that one, in the order of ``archive``; return how many those were."""
        ...
