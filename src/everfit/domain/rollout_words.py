"""A rollout in words: its plan before it happens, and how it stands."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from everfit.domain.amounts import brief, counted
from everfit.domain.evidence import Comparison, Result, worst
from everfit.domain.record import instant
from everfit.domain.rollout_decision import comparisons_of, decide, distrusted
from everfit.domain.rollout_plan import Rollout
from everfit.domain.rollout_progress import (
    Evidence,
    Phase,
    Progress,
    answered,
    bake_left,
    is_one_shift,
    is_paused,
    is_recounted,
    phases,
    phases_of,
)


def describe_plan(plan: Rollout, champion: int | None, challenger: int) -> list[str]:
    """Return what a rollout will do, in sentences, before it happens.

    Args:
        champion: the version that serves; None when nothing does.
    """
    if champion is None:
        told = [f"Version {challenger} takes all of the traffic at once: there is no other to compare it with."]
        return told + ([f"For {brief(plan.bake)} it can still be taken back."] if plan.bake else [])
    if is_one_shift(plan):
        return [f"Version {challenger} takes all of the traffic from version {champion} at once, without a bake."]
    told = [
        f"Step {number} of {len(phases(plan))}: {_gets(phase, challenger)}, {_for_at_least(phase, plan)}."
        for number, phase in enumerate(phases(plan), start=1)
    ]
    told.append(
        f"A step is left when version {challenger} is no worse than version {champion} in errors, latency and the "
        f"quality of labelled rows; when it is worse, version {champion} takes everything again at once."
    )
    if plan.disagreement is not None and any(phase.is_shadow for phase in phases(plan)):
        told.append(f"Its answers to the copies may differ in {_percent(plan.disagreement)} of them.")
    if plan.minimum_requests:
        told.append(f"Without that many requests a step holds; after {brief(plan.patience)} of it people are told.")
    return told


def _gets(phase: Phase, challenger: int) -> str:
    if phase.is_shadow:
        return f"version {challenger} is given a copy of every request, and its answers are thrown away"
    return f"version {challenger} takes {_share(phase)} of the traffic"


def _for_at_least(phase: Phase, plan: Rollout) -> str:
    what = "copies" if phase.is_shadow else "requests"
    return f"for at least {brief(plan.bake)} and {plan.minimum_requests} {what}"


def summary(progress: Progress, evidence: Evidence | None, now: datetime) -> Mapping[str, object]:
    """Return how the rollout stands, for people and programs; everything in it is plain JSON.

    ``reason`` is why it ended, or what would be decided now; the numbers of each comparison are in ``comparisons``.

    Args:
        evidence: None when the endpoint does not tell.
    """
    steps = phases_of(progress)
    phase = steps[progress.step]
    comparisons = () if evidence is None else comparisons_of(progress, evidence)
    return {
        "run": progress.run,
        "champion": progress.champion,
        "challenger": progress.challenger,
        "strategy": progress.plan.strategy.value,
        "state": _state(progress),
        "step": progress.step + 1,
        "steps": len(steps),
        "share": phase.share,
        "is_shadow": phase.is_shadow,
        "begun": instant(progress.begun),
        "since": None if progress.since is None else instant(progress.since),
        "bake_left": bake_left(progress, now).total_seconds(),
        "requests": None if evidence is None else answered(progress, evidence.observation),
        "minimum_requests": progress.plan.minimum_requests,
        "comparisons": [_plain(each) for each in comparisons],
        "reason": _reason(progress, evidence, now),
        "words": _words(progress, evidence, comparisons, now),
    }


def _plain(comparison: Comparison) -> Mapping[str, object]:
    return {
        "name": comparison.name,
        "result": comparison.result.value,
        "challenger": comparison.challenger,
        "champion": comparison.champion,
        "words": comparison.words,
    }


def _reason(progress: Progress, evidence: Evidence | None, now: datetime) -> str | None:
    if progress.ending is not None:
        return progress.reason
    if evidence is not None:
        return decide(progress, evidence, now).reason
    return progress.decisions[-1].reason if progress.decisions else None


def _state(progress: Progress) -> str:
    if progress.ending is not None:
        return progress.ending.value
    return "paused" if is_paused(progress) else "under way"


def _words(progress: Progress, evidence: Evidence | None, comparisons: tuple[Comparison, ...], now: datetime) -> str:
    if progress.ending is not None:
        return f"{progress.ending.value}: {progress.reason}"
    steps = phases_of(progress)
    said = [f"step {progress.step + 1} of {len(steps)}: {_stands(steps[progress.step], progress, now)}"]
    left = bake_left(progress, now)
    if progress.since is not None and left:
        said.append(f"{brief(left)} left")
    if progress.since is not None and evidence is not None:
        if not is_recounted(progress, evidence.observation):
            count = answered(progress, evidence.observation)
            said.append(f"{count} of {counted(progress.plan.minimum_requests, 'request')}")
        said += [_found(comparisons), *distrusted(progress, evidence.observation)]
    if is_paused(progress):
        said.append(f"paused by {progress.orders[-1].actor}: {progress.orders[-1].reason}")
    return ", ".join(each for each in said if each)


def _stands(phase: Phase, progress: Progress, now: datetime) -> str:
    what = "copies" if phase.is_shadow else _share(phase)
    if progress.since is None:
        return f"{what}, not in effect yet"
    return f"{what} for {brief(max(now - progress.since, timedelta()))}"


def _found(comparisons: tuple[Comparison, ...]) -> str:
    if not comparisons:
        return ""
    doubtful = worst(comparisons, Result.WORSE) or worst(comparisons, Result.UNCLEAR)
    if doubtful:
        return doubtful
    return "no worse" if any(each.result is Result.BETTER_OR_EQUAL for each in comparisons) else "no data"


def _share(phase: Phase) -> str:
    return "all" if phase.share == 1.0 else _percent(phase.share)


def _percent(share: float) -> str:
    return f"{100 * share:.6g}%"
