"""Runs, steps and leases in memory, by the same rules as the SQLite store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from threading import RLock

from everfit.application.ports import Claim, Clock
from everfit.domain import lease as leases
from everfit.domain import result as results
from everfit.domain.errors import BusyError, FencedError, IllegalMoveError, NotFoundError, RefusedError
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


def _nobody(owner: str) -> bool:
    return owner == ""


class MemoryRunStore:
    """Implements ``RunStore`` for tests and dry runs.

    Args:
        is_dead: whether the owner of a lease is known to be dead.

    ``on_settled`` holds what is called with each run that has ended or waits for a person; ``turn`` is held meanwhile.
    """

    def __init__(self, clock: Clock, is_dead: Callable[[str], bool] = _nobody) -> None:
        self._clock = clock
        self._is_dead = is_dead
        self.turn = RLock()
        self._leases: dict[tuple[str, str], Lease] = {}
        self._runs: dict[RunId, Run] = {}
        self._steps: dict[RunId, dict[str, StepRecord]] = {}
        self.on_settled: list[Callable[[Run], None]] = []

    def run(self, run: RunId) -> Run:
        with self.turn:
            return self._run(run)

    def runs(
        self,
        model: str | None = None,
        environment: str | None = None,
        *,
        before: RunId | None = None,
        limit: int = 100,
    ) -> Sequence[Run]:
        with self.turn:
            names = list(self._runs)
            if before is not None:
                names = names[: names.index(before)] if before in names else []
            found = [self._runs[name] for name in reversed(names)]
            found = [run for run in found if model in (None, run.model) and environment in (None, run.environment)]
            return found[:limit]

    def open(self) -> Sequence[Run]:
        return [run for run in self.all_runs() if run.state is not RunState.ENDED]

    def last_successes(self) -> Mapping[tuple[str, str], datetime]:
        well = (Outcome.DEPLOYED, Outcome.APPROVED)
        ended = [(run, run.ended) for run in self.all_runs() if run.ended is not None and run.outcome in well]
        return {(run.model, run.environment): end for run, end in sorted(ended, key=lambda each: each[1])}

    def unfinished(self, model: str, environment: str) -> Run | None:
        with self.turn:
            return next((run for run in self._open(model, environment) if run.outcome is None), None)

    def waiting(self, model: str, environment: str) -> Sequence[Run]:
        with self.turn:
            return [run for run in self._open(model, environment) if run.outcome is not None]

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
        place = (model, environment)
        with self.turn:
            now = self._clock.now()
            before = self._leases.get(place)
            own = before if self._is_reserved(before, owner, run) else None
            if before is not None and own is None and not take_over and not self._may_take(before):
                self._leases[place] = leases.rebased(before, now)
                raise BusyError(leases.busy_message(before, before.owner or "somebody", model, environment))
            taken = leases.renewed(own, now, lease) if own else leases.taken(before, owner, run, now, lease)
            if run is not None:
                self._runs[run] = claimed(self._run_there(run, model, environment), taken.fence)
            self._leases[place] = taken
            return Claim(model=model, environment=environment, owner=owner, fence=taken.fence, run=run)

    def reserve(self, model: str, environment: str, *, owner: str, lease: timedelta, run: RunId) -> Claim:
        with self.turn:
            before = self._leases.get((model, environment))
            if before is not None and not self._may_take(before):
                raise BusyError(leases.busy_message(before, before.owner or "somebody", model, environment))
            taken = leases.taken(before, owner, run, self._clock.now(), lease)
            self._leases[model, environment] = taken
            return Claim(model=model, environment=environment, owner=owner, fence=taken.fence, run=run)

    def renew(self, claim: Claim, lease: timedelta) -> None:
        with self.turn:
            renewed = leases.renewed(self._held(claim), self._clock.now(), lease)
            self._leases[claim.model, claim.environment] = renewed

    def release(self, claim: Claim, *, beyond: int = 0) -> None:
        place = (claim.model, claim.environment)
        with self.turn:
            lease = self._leases.get(place)
            if lease is not None and (lease.owner, lease.fence) == (claim.owner, claim.fence):
                self._leases[place] = leases.given_back(lease, beyond)

    def begin_step(self, claim: Claim, name: str) -> StepRecord:
        with self.turn:
            run = self._claimed_run(claim)
            steps = self._steps.setdefault(run.id, {})
            steps[name] = started_again(steps.get(name), name, self._clock.now())
            if run.state is RunState.WAITING:
                self._runs[run.id] = claimed(run, claim.fence)
            return steps[name]

    def finish_step(self, claim: Claim, name: str, result: Mapping[str, object]) -> None:
        text = results.written(name, result)
        with self.turn:
            run = self._claimed_run(claim)
            step = self._started_step(run.id, name)
            done = replace(step, outcome=StepOutcome.DONE, ended=self._clock.now(), result=results.read(text))
            self._steps[run.id][name] = done

    def fail_step(self, claim: Claim, name: str, error: str) -> None:
        with self.turn:
            run = self._claimed_run(claim)
            step = self._started_step(run.id, name)
            failed = replace(step, outcome=StepOutcome.FAILED, ended=self._clock.now(), error=error)
            self._steps[run.id][name] = failed

    def steps(self, run: RunId) -> Sequence[StepRecord]:
        with self.turn:
            return list(self._steps.get(run, {}).values())

    def wait(self, claim: Claim, waits_for: str, outcome: Outcome | None = None) -> None:
        with self.turn:
            run = waiting(self._claimed_run(claim), waits_for, outcome)
            self._runs[run.id] = run
            if outcome is not None:
                self._settled(run)

    def note_version(self, claim: Claim, version: int) -> None:
        with self.turn:
            run = replace(self._claimed_run(claim), version=version)
            self._runs[run.id] = run

    def end(
        self,
        claim: Claim,
        outcome: Outcome,
        reason: str,
        error: str | None = None,
        last: tuple[str, Mapping[str, object]] | None = None,
    ) -> None:
        with self.turn:
            if last is not None:
                self.finish_step(claim, *last)
            run = ended(self._claimed_run(claim), outcome, reason, error, self._clock.now())
            for step in list(self._steps.get(run.id, {}).values()):
                if step.outcome is StepOutcome.STARTED:
                    self.fail_step(claim, step.name, reason)
            self._runs[run.id] = run
            self._settled(run)

    def cancel(self, run: RunId, cancellation: Cancellation) -> Run:
        with self.turn:
            self._runs[run] = cancelled(self._run(run), cancellation)
            return self._runs[run]

    def add(self, run: Run) -> None:
        """Keep a new run; the inbox starts it."""
        with self.turn:
            self._runs[run.id] = run

    def all_runs(self) -> Sequence[Run]:
        """Return every run, oldest first."""
        with self.turn:
            return list(self._runs.values())

    def _settled(self, run: Run) -> None:
        for told in self.on_settled:
            told(run)

    def check(self, claim: Claim) -> None:
        """Raise ``FencedError`` unless the claim still holds; the registry asks before it writes."""
        with self.turn:
            self._held(claim)

    def _open(self, model: str, environment: str) -> Sequence[Run]:
        runs = [run for run in self._runs.values() if (run.model, run.environment) == (model, environment)]
        return [run for run in runs if run.state is not RunState.ENDED]

    def _may_take(self, lease: Lease) -> bool:
        return leases.is_free(lease, self._clock.now()) or (lease.owner is not None and self._is_dead(lease.owner))

    def _is_reserved(self, lease: Lease | None, owner: str, run: RunId | None) -> bool:
        """Tell whether the lease was reserved for this run, which nobody has claimed yet."""
        if lease is None or run is None or not leases.is_reserved(lease, owner, run):
            return False
        return run in self._runs and self._runs[run].fence == 0

    def _held(self, claim: Claim) -> Lease:
        lease = self._leases.get((claim.model, claim.environment))
        if lease is None or (lease.owner, lease.fence) != (claim.owner, claim.fence):
            raise FencedError(leases.lost_message(lease, claim.fence, claim.model, claim.environment))
        return lease

    def _run(self, run: RunId) -> Run:
        if run not in self._runs:
            raise NotFoundError(f"There is no run {run}; `everfit runs` lists them.")
        return self._runs[run]

    def _run_there(self, run: RunId, model: str, environment: str) -> Run:
        found = self._run(run)
        if (found.model, found.environment) != (model, environment):
            raise RefusedError(
                f"Run {run} is of {found.model} in {found.environment}, not of {model} in {environment}."
            )
        return found

    def _claimed_run(self, claim: Claim) -> Run:
        self._held(claim)
        if claim.run is None:
            raise RefusedError(f"The claim of {claim.model} in {claim.environment} is without a run; claim one.")
        run = self._run(claim.run)
        if run.state is RunState.ENDED:
            raise IllegalMoveError(f"Run {run.id} has ended ({run.reason}); it never moves again.")
        return run

    def _started_step(self, run: RunId, name: str) -> StepRecord:
        step = self._steps.get(run, {}).get(name)
        if step is None:
            raise NotFoundError(f"The step {name!r} of run {run} has not started.")
        if step.outcome is not StepOutcome.STARTED:
            raise IllegalMoveError(f"The step {name!r} of run {run} is {step.outcome.value} already.")
        return step
