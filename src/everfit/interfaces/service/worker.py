"""Takes runs as far as they go, one after the other."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from everfit.application.journal import drive
from everfit.application.loop import LOOP
from everfit.application.performing import BAKES, Patience
from everfit.application.ports import Catalog, Ports
from everfit.application.rollouts import next_look, unhurried
from everfit.domain.errors import BusyError, EverfitError, FencedError, StateError
from everfit.domain.run import Run
from everfit.interfaces.service.log import LOG
from everfit.interfaces.service.work import Place, Work, place_of

SETTLING: Final = frozenset(step.name for step in LOOP if step.settles)


class LoggedProgress:
    """Writes the steps of one run to the log; what a script prints is kept with its job."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.step: str | None = None

    def step_started(self, name: str, attempt: int) -> None:
        """Remember the step; say so only when it is not the first try."""
        self.step = name
        if attempt > 1:
            LOG.info("%s: goes on with %s (attempt %s)", self._name, name, attempt)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Write the step with its time, unless it is only looked at."""
        self.step = None
        if outcome == BAKES:
            return
        LOG.info("%s: %s %s in %.2f s", self._name, name, outcome, seconds)

    def told(self, words: str) -> None:
        """Write what was decided."""
        LOG.info("%s: %s", self._name, words)

    def printed(self, output: bytes) -> None:
        """Leave it to the job's own log."""


class Worker:
    """One worker of the service.

    Args:
        name: tells it from every other worker of this process.
        settled: is told where a run has come to its end, or waits for a person.
        seconds: counts up steadily, whatever the clock on the wall does.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        catalog: Catalog,
        ports: Ports,
        settled: Callable[[Place], None],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._catalog = catalog
        self._ports = replace(ports, owner=f"{ports.owner}#{name}")
        self._settled = settled
        self._seconds = seconds
        self._progress: LoggedProgress | None = None

    @property
    def is_settling(self) -> bool:
        """Whether a step is under way that changes what serves, and so is never cut."""
        progress = self._progress
        return progress is not None and progress.step in SETTLING

    def turn(self) -> float | None:
        """Drive a run if there is one; nothing is left to do until this worker is woken."""
        run = self._work.take()
        if run is None:
            return None
        again, after = True, None
        try:
            is_look, begun = next_look(run, self._ports) is not None, self._seconds()
            again = not self._has_gone_on(run)
            pause = next_look(self._ports.store.run(run.id), self._ports) if again else None
            # What was trained before the first look says nothing of how long a look takes.
            took = timedelta(seconds=self._seconds() - begun if is_look else 0)
            after = None if pause is None else unhurried(pause, took)
        finally:
            self._work.give_back(run, again=again, after=after)
            self._settled(place_of(run))
        return 0

    def _has_gone_on(self, run: Run) -> bool:
        try:
            after = self._driven(run)
        except (BusyError, FencedError) as error:
            LOG.info("%s/%s %s waits: %s", run.model, run.environment, run.id, error)
            return False
        except StateError:
            raise
        except EverfitError as error:
            LOG.error("%s/%s %s cannot go on: %s", run.model, run.environment, run.id, error)
            return False
        if next_look(after, self._ports) is not None:
            return False
        words = "left where it is, for the next start" if after.outcome is None else after.outcome.value
        why = f". {after.reason}" if after.reason else ""
        LOG.info("%s/%s %s: %s%s", run.model, run.environment, run.id, words, why)
        return after.outcome is not None

    def _driven(self, run: Run) -> Run:
        workspace = self._catalog.workspace(run.model)
        self._progress = LoggedProgress(f"{run.model}/{run.environment} {run.id}")
        ports = replace(self._ports, progress=self._progress)
        is_left = next_look(run, ports) is not None and ports.endpoints.is_stopped()
        if not is_left and ports.registry.champion(run.model, run.environment) is not None:
            # What serves goes on serving while the next one is made.
            ports.endpoints.start()
        return drive(run.id, workspace, ports, patience=Patience.CHANGES)
