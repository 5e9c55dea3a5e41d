"""Decides what an endpoint of SageMaker needs next, from what it says of itself; pure.

Success is judged by the configuration that serves, never by a status alone: after a deployment that SageMaker took
back, an endpoint is as ``InService`` as after one that went well.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from everfit.adapters.aws.intent import Change

BUSY: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
"""In which nothing can be changed (API reference, DescribeEndpoint, EndpointStatus)."""
FAILED: Final = "Failed"
ROLLBACK_FAILED: Final = "UpdateRollbackFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What DescribeEndpoint says.

    Args:
        config: that serves; while an update goes on, still the one before.
        pending: that is being brought in; None when SageMaker does not say.
        modified: when the endpoint was last modified; it changes with every update that was accepted.
        reason: why something failed.
    """

    arn: str
    status: str
    config: str
    variant: str
    pending: str | None = None
    modified: str = ""
    reason: str | None = None
    instances: int | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a change is under way, whoever's it is."""
        return self.status in BUSY


class Move(Enum):
    """What to do next."""

    WAIT = "wait"
    CREATE = "create"
    UPDATE = "update"
    REPAIR = "repair"
    REMOVE = "remove"
    DONE = "done"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What to do next, and why."""

    move: Move
    reason: str = ""


WAIT: Final = Next(move=Move.WAIT)
CREATE: Final = Next(move=Move.CREATE)
UPDATE: Final = Next(move=Move.UPDATE)


def next_move(observed: Observed | None, change: Change | None, wanted: str, *, is_fresh: bool) -> Next:
    """Return what brings the configuration *wanted* into service.

    Args:
        change: what was begun for exactly this; None when nothing was.
        is_fresh: whether the change was accepted so lately that a look may still show what was before it.
    """
    if change is not None and change.failed is not None:
        return Next(move=Move.FAIL, reason=change.failed)
    if observed is None:
        return _when_missing(change, is_fresh=is_fresh)
    if observed.is_busy:
        return WAIT
    return _when_settled(observed, change, wanted, is_fresh=is_fresh)


def is_behind(observed: Observed | None, other: Change | None, *, is_fresh: bool) -> bool:
    """Tell whether the look may be older than a change that was asked for in somebody else's name a moment ago.

    What the endpoint shows as it was before that change may not be what it is on its way to.
    """
    return observed is not None and other is not None and is_fresh and observed.modified == other.seen


def _when_settled(observed: Observed, change: Change | None, wanted: str, *, is_fresh: bool) -> Next:
    if observed.status == FAILED:
        return _when_failed(observed, change)
    if observed.config == wanted and observed.status != ROLLBACK_FAILED:
        return Next(move=Move.DONE)
    if change is None:
        return UPDATE
    if observed.status == ROLLBACK_FAILED:
        return _when_not_rolled_back(observed, change, is_fresh=is_fresh)
    return _when_another_serves(observed, change, is_fresh=is_fresh)


def _when_missing(change: Change | None, *, is_fresh: bool) -> Next:
    if change is None or change.asked is None:
        return CREATE
    if is_fresh:
        return WAIT
    return Next(move=Move.FAIL, reason="somebody deleted the endpoint meanwhile")


def _when_failed(observed: Observed, change: Change | None) -> Next:
    # DeleteEndpoint is the only operation that a failed endpoint takes (API reference, DescribeEndpoint).
    if change is None or change.asked is None:
        return Next(move=Move.REMOVE)
    return Next(move=Move.FAIL, reason=f"SageMaker says: {observed.reason or 'it gives no reason'}")


def _when_not_rolled_back(observed: Observed, change: Change, *, is_fresh: bool) -> Next:
    if not change.is_repair or change.asked is None:
        return Next(move=Move.REPAIR, reason=observed.reason or "SageMaker gives no reason")
    if is_fresh and observed.modified == change.seen:
        return WAIT
    return Next(
        move=Move.FAIL,
        reason=(
            "SageMaker could neither bring it in nor take it back, and going back by hand failed too: "
            f"{observed.reason or 'it gives no reason'}. Old and new instances answer side by side"
        ),
    )


def _when_another_serves(observed: Observed, change: Change, *, is_fresh: bool) -> Next:
    was_modified = observed.modified != change.seen
    if change.asked is None and not (was_modified and observed.config == change.previous):
        # Never accepted, as far as anybody can see; whatever was changed since was somebody else's.
        return UPDATE
    if not was_modified and is_fresh:
        return WAIT
    if observed.config != change.previous:
        return Next(
            move=Move.FAIL,
            reason=f"somebody else brought in {observed.config} meanwhile, which is not what Everfit asked for",
        )
    if change.is_repair:
        return Next(
            move=Move.FAIL,
            reason="SageMaker could neither bring it in nor take it back; Everfit went back to what served before",
        )
    return Next(move=Move.FAIL, reason=f"SageMaker took it back: {observed.reason or 'it gives no reason'}")
