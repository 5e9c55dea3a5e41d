"""Rollouts: a new version takes traffic step by step, and evidence decides each step; pure.

A step is left only by evidence: better or equal advances, worse aborts at once, too little holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from everfit.domain.live import Observation, Quality, Tally
from everfit.domain.rollout_plan import Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One step of a plan.

    Args:
        share: of the traffic that the challenger takes.
        is_shadow: whether it is given copies of every request, and its answers are thrown away.
    """

    share: float
    is_shadow: bool = False


class Verdict(Enum):
    """What the evidence says about going on."""

    ADVANCE = "advance"
    HOLD = "hold"
    ABORT = "abort"


class OrderKind(Enum):
    """What a person may want of a rollout under way."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person wants of a rollout under way; the newest one counts."""

    kind: OrderKind
    actor: str
    reason: str
    at: datetime


class Result(Enum):
    """What one comparison of challenger and champion came to."""

    BETTER_OR_EQUAL = "no worse"
    WORSE = "worse"
    UNCLEAR = "unclear"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One thing that was compared, with its numbers.

    Args:
        name: ``errors``, ``latency_p50``, ``latency_p99``, ``disagreement``, ``quality``, or a rule of ``watch``.
        champion: its value; None when there is none to compare with.
        words: one sentence with the numbers.
    """

    name: str
    result: Result
    challenger: float | None
    champion: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a step, on what evidence.

    Args:
        step: the phase that it is about, counted from 0.
        reason: one sentence with the numbers that decided.
    """

    verdict: Verdict
    step: int
    reason: str
    comparisons: tuple[Comparison, ...]
    at: datetime


class Ending(Enum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a rollout stands.

    Args:
        run: whose version it is.
        champion: the version that took the traffic when it began; None for a first deployment.
        plan: as it was declared when it began; a changed project file changes the next one.
        step: the phase that is under way, counted from 0.
        since: when that phase took effect; None before it did.
        epoch: that ``baseline`` was counted in.
        baseline: version -> what it had done when the phase took effect.
        is_told: whether people were told that this phase holds for long.
        orders: what persons wanted, oldest first.
        decisions: every one that changed something, and the newest that did not, oldest first.
        ending: None while it is under way.
    """

    model: str
    environment: str
    endpoint: str
    run: str
    champion: int | None
    challenger: int
    plan: Rollout
    begun: datetime
    step: int = 0
    since: datetime | None = None
    epoch: str = ""
    baseline: Mapping[int, Tally] = field(default_factory=lambda: MappingProxyType({}))
    is_told: bool = False
    orders: tuple[Order, ...] = ()
    decisions: tuple[Decision, ...] = ()
    ending: Ending | None = None
    reason: str | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a decision is made from.

    Args:
        quality: version -> how good its answers were since the phase took effect, where labels have come.
        breaches: rules of ``watch`` that do not hold, in words.
    """

    observation: Observation
    quality: Mapping[int, Quality] = field(default_factory=lambda: MappingProxyType({}))
    breaches: tuple[str, ...] = ()
