"""Rules and scores in, a verdict out: three-valued, fail-closed, exact at the threshold."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, cast

from everfit.domain.conclusion import Result
from everfit.domain.errors import RuleError, StateError
from everfit.domain.gate_rule import GateRule, check_fits, comparisons_needed, parse_rule, slices_needed
from everfit.domain.judging import NO_CHAMPION, Finding, Minimum, find
from everfit.domain.scores import Scores, scores_from_json

__all__ = [
    "About",
    "ApprovalPolicy",
    "Finding",
    "GateRule",
    "Minimum",
    "Result",
    "Scores",
    "Verdict",
    "VerdictOutcome",
    "check_fits",
    "comparisons_needed",
    "decide",
    "is_intact",
    "judge",
    "parse_rule",
    "policy_digest",
    "scores_from_json",
    "slices_needed",
    "verdict_digest",
    "verdict_from_json",
    "verdict_of",
    "verdict_to_json",
]


class VerdictOutcome(Enum):
    """What the gate says of a challenger."""

    APPROVED = "approved"
    NEEDS_APPROVAL = "needs approval"
    REJECTED = "rejected"


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
class ApprovalPolicy:
    """Who has the last word: ``automatic``, ``manual``, or a person when a rule holds (``when``).

    Args:
        expires: how long a version may wait for a person; None is for ever.
        approvers: who may decide; empty means everybody.
        four_eyes: whether nobody may approve what they started themselves.
    """

    mode: str = "automatic"
    when: GateRule | None = None
    expires: timedelta | None = None
    approvers: tuple[str, ...] = ()
    four_eyes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a verdict is bound to: digests, and the version that serves (None: no version does)."""

    artifact: str
    snapshot: str
    policy: str
    champion: int | None


MINIMUM: Final = Minimum()


def decide(rules: Sequence[GateRule], approval: ApprovalPolicy, scores: Scores, about: About) -> Verdict:
    """Judge *scores* by *rules* and give the verdict; ``about.policy`` is ``policy_digest(rules, approval)``."""
    findings = judge(rules, scores, champion=about.champion)
    when = None if approval.when is None else find(approval.when, scores, about.champion, MINIMUM)
    return verdict_of(findings, approval, about, when=when)


def judge(
    rules: Sequence[GateRule], scores: Scores, *, champion: int | None, minimum: Minimum = MINIMUM
) -> tuple[Finding, ...]:
    """Return what each rule says, in the order of the rules.

    Args:
        rules: at least one.
        scores: of the challenger, and of the champion if there is one.
        champion: the version that serves now; None when no version does.
        minimum: rows that a figure must come from.

    Raises:
        RuleError: there is no rule.
    """
    if not rules:
        raise RuleError("The gate has no rule, so nothing could ever be turned away.", expected="at least one rule")
    findings = tuple(find(rule, scores, champion, minimum) for rule in rules)
    error = scores.challenger.error
    if error is None:
        return findings
    # A gate of size and claims alone must not let a model through that answers nothing.
    return (*findings, Finding(rule="the challenger can be scored", result=Result.INCONCLUSIVE, reason=error))


def verdict_of(
    findings: Sequence[Finding], approval: ApprovalPolicy, about: About, *, when: Finding | None = None
) -> Verdict:
    """Return the verdict that follows from *findings*; *when* is what the approval policy's rule says.

    Raises:
        RuleError: there is no finding.
    """
    if not findings:
        raise RuleError("The gate has no rule, so nothing could ever be turned away.", expected="at least one rule")
    outcome, reason = _outcome(findings, approval, when)
    if all(finding.reason == NO_CHAMPION for finding in findings):
        reason = f"{reason}; there is no champion and no absolute rule, so a first version passes by that alone"
    elif about.champion is None:
        reason = f"{reason}; {NO_CHAMPION}"
    verdict = Verdict(
        id="",
        outcome=outcome,
        findings=tuple(findings),
        reason=reason,
        artifact=about.artifact,
        snapshot=about.snapshot,
        policy=about.policy,
        champion=about.champion,
    )
    return verdict_from_json({**verdict_to_json(verdict), "id": verdict_digest(verdict)})


def _outcome(findings: Sequence[Finding], approval: ApprovalPolicy, when: Finding | None) -> tuple[VerdictOutcome, str]:
    failed = [finding for finding in findings if finding.result is Result.FAIL]
    unclear = [finding for finding in findings if finding.result is Result.INCONCLUSIVE]
    if failed or unclear:
        words = [f"{finding.rule} failed ({finding.reason})" for finding in failed]
        words += [f"{finding.rule} is inconclusive, which never approves ({finding.reason})" for finding in unclear]
        return VerdictOutcome.REJECTED, "; ".join(words)
    passed = "the rule passed" if len(findings) == 1 else f"all {len(findings)} rules passed"
    asks = _asks_a_person(approval, when)
    if asks is None:
        return VerdictOutcome.APPROVED, passed
    return VerdictOutcome.NEEDS_APPROVAL, f"{passed}; a person must approve: {asks}"


def _asks_a_person(approval: ApprovalPolicy, when: Finding | None) -> str | None:
    """Return why a person is asked, or None; every doubt asks."""
    if approval.when is not None:
        if when is None:
            return f"{approval.when.text} was not judged"
        if when.result is Result.PASS:
            return f"{when.rule} holds ({when.reason})"
        return None if when.result is Result.FAIL else f"{when.rule} is inconclusive ({when.reason})"
    return None if approval.mode == "automatic" else f"approval is {approval.mode}"


def policy_digest(rules: Sequence[GateRule], approval: ApprovalPolicy) -> str:
    """Return the digest of what decides: the rules and the approval policy."""
    when = approval.when.text if approval.when else None
    return _digest({"rules": [rule.text for rule in rules], "approval": {"mode": approval.mode, "when": when}})


def verdict_digest(verdict: Verdict) -> str:
    """Return the digest of everything in *verdict* but its id."""
    return _digest({name: value for name, value in verdict_to_json(verdict).items() if name != "id"})


def is_intact(verdict: Verdict) -> bool:
    """Return whether *verdict* still says what it said when it was made."""
    return verdict.id == verdict_digest(verdict)


def _digest(value: Mapping[str, object]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def verdict_to_json(verdict: Verdict) -> dict[str, object]:
    """Return *verdict* as plain JSON."""
    return {
        "id": verdict.id,
        "outcome": verdict.outcome.value,
        "findings": [
            {"rule": finding.rule, "result": finding.result.value, "reason": finding.reason}
            for finding in verdict.findings
        ],
        "reason": verdict.reason,
        "artifact": verdict.artifact,
        "snapshot": verdict.snapshot,
        "policy": verdict.policy,
        "champion": verdict.champion,
    }


def verdict_from_json(data: Mapping[str, object]) -> Verdict:
    """Return the verdict that ``verdict_to_json`` wrote, or raise ``StateError``."""
    try:
        findings = cast("Sequence[Mapping[str, str]]", data["findings"])
        return Verdict(
            id=str(data["id"]),
            outcome=VerdictOutcome(data["outcome"]),
            findings=tuple(
                Finding(rule=finding["rule"], result=Result(finding["result"]), reason=finding["reason"])
                for finding in findings
            ),
            reason=str(data["reason"]),
            artifact=str(data["artifact"]),
            snapshot=str(data["snapshot"]),
            policy=str(data["policy"]),
            champion=cast("int | None", data["champion"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"A stored verdict cannot be read: {error!r}. Restore the state from a backup.") from error
