"""Ends what waits for a project that is not there any more: whoever triggered it learns why nothing comes of it."""

from collections.abc import Callable, Sequence
from typing import Final

from everfit.application.journal import LEASE
from everfit.application.ports import Catalog, Ports
from everfit.domain.errors import BusyError
from everfit.domain.inbox import Waiting
from everfit.domain.run import Outcome, Run
from everfit.interfaces.service.log import LOG

PATIENCE: Final = 60.0
"""Seconds for which a model has to be unknown: a folder may be moved, or a disk mounted, in the meantime."""
WORDS: Final = "no project of the model {} is in the folders that are served any more"


class Gone:
    """Models that something waits for and that no project has.

    Args:
        is_alone: whether no other service keeps the database, which may serve what this one does not know.
        seconds: counts up steadily.
    """

    def __init__(self, catalog: Catalog, ports: Ports, *, is_alone: bool, seconds: Callable[[], float]) -> None:
        self._catalog, self._ports, self._is_alone, self._seconds = catalog, ports, is_alone, seconds
        self._since: dict[str, float] = {}

    def end(self, waiting: Sequence[Waiting], runs: Sequence[Run]) -> float | None:
        """End what waits for models that have been gone long enough; return when the next one will have been."""
        if not self._is_alone or any(self._catalog.troubles()):
            return None
        known, now = self._catalog.workspaces(), self._seconds()
        missing = {*(each.model for each in waiting), *(run.model for run in runs)} - known.keys()
        self._since = {model: self._since.get(model, now) for model in missing}
        over = {model for model, since in self._since.items() if now - since >= PATIENCE}
        for each in waiting:
            if each.model in over:
                count = self._ports.inbox.skip(each.model, each.environment, WORDS.format(each.model))
                LOG.warning("%s/%s: %s events are skipped: the project is gone", each.model, each.environment, count)
        for run in runs:
            if run.model in over:
                self._abandon(run)
        return min((since + PATIENCE for model, since in self._since.items() if model not in over), default=None)

    def _abandon(self, run: Run) -> None:
        words, store = WORDS.format(run.model), self._ports.store
        try:
            claim = store.claim(run.model, run.environment, owner=self._ports.owner, lease=LEASE, run=run.id)
        except BusyError:
            return
        try:
            store.end(claim, Outcome.FAILED, words, error=words)
        finally:
            store.release(claim)
        LOG.warning("%s/%s %s: failed: %s", run.model, run.environment, run.id, words)
