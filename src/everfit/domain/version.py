"""Versions: immutable packages, and how each one stands in each environment.

A version that was rejected can never be moved to a state in which it may serve: the table has no such move.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from everfit.domain.errors import IllegalMoveError, RefusedError
from everfit.domain.gate import Result, Verdict, VerdictOutcome, is_intact


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
    Standing.APPROVED: {VersionMove.SERVE: Standing.SERVING, VersionMove.ROLL_BACK: Standing.ROLLED_BACK},
    Standing.PENDING: {VersionMove.APPROVE: Standing.APPROVED, VersionMove.REJECT: Standing.REJECTED},
    Standing.REJECTED: {},
    Standing.SERVING: {
        VersionMove.SERVE: Standing.SERVING,
        VersionMove.RETIRE: Standing.RETIRED,
        VersionMove.ROLL_BACK: Standing.ROLLED_BACK,
    },
    Standing.RETIRED: {VersionMove.SERVE: Standing.SERVING, VersionMove.ROLL_BACK: Standing.ROLLED_BACK},
    Standing.ROLLED_BACK: {VersionMove.SERVE: Standing.SERVING, VersionMove.ROLL_BACK: Standing.ROLLED_BACK},
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
    """A time in which a version took traffic; ``until`` is None while it still does.

    Args:
        run: None when a person did it by hand.
        is_rollback: whether the traffic went back to it, away from the version before.
    """

    model: str
    environment: str
    version: int
    since: datetime
    until: datetime | None
    reason: str
    actor: str
    run: str | None
    is_rollback: bool = False


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
    if not is_intact(verdict):
        raise RefusedError(f"{name} cannot serve: its verdict was changed after it was made. Train a new version.")
    if placement.standing in (Standing.PENDING, Standing.REJECTED):
        raise RefusedError(f"{name} cannot serve in {placement.environment}: it is {placement.standing.value}.")
    if verdict.outcome is VerdictOutcome.REJECTED:
        raise RefusedError(f"{name} cannot serve in {placement.environment}: the gate rejected it.")
    if any(finding.result is not Result.PASS for finding in verdict.findings):
        raise RefusedError(f"{name} cannot serve in {placement.environment}: not every rule of its gate passed.")
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


def judged(version: Version, before: Placement | None, new: Placement) -> Placement | None:
    """Return what to keep of a new verdict about *version*, or None when the same verdict is kept already.

    Args:
        before: how the version stands in that environment; None when it was never judged there.
    """
    name = f"Version {version.number} of {version.model}"
    if new.verdict.artifact != version.artifact:
        raise RefusedError(
            f"{name} is {version.artifact}; the verdict is about {new.verdict.artifact}. Judge it again."
        )
    if new.standing is not FIRST_STANDING[new.verdict.outcome]:
        raise RefusedError(f"{name} cannot be {new.standing.value}: its verdict is {new.verdict.outcome.value}.")
    if before is None:
        return replace(new, version=version.number, approval=None)
    if before.verdict.id == new.verdict.id:
        return None
    if before.standing in (Standing.REJECTED, Standing.SERVING):
        raise RefusedError(
            f"{name} is {before.standing.value} in {new.environment} by verdict {before.verdict.id}; "
            "another verdict cannot change that. Train a new version."
        )
    return replace(new, version=version.number, approval=None)


def adopted(version: Version, kept: Version | None, placement: Placement) -> Placement:
    """Return how a version of another installation is kept here: it has served there, and serves nothing here.

    Args:
        kept: what has its number here; None when nothing has.

    Raises:
        RefusedError: that is another version, or this one may not be promoted.
    """
    name = f"Version {version.number} of {version.model}"
    if kept is not None and (kept.run, kept.artifact) != (version.run, version.artifact):
        raise RefusedError(
            f"{name} is {version.artifact} in {placement.environment} and {kept.artifact} here: both installations "
            "have made a version of that number. Train on one of them only, or give the other one another model name."
        )
    if placement.standing not in (Standing.SERVING, Standing.RETIRED, Standing.ROLLED_BACK):
        raise RefusedError(
            f"{name} is {placement.standing.value} in {placement.environment}, and only what has served there may be "
            "promoted."
        )
    if placement.verdict.artifact != version.artifact or not is_intact(placement.verdict):
        raise RefusedError(f"{name} has no whole verdict about its bytes in {placement.environment}. Judge it again.")
    is_back = placement.standing is Standing.ROLLED_BACK
    return replace(placement, standing=Standing.ROLLED_BACK if is_back else Standing.RETIRED)


def decided(placement: Placement, approval: Approval) -> Placement | None:
    """Return how the version stands after a person's decision, or None when the same decision was kept before."""
    name = f"Version {approval.version} of {approval.model}"
    if approval.verdict != placement.verdict.id:
        raise RefusedError(
            f"{name} was judged again in {approval.environment} since that evidence was seen; look, then decide anew."
        )
    before = placement.approval
    if before is not None and before.approved == approval.approved:
        return None
    if placement.standing is not Standing.PENDING:
        raise IllegalMoveError(
            f"{name} does not wait for approval in {approval.environment}: it is {placement.standing.value}."
        )
    move = VersionMove.APPROVE if approval.approved else VersionMove.REJECT
    return replace(placement, standing=moved(placement.standing, move), approval=approval)


def turned_back(placement: Placement) -> Placement:
    """Return how a version stands that was taken back on its way to all of the traffic.

    Raises:
        IllegalMoveError: it never had the right to any traffic, or it serves.
    """
    if placement.standing is Standing.SERVING:
        raise IllegalMoveError(
            f"Version {placement.version} of {placement.model} serves in {placement.environment}: "
            "a rollback takes it back, and puts another one there."
        )
    return replace(placement, standing=moved(placement.standing, VersionMove.ROLL_BACK))


def check_release(proof: Release, version: Version, placement: Placement) -> None:
    """Raise ``RefusedError`` unless *proof* is the one that the stored version and verdict give now."""
    if release(version, placement) != proof:
        raise RefusedError(
            f"Version {version.number} of {version.model} cannot serve in {placement.environment}: what is kept of it "
            f"is {version.artifact} by verdict {placement.verdict.id}, not {proof.artifact} by {proof.verdict}."
        )


def last_good(history: Sequence[Served], champion: int | None) -> int | None:
    """Return the version to go back to: the newest that served before *champion* and was not rolled back away from.

    Args:
        history: of one environment, newest first.
    """
    earlier = {served.version: place for place, served in enumerate(history)}
    left: set[int] = set()
    seen: set[int] = set()
    after: Served | None = None
    for served in history:
        # To a version that came later it was the way forward again, which says nothing against this one.
        is_back = after is not None and after.is_rollback and earlier[after.version] > earlier[served.version]
        if served.version not in seen and is_back:
            left.add(served.version)
        seen.add(served.version)
        after = served
        if served.version != champion and served.version not in left:
            return served.version
    return None
