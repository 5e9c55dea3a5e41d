"""What notices reasons to retrain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from everfit.application.workspace import Workspace


class Source(Protocol):
    """Notices one kind of reason to retrain and puts it into the inbox, with what it has to remember.

    One thread at a time calls it. What it remembers lies in the inbox's marks, so that it goes on after a kill.
    """

    def keep(self, workspaces: Sequence[Workspace]) -> None:
        """Take these projects from now on; called before the first look and whenever a project file has changed."""
        ...

    def look(self, now: datetime) -> datetime:
        """Accept what has happened since the last look, and return when to look again at the latest.

        Trouble with one project is kept from the others: it is noted in the outbox, and looked at again later.
        """
        ...
