"""Turns what waits in the inbox into runs, and offers runs that can be gone on with to the workers."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from everfit.application.dispatch import Held, dispatch
from everfit.application.ports import Catalog, Ports
from everfit.domain.errors import EverfitError, StateError
from everfit.domain.inbox import Pause, Waiting
from everfit.domain.run import Outcome, Run
from everfit.interfaces.service.decided import Decided
from everfit.interfaces.service.gone import Gone
from everfit.interfaces.service.log import LOG
from everfit.interfaces.service.work import Place, Work, place_of

POLL: Final = 0.25
"""Seconds between two looks at whether another process has written something."""
LONGEST_HOLD: Final = 300.0
"""Seconds after which what is held is looked at anew in any case, for a clock that has jumped."""
REST: Final = 60.0
"""Seconds between two looks at what is held until something happens, in case nobody has told of it."""

AGAIN: Final = 5.0
"""Seconds until a decision that failed is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hold:
    """Why a model and environment need no look: nothing has changed, and it is not time yet."""

    waiting: Waiting
    until: float


class Dispatcher:
    """Decides for each model and environment in which something waits.

    Args:
        changes: another value whenever anybody has written to the database.
        is_alone: whether no other service keeps the database.
        seconds: counts up steadily, whatever the clock on the wall does.
    """

    def __init__(
        self,
        work: Work,
        catalog: Catalog,
        ports: Ports,
        changes: Callable[[], object],
        *,
        is_alone: bool = False,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work, self._catalog, self._ports, self._changes, self._seconds = work, catalog, ports, changes, seconds
        self._gone = Gone(catalog, ports, is_alone=is_alone, seconds=seconds)
        self._decided = Decided(ports, seconds)
        self._seen: object = None
        self._is_asked = True
        self._due = 0.0
        self._held: dict[Place, _Hold] = {}
        self._settled: deque[Place | None] = deque()
        self._pauses: Sequence[Pause] = ()

    def ask(self) -> None:
        """Look at everything at the next turn."""
        self._is_asked = True

    def forget(self, place: Place | None = None) -> None:
        """Look anew at what was held there; None means everywhere."""
        # Other threads say so; only the dispatcher's own touches what is held.
        self._settled.append(place)
        self._is_asked = True

    def turn(self) -> float | None:
        """Look when there is a reason to."""
        seen = self._changes()
        is_asked = self._is_asked
        if is_asked or seen != self._seen or self._seconds() >= self._due or self._work.is_due():
            self._is_asked, self._seen = False, seen
            self._look(is_asked=is_asked)
        return min(POLL, max(0.0, self._due - self._seconds()))

    def _look(self, *, is_asked: bool) -> None:
        self._notice_settled()
        self._notice_pauses()
        waiting, open_runs = self._ports.inbox.all_waiting(), self._ports.store.open()
        gone = self._gone.end(waiting, open_runs)
        begun = self._dispatched(waiting, {place_of(run) for run in open_runs if run.outcome is None})
        decided = self._decided.among(open_runs, is_asked=is_asked)
        known = self._catalog.workspaces()
        going = [run for run in open_runs if run.outcome is not Outcome.NEEDS_APPROVAL]
        there = (run for run in (*decided, *going, *begun) if run.model in known)
        self._work.offer([run for run in there if not self._gone.is_away(place_of(run))])
        dues = [hold.until for hold in self._held.values()]
        self._due = min(
            due for due in (*dues, gone, self._decided.due, self._seconds() + LONGEST_HOLD) if due is not None
        )

    def _dispatched(self, found: Sequence[Waiting], busy: set[Place]) -> Sequence[Run]:
        """Return the runs that were begun for what waits."""
        places = {(waiting.model, waiting.environment) for waiting in found}
        self._held = {place: hold for place, hold in self._held.items() if place in places}
        begun = [self._begun(waiting) for waiting in found if self._needs_a_look(waiting, busy)]
        return [run for run in begun if run is not None]

    def _notice_settled(self) -> None:
        while self._settled:
            place = self._settled.popleft()
            if place is None:
                self._held = {}
            else:
                self._held.pop(place, None)

    def _notice_pauses(self) -> None:
        pauses = self._ports.inbox.pauses()
        if pauses != self._pauses:
            self._pauses, self._held = pauses, {}

    def _needs_a_look(self, waiting: Waiting, busy: set[Place]) -> bool:
        place = (waiting.model, waiting.environment)
        if place in busy or self._gone.is_away(place):
            # One more run follows when this one has ended, and whoever drives it tells.
            return False
        hold = self._held.get(place)
        return hold is None or hold.waiting != waiting or hold.until <= self._seconds()

    def _begun(self, waiting: Waiting) -> Run | None:
        place = (waiting.model, waiting.environment)
        workspace = self._catalog.workspaces().get(waiting.model)
        if workspace is None:
            self._hold(waiting, LONGEST_HOLD)
            return None
        try:
            answer = dispatch(*place, workspace, self._ports)
        except StateError:
            raise
        except EverfitError as error:
            LOG.error("%s/%s: no run can be started: %s", *place, error)
            self._hold(waiting, AGAIN)
            return None
        if isinstance(answer, Held):
            now = self._ports.clock.now()
            self._hold(waiting, REST if answer.until is None else (answer.until - now).total_seconds())
            return None
        if answer is not None:
            LOG.info("%s/%s %s starts: %s", *place, answer.id, answer.cause)
        return answer

    def _hold(self, waiting: Waiting, seconds: float) -> None:
        until = self._seconds() + min(max(seconds, 0.0), LONGEST_HOLD)
        self._held[waiting.model, waiting.environment] = _Hold(waiting=waiting, until=until)
