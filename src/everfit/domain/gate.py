"""Rules and scores in, a verdict out: three-valued, fail-closed, exact at the threshold."""

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """What a rule says; only ``PASS`` lets a version through."""

    PASS = "pass"  # noqa: S105 - not a password
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


class VerdictOutcome(Enum):
    """What the gate says of a challenger."""

    APPROVED = "approved"
    NEEDS_APPROVAL = "needs approval"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's answer, in words and numbers."""

    rule: str
    result: Result
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's outcome, bound to what it was about.

    Args:
        id: digest of everything below.
        artifact: digest of the judged model.
        snapshot: digest of the data behind the holdout.
        policy: digest of the rules and the approval policy.
        champion: the version it was compared with; None when there was none, and then the absolute rules
            alone decided.
    """

    id: str
    outcome: VerdictOutcome
    findings: tuple[Finding, ...]
    reason: str
    artifact: str
    snapshot: str
    policy: str
    champion: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """One line of ``gate:``; the module that judges extends it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """Who has the last word: ``automatic``, ``manual``, or a person when a rule holds."""

    mode: str = "automatic"
    when: GateRule | None = None
