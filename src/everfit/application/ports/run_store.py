"""Runs, steps and leases."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from everfit.application.ports.claim import Claim
from everfit.domain.run import Cancellation, Outcome, Run, RunId, StepRecord


class RunStore(Protocol):
    """Runs, steps and leases: the truth about what happened. Each call is one transaction."""

    def run(self, run: RunId) -> Run:
        """Return the run, or raise ``NotFoundError``."""
        ...

    def runs(
        self,
        model: str | None = None,
        environment: str | None = None,
        *,
        before: RunId | None = None,
        limit: int = 100,
    ) -> Sequence[Run]:
        """Return runs, newest first.

        Args:
            before: only those that were started before this one, for the next page.
        """
        ...

    def open(self) -> Sequence[Run]:
        """Return every run that has not ended, of all models, oldest first."""
        ...

    def last_successes(self) -> Mapping[tuple[str, str], datetime]:
        """Return when a run has last ended as deployed or approved, by model and environment."""
        ...

    def cancel(self, run: RunId, cancellation: Cancellation) -> Run:
        """Write who wants the run to stop; whoever drives it stops it. The first one to ask is kept.

        Raises:
            IllegalMoveError: it has ended.
        """
        ...

    def unfinished(self, model: str, environment: str) -> Run | None:
        """Return the oldest run that has not ended and that waits for no person, if there is one."""
        ...

    def waiting(self, model: str, environment: str) -> Sequence[Run]:
        """Return the runs that wait for a person, oldest first."""
        ...

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
        """Take the lease of the model and environment with a higher fence; a claimed run is running then.

        A lease may be taken when it has run out, when its owner is known to be dead, or when it is free.

        Args:
            take_over: take it from a living owner as well, whose next write is refused: the way back waits for
                nobody.

        Raises:
            BusyError: a living owner holds it; the message names it.
        """
        ...

    def reserve(self, model: str, environment: str, *, owner: str, lease: timedelta, run: RunId) -> Claim:
        """Take the lease for a run that the owner is about to write, so that nobody else takes the run up.

        The owner's own first claim of that run goes on with the same fence.

        Raises:
            BusyError: a living owner holds it.
        """
        ...

    def renew(self, claim: Claim, lease: timedelta) -> None:
        """Prolong the lease, or raise ``FencedError``."""
        ...

    def release(self, claim: Claim, *, beyond: int = 0) -> None:
        """Give the lease back; nothing happens when somebody else has it by now.

        Args:
            beyond: the next claim's fence is higher than this, too.
        """
        ...

    def begin_step(self, claim: Claim, name: str) -> StepRecord:
        """Write that the step starts, with its attempt; raise ``FencedError`` when the claim is lost."""
        ...

    def finish_step(self, claim: Claim, name: str, result: Mapping[str, object]) -> None:
        """Write the step's result; raise ``FencedError`` when the claim is lost."""
        ...

    def fail_step(self, claim: Claim, name: str, error: str) -> None:
        """Write that this attempt failed; raise ``FencedError`` when the claim is lost."""
        ...

    def steps(self, run: RunId) -> Sequence[StepRecord]:
        """Return the steps of the run in the order in which they first started."""
        ...

    def wait(self, claim: Claim, waits_for: str, outcome: Outcome | None = None) -> None:
        """Write that the run waits, and for what; ``NEEDS_APPROVAL`` is the only outcome of a waiting run."""
        ...

    def note_version(self, claim: Claim, version: int) -> None:
        """Write which version the run made."""
        ...

    def end(
        self,
        claim: Claim,
        outcome: Outcome,
        reason: str,
        error: str | None = None,
        last: tuple[str, Mapping[str, object]] | None = None,
    ) -> None:
        """End the run and every event merged into it, once; raise ``FencedError`` when the claim is lost.

        A step that was under way has failed by that.

        Args:
            last: the step that ended the run and what it gave, written in the same transaction.
        """
        ...
