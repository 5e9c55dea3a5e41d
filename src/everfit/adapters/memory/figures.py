"""Sums over what is in memory."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports.figures import Tally
from everfit.domain.errors import StateError


class MemoryFigures:
    """Implements ``Figures`` for tests; ``trouble`` is what is wrong with the store."""

    def __init__(self, store: MemoryRunStore) -> None:
        self._store = store
        self.trouble: str | None = None

    def tallies(self) -> Sequence[Tally]:
        ended = defaultdict[tuple[str, str, str], list[Tally]](list)
        for run in self._store.all_runs():
            if run.ended is not None and run.outcome is not None:
                place = (run.model, run.environment, run.outcome.value)
                one = Tally(model=place[0], environment=place[1], outcome=place[2], runs=1, newest=run.ended)
                ended[place].append(one)
        return [
            Tally(model=place[0], environment=place[1], outcome=place[2], runs=len(all_), newest=_newest(all_))
            for place, all_ in sorted(ended.items())
        ]

    def leases(self) -> int:
        return 0

    def undelivered(self) -> int:
        return 0

    def check_writable(self) -> None:
        if self.trouble is not None:
            raise StateError(self.trouble)


def _newest(tallies: Sequence[Tally]) -> datetime:
    return max(tally.newest for tally in tallies)
