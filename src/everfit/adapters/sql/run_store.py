"""Runs, steps and leases in SQL: each call is one transaction that is wholly kept or wholly undone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from everfit.adapters.sql import inbox_rows, outbox_rows, run_rows
from everfit.adapters.sql.database import Database, Statements
from everfit.adapters.sql.leases import held, keep_lease, lease_of
from everfit.adapters.sql.processes import described, is_gone
from everfit.application.ports import Claim, Clock
from everfit.domain import lease as leases
from everfit.domain import result as results
from everfit.domain.errors import BusyError, IllegalMoveError, NotFoundError, RefusedError
from everfit.domain.lease import Lease
from everfit.domain.run import (
    Cancellation,
    Outcome,
    Run,
    RunId,
    RunState,
    StepOutcome,
    StepRecord,
    cancelled,
    claimed,
    ended,
    started_again,
    waiting,
)
from everfit.domain.trigger import consumes, end_of_event


class SqlRunStore:
    """Implements ``RunStore``.

    Args:
        is_dead: whether the owner of a lease is known to be dead, so that nobody waits for its lease to run out.
    """

    def __init__(self, database: Database, clock: Clock, is_dead: Callable[[str], bool] = is_gone) -> None:
        self._database = database
        self._clock = clock
        self._is_dead = is_dead

    def run(self, run: RunId) -> Run:
        with self._database.reading() as rows:
            return self._run(rows, run)

    def runs(
        self,
        model: str | None = None,
        environment: str | None = None,
        *,
        before: RunId | None = None,
        limit: int = 100,
    ) -> Sequence[Run]:
        filters = {"model": model, "environment": environment, "before": before}
        with self._database.reading() as rows:
            return run_rows.newest_runs(rows, {name: value for name, value in filters.items() if value}, limit)

    def open(self) -> Sequence[Run]:
        with self._database.reading() as rows:
            return run_rows.open_runs(rows)

    def last_successes(self) -> Mapping[tuple[str, str], datetime]:
        with self._database.reading() as rows:
            return run_rows.last_successes(rows)

    def unfinished(self, model: str, environment: str) -> Run | None:
        with self._database.reading() as rows:
            return run_rows.unfinished_run(rows, model, environment)

    def waiting(self, model: str, environment: str) -> Sequence[Run]:
        with self._database.reading() as rows:
            return run_rows.waiting_runs(rows, model, environment)

    def claim(
        self,
        model: str,
        environment: str,
        *,
        owner: str,
        lease: timedelta,
        run: RunId | None = None,
        take_over: bool = False,
    ) -> Claim:
        with self._database.transaction() as rows:
            before = lease_of(rows, model, environment)
            own = before if self._is_reserved(rows, before, owner, run) else None
            if before is not None and own is None and not take_over and not self._may_take(before):
                taken = None
                rebased = leases.rebased(before, self._clock.now())
                if rebased != before:
                    # Kept although the claim is refused: a clock that jumped back is found out by who waits.
                    keep_lease(rows, model, environment, rebased)
            else:
                now = self._clock.now()
                taken = leases.renewed(own, now, lease) if own else leases.taken(before, owner, run, now, lease)
                keep_lease(rows, model, environment, taken)
                if run is not None:
                    run_rows.keep_run(rows, claimed(self._run_there(rows, run, model, environment), taken.fence))
        if taken is None:
            raise _busy(before, model, environment)
        return Claim(model=model, environment=environment, owner=owner, fence=taken.fence, run=run)

    def reserve(self, model: str, environment: str, *, owner: str, lease: timedelta, run: RunId) -> Claim:
        with self._database.transaction() as rows:
            before = lease_of(rows, model, environment)
            if before is not None and not self._may_take(before):
                raise _busy(before, model, environment)
            taken = leases.taken(before, owner, run, self._clock.now(), lease)
            keep_lease(rows, model, environment, taken)
            return Claim(model=model, environment=environment, owner=owner, fence=taken.fence, run=run)

    def renew(self, claim: Claim, lease: timedelta) -> None:
        with self._database.transaction() as rows:
            renewed = leases.renewed(held(rows, claim), self._clock.now(), lease)
            keep_lease(rows, claim.model, claim.environment, renewed)

    def release(self, claim: Claim, *, beyond: int = 0) -> None:
        with self._database.transaction() as rows:
            lease = lease_of(rows, claim.model, claim.environment)
            if lease is not None and (lease.owner, lease.fence) == (claim.owner, claim.fence):
                keep_lease(rows, claim.model, claim.environment, leases.given_back(lease, beyond))

    def begin_step(self, claim: Claim, name: str) -> StepRecord:
        with self._database.transaction() as rows:
            run = self._claimed_run(rows, claim)
            step = started_again(run_rows.step_of(rows, run.id, name), name, self._clock.now())
            run_rows.start_step(rows, run.id, step)
            if run.state is RunState.WAITING:
                run_rows.keep_run(rows, claimed(run, claim.fence))
            return step

    def finish_step(self, claim: Claim, name: str, result: Mapping[str, object]) -> None:
        text = results.written(name, result)
        with self._database.transaction() as rows:
            run = self._claimed_run(rows, claim)
            run_rows.end_step(rows, run.id, name, StepOutcome.DONE, self._clock.now(), result=text)

    def fail_step(self, claim: Claim, name: str, error: str) -> None:
        with self._database.transaction() as rows:
            run = self._claimed_run(rows, claim)
            run_rows.end_step(rows, run.id, name, StepOutcome.FAILED, self._clock.now(), error=error)

    def steps(self, run: RunId) -> Sequence[StepRecord]:
        with self._database.reading() as rows:
            return run_rows.steps_of(rows, run)

    def wait(self, claim: Claim, waits_for: str, outcome: Outcome | None = None) -> None:
        with self._database.transaction() as rows:
            run = waiting(self._claimed_run(rows, claim), waits_for, outcome)
            run_rows.keep_run(rows, run)
            if outcome is not None:
                # It has learnt; more data than it knew is needed before the next one is worth its while.
                inbox_rows.consume(rows, run)
                outbox_rows.tell_of_run(rows, run, self._clock.now())

    def note_version(self, claim: Claim, version: int) -> None:
        with self._database.transaction() as rows:
            run_rows.keep_run(rows, replace(self._claimed_run(rows, claim), version=version))

    def end(
        self,
        claim: Claim,
        outcome: Outcome,
        reason: str,
        error: str | None = None,
        last: tuple[str, Mapping[str, object]] | None = None,
    ) -> None:
        with self._database.transaction() as rows:
            run = self._claimed_run(rows, claim)
            if last is not None:
                text = results.written(*last)
                run_rows.end_step(rows, run.id, last[0], StepOutcome.DONE, self._clock.now(), result=text)
            after = ended(run, outcome, reason, error, self._clock.now())
            run_rows.fail_started(rows, run.id, reason, self._clock.now())
            run_rows.keep_run(rows, after)
            first, others = (end_of_event(outcome, is_first=is_first) for is_first in (True, False))
            inbox_rows.end_events(rows, after, first=first, others=others, now=self._clock.now())
            if consumes(outcome):
                inbox_rows.consume(rows, run)
            outbox_rows.tell_of_run(rows, after, self._clock.now())

    def cancel(self, run: RunId, cancellation: Cancellation) -> Run:
        with self._database.transaction() as rows:
            before = self._run(rows, run)
            asked = cancelled(before, cancellation)
            if asked != before:
                run_rows.ask_to_stop(rows, run, cancellation)
            return asked

    def _may_take(self, lease: Lease) -> bool:
        return leases.is_free(lease, self._clock.now()) or (lease.owner is not None and self._is_dead(lease.owner))

    def _is_reserved(self, rows: Statements, lease: Lease | None, owner: str, run: RunId | None) -> bool:
        """Tell whether the lease was reserved for this run, which nobody has claimed yet."""
        if lease is None or run is None or not leases.is_reserved(lease, owner, run):
            return False
        found = run_rows.run_of(rows, run)
        return found is not None and found.fence == 0

    def _run(self, rows: Statements, run: RunId) -> Run:
        found = run_rows.run_of(rows, run)
        if found is None:
            raise NotFoundError(f"There is no run {run}; `everfit runs` lists them.")
        return found

    def _run_there(self, rows: Statements, run: RunId, model: str, environment: str) -> Run:
        found = self._run(rows, run)
        if (found.model, found.environment) != (model, environment):
            raise RefusedError(
                f"Run {run} is of {found.model} in {found.environment}, not of {model} in {environment}."
            )
        return found

    def _claimed_run(self, rows: Statements, claim: Claim) -> Run:
        held(rows, claim)
        if claim.run is None:
            raise RefusedError(f"The claim of {claim.model} in {claim.environment} is without a run; claim one.")
        run = self._run(rows, claim.run)
        if run.state is RunState.ENDED:
            raise IllegalMoveError(f"Run {run.id} has ended ({run.reason}); it never moves again.")
        return run


def _busy(lease: Lease | None, model: str, environment: str) -> BusyError:
    if lease is None or lease.owner is None:
        return BusyError(f"{model} in {environment} is taken.")
    return BusyError(leases.busy_message(lease, described(lease.owner), model, environment))
