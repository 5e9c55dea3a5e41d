"""Keeps what one environment's source remembers apart from what the others' do, where each has a source of its own."""

from collections.abc import Mapping
from typing import Any

from everfit.application.ports.inbox import Inbox, Mark


class OwnMarks:
    """Passes everything on to *inbox*, and shows only the marks of one model and environment.

    A source forgets what no project waits for any more: what it does not see it cannot forget for somebody else.
    """

    def __init__(self, inbox: Inbox, model: str, environment: str) -> None:
        self._inbox, self._place = inbox, [model, environment]

    def marks(self, prefix: str) -> Mapping[str, Mark]:
        """Return what was remembered under the keys that start with *prefix* and go on with the place."""
        found = self._inbox.marks(prefix)
        return {key: mark for key, mark in found.items() if key[len(prefix) :].split(":")[:2] == self._place}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)
