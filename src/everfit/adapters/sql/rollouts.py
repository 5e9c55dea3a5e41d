"""Rollouts in SQL: each call is one transaction."""

from collections.abc import Sequence

from everfit.adapters.sql import rollout_rows
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.leases import held
from everfit.adapters.sql.registry import check_place
from everfit.application.ports import Claim
from everfit.domain.errors import NotFoundError
from everfit.domain.rollout import Order, Progress
from everfit.domain.rollout_record import begun, moved_on, ordered
from everfit.domain.run import RunId


class SqlRollouts:
    """Implements ``Rollouts`` in the run store's own database: a claim is checked in the transaction that needs it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, claim: Claim, progress: Progress) -> Progress:
        check_place(claim, progress.model, progress.environment)
        with self._database.transaction() as rows:
            held(rows, claim)
            own = rollout_rows.rollout_of_run(rows, progress.run)
            new = begun(progress, own, rollout_rows.rollout_under_way(rows, progress.model, progress.environment))
            if own is None:
                rollout_rows.add_rollout(rows, new)
            return new

    def keep(self, claim: Claim, progress: Progress) -> None:
        check_place(claim, progress.model, progress.environment)
        with self._database.transaction() as rows:
            held(rows, claim)
            before = rollout_rows.rollout_of_run(rows, progress.run)
            if before is None:
                raise unknown(progress.run)
            after = moved_on(before, progress)
            if before.ending is None:
                rollout_rows.keep_rollout(rows, after)

    def of_run(self, run: RunId) -> Progress | None:
        with self._database.reading() as rows:
            return rollout_rows.rollout_of_run(rows, run)

    def current(self, model: str, environment: str) -> Progress | None:
        with self._database.reading() as rows:
            return rollout_rows.rollout_under_way(rows, model, environment)

    def ended(self, model: str, environment: str, *, limit: int = 20) -> Sequence[Progress]:
        with self._database.reading() as rows:
            return rollout_rows.ended_rollouts(rows, model, environment, limit)

    def order(self, run: RunId, order: Order) -> Progress:
        with self._database.transaction() as rows:
            before = rollout_rows.rollout_of_run(rows, run)
            if before is None:
                raise unknown(run)
            after = ordered(before, order)
            rollout_rows.add_order(rows, run, order)
            return after


def unknown(run: str) -> NotFoundError:
    """Return the error about a run that moves no traffic step by step."""
    return NotFoundError(f"Run {run} has no rollout; `everfit rollout` shows the one that is under way.")
