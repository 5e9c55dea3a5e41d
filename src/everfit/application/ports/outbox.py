"""The durable outbox of notices."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from everfit.domain.delivery import Delivery, DeliveryState
from everfit.domain.notice import Notice

Place = tuple[str, str]
"""A model and an environment."""


class Outbox(Protocol):
    """Notices from the moment they are written until each channel has each of them, or it is given up.

    The store writes those about the end of a run, and the registry those about a rollback, in their own transactions.
    Each call is one transaction.
    """

    def note(self, notice: Notice) -> bool:
        """Write the notice; False when its id is known."""
        ...

    def unaddressed(self, model: str | None = None, *, after: int = 0, limit: int = 100) -> Sequence[Notice]:
        """Return notices that nobody has addressed to channels yet, oldest first.

        Args:
            model: only its notices; None means those of every model.
            after: only those with a greater place, for the next page.
        """
        ...

    def address(self, notice: Notice, channels: Mapping[str, timedelta]) -> Sequence[Delivery]:
        """Plan a delivery for each channel, once; what only repeats another notice is held, and counted.

        Args:
            channels: the window of each, by key; with none of them the notice is told to nobody.
        """
        ...

    def take(
        self, limit: int, models: frozenset[str] | None = None, environment: str | None = None
    ) -> Sequence[Delivery]:
        """Return deliveries that are due, fresh ones first, and write that each is tried now.

        Nobody else is given one of them before it is due again.

        Args:
            models: only those; None means every model.
            environment: only what is about this one, or about a whole model; None means every environment.
        """
        ...

    def delivered(self, delivery: Delivery) -> None:
        """Write that the channel has it."""
        ...

    def failed(self, delivery: Delivery, error: str) -> Delivery:
        """Write what went wrong with the attempt; what was tried often enough is given up. Return how it stands."""
        ...

    def put_back(self, delivery: Delivery, due: datetime) -> None:
        """Write that it was not tried after all, and when it is to be."""
        ...

    def give_up(self, delivery: Delivery, error: str) -> None:
        """Write that it is not tried any more."""
        ...

    def retry(self, delivery: int) -> Delivery:
        """Try a delivery that has not arrived anew, from now on.

        Raises:
            NotFoundError: there is none of that number.
            IllegalMoveError: it was delivered, or is told by another one.
        """
        ...

    def deliveries(
        self,
        *,
        model: str | None = None,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        """Return deliveries, newest first.

        Args:
            before: only those with a smaller number, for the next page.
        """
        ...

    def next_due(self) -> datetime | None:
        """Return when a delivery is due next; None when none waits."""
        ...

    def newest(self, model: str, environment: str, cause: str) -> Notice | None:
        """Return the newest notice of the cause in the place."""
        ...

    def watch(self, places: Sequence[Place]) -> Mapping[Place, datetime]:
        """Return since when each place is watched; one that is not yet is from now on."""
        ...
