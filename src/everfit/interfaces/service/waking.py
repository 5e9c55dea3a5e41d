"""The inbox of a service: whoever accepts an event through it has it looked at now, not at the next poll."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from everfit.application.ports import Inbox, Mark
from everfit.domain.trigger import TriggerEvent


class WakingInbox:
    """Passes everything on to *inbox*; after an event was accepted, *wake* is called."""

    def __init__(self, inbox: Inbox, wake: Callable[[], None]) -> None:
        self._inbox, self._wake = inbox, wake

    def accept(self, events: Sequence[TriggerEvent], marks: Mapping[str, Mark] | None = None) -> Sequence[bool]:
        """Accept the events, then wake whoever decides about them."""
        new = self._inbox.accept(events, marks)
        if any(new):
            self._wake()
        return new

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)
