"""How a rollout stands, the steps of its plan, and what was counted in the one that is under way; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Final, assert_never

from everfit.domain.evidence import Comparison
from everfit.domain.live import Moved, Observation, Quality, Tally
from everfit.domain.rollout_plan import Rollout, Strategy

_NOTHING: Final = Tally()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a step, on what evidence.

    Args:
        step: the phase that it is about, counted from 0.
        reason: one sentence with the numbers that decided.
        following: the phase that comes next when it advances; None when that was the last one.
    """

    verdict: Verdict
    step: int
    reason: str
    comparisons: tuple[Comparison, ...]
    at: datetime
    following: int | None = None


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
        earlier: what the champion did in the phases before this one, and in the minutes before the first.
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
    earlier: Tally = _NOTHING
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
        moved: traffic that the host or a person offline has moved since; it ends the rollout.
    """

    observation: Observation
    quality: Mapping[int, Quality] = field(default_factory=lambda: MappingProxyType({}))
    breaches: tuple[str, ...] = ()
    moved: Moved | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What the endpoint is to be told.

    Args:
        weights: version -> share of the traffic; they sum to 1, or nothing is left to serve.
        shadows: versions that are given copies.
    """

    weights: Mapping[int, float]
    shadows: tuple[int, ...] = ()


def phases(plan: Rollout, *, is_first: bool = False) -> tuple[Phase, ...]:
    """Return the steps of a plan, in order; the last one is all of the traffic.

    Args:
        is_first: whether nothing serves yet, so that there is nothing to share the traffic with.
    """
    everything = Phase(share=1.0)
    if is_first:
        return (everything,)
    match plan.strategy:
        case Strategy.ALL_AT_ONCE:
            return (everything,)
        case Strategy.SHADOW:
            return (Phase(share=0.0, is_shadow=True), everything)
        # One machine has no instances to replace one by one, so a rolling update is shares that rise.
        case Strategy.CANARY | Strategy.LINEAR | Strategy.ROLLING:
            return (*(Phase(share=share) for share in plan.steps if share < 1.0), everything)
        case _:
            assert_never(plan.strategy)


def phases_of(progress: Progress) -> tuple[Phase, ...]:
    """Return all steps of the rollout, in order."""
    return phases(progress.plan, is_first=progress.champion is None)


def is_one_shift(plan: Rollout) -> bool:
    """Return whether all traffic moves in one change that nothing waits for."""
    return plan.strategy is Strategy.ALL_AT_ONCE and not plan.bake


def shares_of(progress: Progress) -> Shares:
    """Return what the endpoint is to give each version now, also when the rollout is over."""
    champion = {} if progress.champion is None else {progress.champion: 1.0}
    if progress.ending is Ending.ABORTED:
        return Shares(weights=MappingProxyType(champion))
    phase = phases_of(progress)[-1 if progress.ending is Ending.PROMOTED else progress.step]
    weights = {progress.challenger: phase.share} if phase.share else {}
    if progress.champion is not None and phase.share < 1.0:
        weights[progress.champion] = 1.0 - phase.share
    return Shares(weights=MappingProxyType(weights), shadows=(progress.challenger,) if phase.is_shadow else ())


def is_given(shares: Shares, observation: Observation) -> bool:
    """Return whether the endpoint really gives these shares."""
    versions = shares.weights.keys() | observation.weights.keys()
    is_same = all(
        abs(shares.weights.get(version, 0.0) - observation.weights.get(version, 0.0)) < 1e-6 for version in versions
    )
    return is_same and set(shares.shadows) <= set(observation.shadows)


def done(progress: Progress, observation: Observation, version: int) -> Tally:
    """Return what a version did since the phase took effect; since the host restarted, if it has."""
    total = observation.totals.get(version, _NOTHING)
    return total.since(progress.baseline.get(version, _NOTHING)) if observation.epoch == progress.epoch else total


def is_recounted(progress: Progress, observation: Observation) -> bool:
    """Return whether the host counts less than it did when the phase took effect, so that nothing can be judged."""
    versions = (progress.challenger, *(() if progress.champion is None else (progress.champion,)))
    tallies = [done(progress, observation, version) for version in versions]
    return any(
        min((*each.latency.values(), each.requests, each.refused, each.errors, each.compared, each.disagreed)) < 0
        for each in tallies
    )


def answered(progress: Progress, observation: Observation) -> int:
    """Return how many requests count for ``minimum_requests``: answered ones, or compared ones of a shadow."""
    tally = done(progress, observation, progress.challenger)
    return tally.compared if phases_of(progress)[progress.step].is_shadow else tally.requests


def bake_left(progress: Progress, now: datetime) -> timedelta:
    """Return how long the phase must still last: never less than nothing and never more than its bake."""
    if progress.since is None:
        return progress.plan.bake
    return min(max(progress.since + progress.plan.bake - now, timedelta()), progress.plan.bake)


def is_paused(progress: Progress) -> bool:
    """Return whether a person holds it."""
    return bool(progress.orders) and progress.orders[-1].kind is OrderKind.PAUSE


def has_silent_champion(progress: Progress, observation: Observation) -> bool:
    """Return whether the champion takes traffic and has answered none of it; with the whole moved there is no rival."""
    if progress.champion is None or phases_of(progress)[progress.step].share == 1.0:
        return False
    return not done(progress, observation, progress.champion).requests


def totals(progress: Progress, observation: Observation) -> Mapping[int, Tally]:
    """Return what the rollout's own versions have done by now."""
    versions = (progress.champion, progress.challenger)
    return MappingProxyType({each: tally for each, tally in observation.totals.items() if each in versions})
