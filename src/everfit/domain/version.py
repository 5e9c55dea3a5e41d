"""Versions: immutable packages, and how each one stands in each environment.

A version that was rejected can never be moved to a state in which it may serve: the table has no such move.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from everfit.domain.errors import IllegalMoveError, RefusedError
from everfit.domain.gate import Verdict, VerdictOutcome


class Standing(Enum):
    """How a version stands in one environment."""

    APPROVED = "approved"
    PENDING = "needs approval"
    REJECTED = "rejected"
    SERVING = "serving"
    RETIRED = "retired"
    ROLLED_BACK = "rolled back"


class VersionMove(Enum):
    """What can happen to a version in an environment."""

    APPROVE = "approve"
    REJECT = "reject"
    SERVE = "serve"
    RETIRE = "retire"
    ROLL_BACK = "roll back"


TRANSITIONS: Final[Mapping[Standing, Mapping[VersionMove, Standing]]] = {
    Standing.APPROVED: {VersionMove.SERVE: Standing.SERVING},
    Standing.PENDING: {VersionMove.APPROVE: Standing.APPROVED, VersionMove.REJECT: Standing.REJECTED},
    Standing.REJECTED: {},
    Standing.SERVING: {
        VersionMove.SERVE: Standing.SERVING,
        VersionMove.RETIRE: Standing.RETIRED,
        VersionMove.ROLL_BACK: Standing.ROLLED_BACK,
    },
    Standing.RETIRED: {VersionMove.SERVE: Standing.SERVING},
    Standing.ROLLED_BACK: {VersionMove.SERVE: Standing.SERVING},
}


def moved(standing: Standing, move: VersionMove) -> Standing:
    """Return how a version stands once *move* has happened, or raise ``IllegalMoveError``."""
    try:
        return TRANSITIONS[standing][move]
    except KeyError:
        raise IllegalMoveError(f"A version that is {standing.value} cannot {move.value}.") from None


FIRST_STANDING: Final[Mapping[VerdictOutcome, Standing]] = {
    VerdictOutcome.APPROVED: Standing.APPROVED,
    VerdictOutcome.NEEDS_APPROVAL: Standing.PENDING,
    VerdictOutcome.REJECTED: Standing.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable model package.

    Args:
        number: counted from 1 for each model, rejected ones too.
        artifact: ``sha256:…`` of the packed ``model.tar.gz``.
        size: of the packed artifact, in bytes.
        run: the run that made it.
        snapshot: digest of the data it learnt from.
        code: digest of the code it was made by.
        config: digest of the training configuration.
        lineage: commit, dirty flag, requirements lock, seeds, parameters, Python and package versions.
        metrics: what Everfit measured on the holdout when it was made.
        claims: what the training script said of itself.
    """

    model: str
    number: int
    artifact: str
    size: int
    run: str
    snapshot: str
    code: str
    config: str
    created: datetime
    lineage: Mapping[str, object]
    metrics: Mapping[str, object]
    claims: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person decided about a version, and the evidence that was seen."""

    model: str
    environment: str
    version: int
    approved: bool
    actor: str
    reason: str
    verdict: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a version stands in an environment, and on what evidence."""

    model: str
    environment: str
    version: int
    standing: Standing
    verdict: Verdict
    approval: Approval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A time in which a version took traffic; ``until`` is None while it still does."""

    model: str
    environment: str
    version: int
    since: datetime
    until: datetime | None
    reason: str
    actor: str
    run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The proof that a version may take traffic; only ``release`` makes one."""

    model: str
    environment: str
    version: int
    artifact: str
    verdict: str


def release(version: Version, placement: Placement) -> Release:
    """Return the proof that *version* may take traffic, or raise ``RefusedError`` with the reason."""
    name = f"Version {version.number} of {version.model}"
    verdict = placement.verdict
    if verdict.artifact != version.artifact:
        raise RefusedError(f"{name} cannot serve: its verdict is about other bytes ({verdict.artifact}).")
    if placement.standing in (Standing.PENDING, Standing.REJECTED):
        raise RefusedError(
            f"{name} cannot serve in {placement.environment}: it is {placement.standing.value}."
        )
    if verdict.outcome is VerdictOutcome.REJECTED:
        raise RefusedError(f"{name} cannot serve in {placement.environment}: the gate rejected it.")
    approved = placement.approval is not None and placement.approval.approved
    if verdict.outcome is VerdictOutcome.NEEDS_APPROVAL and not approved:
        raise RefusedError(f"{name} cannot serve in {placement.environment}: nobody has approved it.")
    return Release(
        model=version.model,
        environment=placement.environment,
        version=version.number,
        artifact=version.artifact,
        verdict=verdict.id,
    )
