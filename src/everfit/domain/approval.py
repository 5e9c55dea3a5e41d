"""Who may decide about a version that waits for a person, and for how long."""

from dataclasses import dataclass
from datetime import datetime

from everfit.domain.amounts import lasting
from everfit.domain.errors import RefusedError
from everfit.domain.gate import ApprovalPolicy
from everfit.domain.words import listed

CLOCK = "everfit"
"""Who decides when nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A version that waits for a person.

    Args:
        starters: everybody who asked for the run that made it.
    """

    version: int
    environment: str
    since: datetime
    starters: frozenset[str]


def check_decider(pending: Pending, policy: ApprovalPolicy, actor: str, *, approved: bool) -> None:
    """Raise ``RefusedError`` unless *actor* may decide so."""
    about = f"version {pending.version} in {pending.environment}"
    name = _folded(actor)
    if policy.approvers and name not in {_folded(each) for each in policy.approvers}:
        raise RefusedError(f"{actor} may not decide about {about}; {listed(policy.approvers)} may.")
    if approved and policy.four_eyes and name in {_folded(each) for each in pending.starters}:
        raise RefusedError(f"{actor} started the run that made {about}, so somebody else must approve it.")


def deadline(pending: Pending, policy: ApprovalPolicy) -> datetime | None:
    """Return when the time to decide is over; None when it never is."""
    return None if policy.expires is None else pending.since + policy.expires


def expired_words(policy: ApprovalPolicy) -> str:
    """Return the reason of a rejection that nobody made."""
    return "expired: nobody decided" + ("" if policy.expires is None else f" within {lasting(policy.expires)}")


def _folded(name: str) -> str:
    """Return a name as it is compared: who signs as Ada is nobody else than ada."""
    return " ".join(name.split()).casefold()
