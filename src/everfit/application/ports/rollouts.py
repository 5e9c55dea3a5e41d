"""Rollouts: what moved, on what evidence, and what a person wants of one under way."""

from collections.abc import Sequence
from typing import Protocol

from everfit.application.ports.claim import Claim
from everfit.domain.rollout import Order, Progress
from everfit.domain.run import RunId


class Rollouts(Protocol):
    """Keeps each rollout with every decision about it. Each call is one transaction."""

    def begin(self, claim: Claim, progress: Progress) -> Progress:
        """Keep the rollout of the claim's run, once: one that was begun before is returned as it stands.

        Raises:
            FencedError: the claim is lost.
        """
        ...

    def keep(self, claim: Claim, progress: Progress) -> None:
        """Keep how the rollout stands now; orders that came meanwhile stay.

        Raises:
            FencedError: the claim is lost.
        """
        ...

    def of_run(self, run: RunId) -> Progress | None:
        """Return the rollout of the run, with the newest order about it; None when it has none."""
        ...

    def current(self, model: str, environment: str) -> Progress | None:
        """Return the rollout that is under way; None when none is."""
        ...

    def ended(self, model: str, environment: str, *, limit: int = 20) -> Sequence[Progress]:
        """Return rollouts that are over, newest first."""
        ...

    def order(self, run: RunId, order: Order) -> Progress:
        """Keep what a person wants of a rollout under way; the newest order counts.

        Raises:
            NotFoundError: the run has no rollout.
            IllegalMoveError: it is over.
        """
        ...
