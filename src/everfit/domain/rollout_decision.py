"""What to do about a rollout, and how it stands afterwards; pure.

Worse aborts at once, better or equal advances, anything else holds: nobody's silence is consent.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, assert_never

from everfit.domain.amounts import brief, counted
from everfit.domain.evidence import (
    FALSE_ALARMS,
    KINDS,
    Comparison,
    Result,
    Sides,
    compared,
    disagreed,
    of_versions,
    worst,
)
from everfit.domain.live import Observation, Tally
from everfit.domain.rollout_progress import (
    Decision,
    Ending,
    Evidence,
    OrderKind,
    Progress,
    Verdict,
    answered,
    bake_left,
    done,
    has_silent_champion,
    is_given,
    is_paused,
    is_recounted,
    phases_of,
    shares_of,
    totals,
)

_NOTHING: Final = Tally()


def decide(progress: Progress, evidence: Evidence, now: datetime) -> Decision:
    """Return what to do about the step that is under way.

    A person's order to promote or abort comes first; then everything that aborts; then whatever holds, a person's
    pause among it. Only what none of these is about advances.
    """
    last = len(phases_of(progress)) - 1
    order = progress.orders[-1] if progress.orders else None
    comparisons = comparisons_of(progress, evidence)
    following = min(progress.step + 1, last) if progress.step < last else None
    if progress.ending is not None:
        verdict, reason = Verdict.HOLD, f"it is {progress.ending.value}"
    elif order is not None and order.kind is OrderKind.ABORT:
        verdict, reason = Verdict.ABORT, f"{order.actor} aborted it: {order.reason}"
    elif order is not None and order.kind is OrderKind.PROMOTE and not _is_awaited(progress, last):
        verdict, reason = Verdict.ADVANCE, f"{order.actor} promoted it: {order.reason}"
        following = last if progress.step < last else None
    elif against := _against(evidence, comparisons):
        verdict, reason = Verdict.ABORT, against
    elif waits := next(_waits(progress, evidence, comparisons, now), None):
        verdict, reason = Verdict.HOLD, waits
    else:
        verdict, reason = Verdict.ADVANCE, _in_favour(progress, evidence.observation, comparisons)
    return Decision(
        verdict=verdict,
        step=progress.step,
        reason=reason,
        comparisons=comparisons,
        at=now,
        following=following if verdict is Verdict.ADVANCE else None,
    )


def _is_awaited(progress: Progress, last: int) -> bool:
    """Return whether all traffic was ordered to move and has not moved yet."""
    return progress.step == last and progress.since is None


def comparisons_of(progress: Progress, evidence: Evidence) -> tuple[Comparison, ...]:
    """Return challenger and champion side by side since the phase took effect; nothing for a first deployment."""
    if progress.champion is None or progress.since is None or is_recounted(progress, evidence.observation):
        return ()
    alpha = FALSE_ALARMS / (KINDS * len(phases_of(progress)))
    phase = phases_of(progress)[progress.step]
    challenger = done(progress, evidence.observation, progress.challenger)
    are_parallel = phase.share < 1.0
    champion = done(progress, evidence.observation, progress.champion) if are_parallel else progress.earlier
    sides = Sides(challenger=challenger, champion=champion, are_parallel=are_parallel, alpha=alpha)
    found = [*compared(sides), of_versions(evidence.quality, progress.challenger, progress.champion, alpha)]
    if phase.is_shadow and progress.plan.disagreement is not None:
        found.append(disagreed(challenger, progress.plan.disagreement, alpha))
    return tuple(found)


def _against(evidence: Evidence, comparisons: tuple[Comparison, ...]) -> str:
    """Return what is a reason to abort, in words; empty when nothing is."""
    moved = evidence.moved
    if moved is not None:
        return f"{moved.actor} moved the traffic from version {moved.before} to {moved.after}: {moved.reason}"
    return "; ".join(evidence.breaches) or worst(comparisons, Result.WORSE)


def _waits(progress: Progress, evidence: Evidence, comparisons: tuple[Comparison, ...], now: datetime) -> Iterator[str]:
    """Yield, in words, each thing that the step waits for."""
    if is_paused(progress):
        yield f"{progress.orders[-1].actor} paused it: {progress.orders[-1].reason}"
    if progress.since is None:
        yield "the endpoint has not taken the step yet"
    else:
        yield from _unfinished(progress, progress.since, evidence.observation, now)
    if unclear := worst(comparisons, Result.UNCLEAR):
        yield unclear


def _unfinished(progress: Progress, since: datetime, observation: Observation, now: datetime) -> Iterator[str]:
    """Yield, in words, which time and traffic a step under way waits for."""
    yield from distrusted(progress, observation)
    if now < since:
        yield "the clock went back; the bake starts anew"
    if left := bake_left(progress, now):
        yield f"it bakes for another {brief(left)}"
    # Nothing shares the traffic with a first version, so no number of requests would say more about it.
    if progress.champion is not None:
        yield from _lacks(progress, observation)


def distrusted(progress: Progress, observation: Observation) -> Iterator[str]:
    """Yield, in words, why the counts cannot be believed."""
    if not is_given(shares_of(progress), observation):
        yield "the endpoint does not give the versions these shares at the moment"
    if is_recounted(progress, observation):
        yield "the endpoint counts less than it did before; counting starts anew"


def _lacks(progress: Progress, observation: Observation) -> Iterator[str]:
    """Yield, in words, which traffic the step waits for."""
    count, wanted = answered(progress, observation), progress.plan.minimum_requests
    if count < wanted:
        what = "compared" if phases_of(progress)[progress.step].is_shadow else "answered"
        yield f"{count} of {counted(wanted, 'request')} {what}"
    if wanted and has_silent_champion(progress, observation):
        yield f"version {progress.champion} has answered nothing to compare with"


def _in_favour(progress: Progress, observation: Observation, comparisons: tuple[Comparison, ...]) -> str:
    said = f"{counted(answered(progress, observation), 'request')} in this step"
    if progress.champion is None:
        return f"{said}, the first version has nothing to be compared with"
    return "; ".join([said, *(f"{each.words} ({each.result.value})" for each in comparisons)])


def advanced(progress: Progress, decision: Decision, observation: Observation, now: datetime) -> Progress:
    """Return the rollout as the decision leaves it; a decision about another step, or about its end, changes nothing.

    After it, ``since`` is None when the traffic is to be moved as ``shares_of`` says.
    """
    if progress.ending is not None or decision.step != progress.step:
        return progress
    told = replace(progress, decisions=_with(progress.decisions, decision))
    match decision.verdict:
        case Verdict.HOLD:
            return _counting(told, observation, now)
        case Verdict.ABORT:
            return replace(told, ending=Ending.ABORTED, reason=decision.reason, ended=now)
        case Verdict.ADVANCE if decision.following is None:
            return replace(told, ending=Ending.PROMOTED, reason=decision.reason, ended=now)
        case Verdict.ADVANCE:
            return replace(
                told,
                step=decision.following,
                since=None,
                epoch="",
                baseline=MappingProxyType({}),
                earlier=_until_now(progress, observation),
                is_told=False,
            )
        case _:
            assert_never(decision.verdict)


def _with(decisions: tuple[Decision, ...], decision: Decision) -> tuple[Decision, ...]:
    kept = decisions[:-1] if decisions and decisions[-1].verdict is Verdict.HOLD else decisions
    return (*kept, decision)


def _counting(progress: Progress, observation: Observation, now: datetime) -> Progress:
    """Return the rollout with a baseline that the host's counts go on from, and a start that is not to come."""
    if progress.since is None:
        return progress
    since = min(progress.since, now)
    if observation.epoch != progress.epoch:
        # A host that restarts takes up the same shares, so all that it has counted belongs to this phase.
        return replace(progress, since=since, epoch=observation.epoch, baseline=MappingProxyType({}))
    if is_recounted(progress, observation):
        return replace(progress, since=now, baseline=totals(progress, observation))
    return replace(progress, since=since)


