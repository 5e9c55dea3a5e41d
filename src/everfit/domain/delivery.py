"""Deliveries: one notice on its way through one channel, tried again until it has arrived or is given up."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from everfit.domain.errors import IllegalMoveError
from everfit.domain.notice import Notice

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
PATIENCE: Final = timedelta(days=3)
ROUND: Final = timedelta(minutes=10)
"""Whoever takes deliveries has so long for them; nobody else tries them meanwhile."""


class DeliveryState(Enum):
    """How a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    MUTED = "muted"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notice for one channel.

    Args:
        channel: its key in the project.
        planned: when it is told at the earliest; later than the notice when it only repeats another one.
        due: when it is tried next; None when it is not tried any more.
        attempts: how often it was tried, the attempt under way included.
        error: what the last attempt gave.
        repeats: how many notices of the same cause were muted for this one since the last that was told.
        since: when the last one was told; None when this repeats nothing.
    """

    id: int
    notice: Notice
    channel: str
    state: DeliveryState
    planned: datetime
    due: datetime | None
    attempts: int = 0
    error: str | None = None
    ended: datetime | None = None
    repeats: int = 0
    since: datetime | None = None


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many attempts, or None when they have taken three days together."""
    if attempts > MOST_ATTEMPTS:
        return None
    return _pause(attempts)


def _pause(attempts: int) -> timedelta:
    doubled: int = 2 ** min(attempts - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def _most_attempts() -> int:
    taken, attempts = timedelta(0), 0
    while taken < PATIENCE:
        attempts += 1
        taken += _pause(attempts)
    return attempts


MOST_ATTEMPTS: Final = _most_attempts()
"""After so many attempts a delivery is given up."""
LONGEST_ERROR: Final = 500


def taken(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery as it is tried; should whoever tries it die over it, it is tried again later."""
    attempts = delivery.attempts + 1
    return replace(delivery, attempts=attempts, due=now + max(ROUND, pause_after(attempts) or LONGEST_PAUSE))


def arrived(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery as its channel has it."""
    return replace(delivery, state=DeliveryState.DELIVERED, due=None, error=None, ended=now)


def failed(delivery: Delivery, error: str, now: datetime) -> Delivery:
    """Return the delivery after an attempt that failed: it waits for the next one, or is given up."""
    pause = pause_after(delivery.attempts)
    if pause is None:
        return given_up(delivery, error, now)
    return replace(delivery, error=error[:LONGEST_ERROR], due=now + pause)


def given_up(delivery: Delivery, error: str, now: datetime) -> Delivery:
    """Return the delivery as it is not tried any more."""
    return replace(delivery, state=DeliveryState.GIVEN_UP, due=None, error=error[:LONGEST_ERROR], ended=now)


def tried_anew(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery as it is tried from now on, or raise ``IllegalMoveError``."""
    if delivery.state in (DeliveryState.DELIVERED, DeliveryState.MUTED):
        words = "was delivered" if delivery.state is DeliveryState.DELIVERED else "is told by a later one"
        raise IllegalMoveError(f"Delivery {delivery.id} {words}; there is nothing to try again.")
    return replace(delivery, state=DeliveryState.WAITING, attempts=0, due=now, ended=None)
