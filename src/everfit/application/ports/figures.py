"""Sums about an installation that cost the same however long its history is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many runs of a model in an environment ended with an outcome, and when the newest did."""

    model: str
    environment: str
    outcome: str
    runs: int
    newest: datetime


class Figures(Protocol):
    """Sums that are kept up to date as things happen."""

    def tallies(self) -> Sequence[Tally]:
        """Return how many runs have ended, by model, environment and outcome."""
        ...

    def leases(self) -> int:
        """Return how many models and environments somebody works on now."""
        ...

    def undelivered(self) -> int:
        """Return how many messages wait to be delivered, or to be tried again."""
        ...

    def check_writable(self) -> None:
        """Raise ``StateError`` unless something can be written now; nothing is."""
        ...