def _until_now(progress: Progress, observation: Observation) -> Tally:
    if progress.champion is None or progress.since is None or is_recounted(progress, observation):
        return progress.earlier
    return progress.earlier.plus(done(progress, observation, progress.champion))


def applied(progress: Progress, observation: Observation, now: datetime) -> Progress:
    """Return the rollout once the endpoint gives the shares of its phase; counting starts there.

    Args:
        observation: made after the traffic was moved.
    """
    if progress.since is not None or progress.ending is not None:
        return progress
    earlier = progress.earlier
    if progress.champion is not None and not earlier.requests:
        recent = observation.recent.get(progress.champion, _NOTHING)
        total = observation.totals.get(progress.champion, _NOTHING)
        # The last minutes are the most like what follows, where they hold enough.
        earlier = recent if recent.requests >= progress.plan.minimum_requests else total
    return replace(
        progress, since=now, epoch=observation.epoch, baseline=totals(progress, observation), earlier=earlier
    )


def alert_due(progress: Progress, now: datetime) -> bool:
    """Return whether people are to be told that the phase waits for longer than ``patience``; once for each phase.

    A phase that the endpoint does not take waits since it was decided upon.
    """
    if progress.ending is not None or progress.is_told or is_paused(progress):
        return False
    if progress.since is not None:
        return now >= progress.since + progress.plan.bake + progress.plan.patience
    onward = [each.at for each in progress.decisions if each.verdict is Verdict.ADVANCE]
    return now >= (onward[-1] if onward else progress.begun) + progress.plan.patience


def told(progress: Progress) -> Progress:
    """Return the rollout with people told about its phase."""
    return replace(progress, is_told=True)
