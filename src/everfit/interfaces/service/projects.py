"""Sees to it that a changed project file is in force soon, without a restart."""

import time
from collections.abc import Callable
from typing import Final

from everfit.application.ports import Catalog
from everfit.interfaces.service.log import LOG

EVERY: Final = 2.0
"""Seconds between two looks at the files."""
SHARE: Final = 400
"""Looking takes at most one part in this many of the time, however many projects there are."""


class Projects:
    """Reads project files that have changed.

    Args:
        changed: is called when any project is another one now.
    """

    def __init__(self, catalog: Catalog, changed: Callable[[], None]) -> None:
        self._catalog, self._changed = catalog, changed
        self._troubles: dict[str, str] = {}

    def turn(self) -> float | None:
        """Look at the files."""
        begun = time.monotonic()
        if self._catalog.refresh():
            LOG.info("projects in force: %s", len(self._catalog.workspaces()))
            self._changed()
        self._tell(dict(self._catalog.troubles()))
        return max(EVERY, SHARE * (time.monotonic() - begun))

    def _tell(self, troubles: dict[str, str]) -> None:
        for folder, words in troubles.items():
            if self._troubles.get(folder) != words:
                LOG.error("%s: %s", folder, words)
        for folder in self._troubles.keys() - troubles.keys():
            LOG.info("%s: well again", folder)
        self._troubles = troubles
