"""Tells people what has happened, in a thread of its own: a channel that hangs holds up nothing else."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from everfit.application.alerting import tell
from everfit.application.approvals import expire_approvals
from everfit.application.dead_man import watch_for_silence
from everfit.application.ports import Catalog, Ports
from everfit.interfaces.service.log import LOG

EVERY: Final = 1.0
"""Seconds between two looks at what is new."""
CLOCK_EVERY: Final = 60.0
"""Seconds between two looks at what only time brings about."""


class Teller:
    """Delivers what the runs, the registry and the sources have noted.

    Args:
        changes: gives another value whenever anybody has written to the database.
    """

    def __init__(self, catalog: Catalog, ports: Ports, changes: Callable[[], object]) -> None:
        self._catalog, self._ports, self._changes = catalog, ports, changes
        self._seen: object = None
        self._due: datetime | None = None

    def turn(self) -> float | None:
        """Address and deliver what there is, when anything was written or is due."""
        seen = self._changes()
        if seen != self._seen or (self._due is not None and self._due <= self._ports.clock.now()):
            self._tell()
            self._due, self._seen = self._ports.outbox.next_due(), seen
        return EVERY

    def _tell(self) -> None:
        for delivery, words in tell(self._catalog.workspaces(), self._ports).items():
            if words is None:
                LOG.info("alert %s: delivered", delivery)
            else:
                LOG.warning("alert %s: %s (trying again; see `everfit alerts`)", delivery, words)


class Deadlines:
    """Notices what only time brings about: approvals that expire, and silence."""

    def __init__(self, catalog: Catalog, ports: Ports) -> None:
        self._catalog, self._ports = catalog, ports

    def turn(self) -> float | None:
        """Look at the clock."""
        workspaces = self._catalog.workspaces()
        for run in expire_approvals(workspaces, self._ports):
            LOG.info("%s/%s %s: nobody decided in time", run.model, run.environment, run.id)
        watch_for_silence(workspaces, self._ports)
        return CLOCK_EVERY
