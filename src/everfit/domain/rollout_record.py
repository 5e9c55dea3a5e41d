"""What may be written about a rollout, whoever keeps it: it begins once, ends once, and one is under way in a place."""

from dataclasses import replace

from everfit.domain.errors import BusyError, IllegalMoveError, RefusedError
from everfit.domain.rollout import Order, Progress


def begun(progress: Progress, own: Progress | None, current: Progress | None) -> Progress:
    """Return the rollout as it begins, or *own* when it has begun before.

    Args:
        own: what is kept of the same run.
        current: what is under way in the same environment.

    Raises:
        BusyError: another rollout is under way there.
    """
    if own is not None:
        return own
    if current is not None:
        raise BusyError(
            f"{name_of(current)} is under way, so that of version {progress.challenger} cannot begin; it waits."
        )
    return replace(progress, orders=())


def moved_on(before: Progress, after: Progress) -> Progress:
    """Return what to keep of *after*; the orders are kept apart.

    Raises:
        IllegalMoveError: the rollout is over, and *after* says something else.
        RefusedError: *after* is about another version.
    """
    if (before.run, before.champion, before.challenger) != (after.run, after.champion, after.challenger):
        raise RefusedError(f"{name_of(before)} cannot become that of version {after.challenger}.")
    if before.ending is not None and replace(after, orders=()) != replace(before, orders=()):
        raise over(before)
    return replace(after, orders=())


def ordered(progress: Progress, order: Order) -> Progress:
    """Return the rollout with one more order, or raise ``IllegalMoveError`` when it is over."""
    if progress.ending is not None:
        raise over(progress)
    return replace(progress, orders=(*progress.orders, order))


def over(progress: Progress) -> IllegalMoveError:
    """Return the error about a rollout that moves no more."""
    ending = "over" if progress.ending is None else progress.ending.value
    return IllegalMoveError(f"{name_of(progress)} is {ending} ({progress.reason}); it never moves again.")


def name_of(progress: Progress) -> str:
    """Return how people know the rollout."""
    return f"The rollout of version {progress.challenger} of {progress.model} in {progress.environment}"
