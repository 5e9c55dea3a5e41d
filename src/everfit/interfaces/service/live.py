"""Watches what serves on this machine, in a thread of its own: no training holds up the way back."""

import time
from dataclasses import replace
from typing import Final

from everfit.application.live_watch import watch_live
from everfit.application.ports import Catalog, Ports
from everfit.interfaces.service.log import LOG

EVERY: Final = 2.0
"""Seconds between two looks."""
PAUSES: Final = 10.0
"""How much longer than a look the pause after it is: labels by the million are not joined all the time."""


class LiveWatch:
    """Goes back from a version that breaches a rule of its watch, and writes down what was moved meanwhile."""

    def __init__(self, catalog: Catalog, ports: Ports) -> None:
        # An owner of its own: two that go back at once must not take each other for themselves.
        self._catalog, self._ports = catalog, replace(ports, owner=f"{ports.owner}#watch")

    def turn(self) -> float | None:
        """Look at every environment that serves on this machine."""
        begun = time.monotonic()
        for found in watch_live(self._catalog.workspaces(), self._ports):
            if found.words is not None:
                LOG.warning("%s/%s: %s", found.model, found.environment, found.words)
        return max(EVERY, (time.monotonic() - begun) * PAUSES)
