"""Ends what waits for a project that is not there any more: whoever triggered it learns why nothing comes of it.

An environment that a project file does not have may have been written into it just now: it is not gone at once.
"""

from collections.abc import Callable, Sequence, Set
from typing import Final

from everfit.application.journal import LEASE
from everfit.application.ports import Catalog, Ports
from everfit.domain.errors import BusyError
from everfit.domain.inbox import Waiting
from everfit.domain.run import Outcome, Run
from everfit.interfaces.service.log import LOG
from everfit.interfaces.service.work import Place

PATIENCE: Final = 60.0
"""Seconds for which a model has to be unknown: a folder may be moved, or a disk mounted, in the meantime."""
SHARED_PATIENCE: Final = 86_400.0
"""Seconds for which an environment has to be unknown where another service may have read a newer project file."""
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
        self._away: dict[Place, float] = {}
        self._patience = PATIENCE if is_alone else SHARED_PATIENCE

    def is_away(self, place: Place) -> bool:
        """Tell whether the model's project has no such environment, and may have it when its file is read again."""
        since = self._away.get(place)
        return since is not None and self._seconds() - since < self._patience

    def end(self, waiting: Sequence[Waiting], runs: Sequence[Run]) -> float | None:
        """End what waits for models that have been gone long enough; return when the next one will have been."""
        places: set[Place] = {(each.model, each.environment) for each in waiting}
        self._notice(places | {(run.model, run.environment) for run in runs})
        if not self._is_alone or any(self._catalog.troubles()):
            return None
        known, now = self._catalog.workspaces(), self._seconds()
        unknown = {*(each.model for each in waiting), *(run.model for run in runs)} - known.keys()
        # What this service does not serve another one may, or a person by hand.
        missing = {model for model in unknown if not self._catalog.is_elsewhere(model)}
        self._since = {model: self._since.get(model, now) for model in missing}
        over = {model for model, since in self._since.items() if now - since >= PATIENCE}
        for each in waiting:
            if each.model in over:
                count = self._ports.inbox.skip(each.model, each.environment, WORDS.format(each.model))
                LOG.warning("%s/%s: %s events are skipped: the project is gone", each.model, each.environment, count)
        for run in runs:
            if run.model in over:
                self._abandon(run)
        waits = [since for model, since in self._since.items() if model not in over]
        waits += [since for place, since in self._away.items() if self.is_away(place)]
        return min((since + PATIENCE for since in waits), default=None)

    def _notice(self, places: Set[Place]) -> None:
        known, now = self._catalog.workspaces(), self._seconds()
        strange = {
            place for place in places if place[0] in known and place[1] not in known[place[0]].project.environments
        }
        # A file that cannot be read does not say what it has.
        before = {} if any(self._catalog.troubles()) else self._away
        self._away = {place: before.get(place, now) for place in strange}

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
