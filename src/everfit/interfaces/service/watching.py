"""Lets one source of events look whenever it is time, and tells it when the projects have changed."""

from typing import Final

from everfit.application.ports import Catalog, Clock, Source

SHORTEST: Final = 0.05
LONGEST: Final = 60.0
"""Seconds after which a source looks in any case, for a clock that has jumped."""


class Watching:
    """One source and when it looks next."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock) -> None:
        self._source, self._catalog, self._clock = source, catalog, clock
        self._is_stale = True

    def projects_changed(self) -> None:
        """Give the source the projects anew at the next turn."""
        self._is_stale = True

    def turn(self) -> float | None:
        """Look, and return when to look again."""
        if self._is_stale:
            self._is_stale = False
            try:
                self._source.keep(tuple(self._catalog.workspaces().values()))
            except BaseException:
                self._is_stale = True
                raise
        due = self._source.look(self._clock.now())
        return min(max((due - self._clock.now()).total_seconds(), SHORTEST), LONGEST)
