"""Rollouts in memory, by the same rules as those in SQL."""

from collections.abc import Sequence
from dataclasses import replace

from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports import Claim
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.rollout import Order, Progress
from everfit.domain.rollout_record import begun, moved_on, ordered
from everfit.domain.run import RunId


class MemoryRollouts:
    """Implements ``Rollouts`` for tests and dry runs; *store* knows which claims hold."""

    def __init__(self, store: MemoryRunStore) -> None:
        self._store = store
        self._turn = store.turn
        self._kept: dict[str, Progress] = {}
        self._orders: dict[str, tuple[Order, ...]] = {}

    def begin(self, claim: Claim, progress: Progress) -> Progress:
        _check_place(claim, progress)
        with self._turn:
            self._store.check(claim)
            own = self.of_run(RunId(progress.run))
            new = begun(progress, own, self.current(progress.model, progress.environment))
            if own is None:
                self._kept[progress.run] = new
            return new

    def keep(self, claim: Claim, progress: Progress) -> None:
        _check_place(claim, progress)
        with self._turn:
            self._store.check(claim)
            self._kept[progress.run] = moved_on(self._known(progress.run), progress)

    def of_run(self, run: RunId) -> Progress | None:
        with self._turn:
            return self._known(run) if run in self._kept else None

    def current(self, model: str, environment: str) -> Progress | None:
        with self._turn:
            return next((one for one in self._of(model, environment) if one.ending is None), None)

    def ended(self, model: str, environment: str, *, limit: int = 20) -> Sequence[Progress]:
        with self._turn:
            return [one for one in self._of(model, environment)[::-1] if one.ending is not None][:limit]

    def order(self, run: RunId, order: Order) -> Progress:
        with self._turn:
            after = ordered(self._known(run), order)
            self._orders[run] = after.orders
            return after

    def _of(self, model: str, environment: str) -> Sequence[Progress]:
        found = (self._known(run) for run in self._kept)
        return [one for one in found if (one.model, one.environment) == (model, environment)]

    def _known(self, run: str) -> Progress:
        if run not in self._kept:
            raise NotFoundError(f"Run {run} has no rollout; `everfit rollout` shows the one that is under way.")
        return replace(self._kept[run], orders=self._orders.get(run, ()))


def _check_place(claim: Claim, progress: Progress) -> None:
    if (claim.model, claim.environment) != (progress.model, progress.environment):
        raise RefusedError(
            f"A claim of {claim.model} in {claim.environment} cannot change {progress.model} in {progress.environment}."
        )
