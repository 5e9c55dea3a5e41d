"""How a rollout ends that does not pass: the traffic goes back to what served, and the run ends."""

from dataclasses import replace
from datetime import datetime

from everfit.application.moving import Moving, given_back, kept
from everfit.application.owed import follow
from everfit.application.ports import Claim, Ports
from everfit.application.step import End
from everfit.domain.live import Moved
from everfit.domain.rollout import Decision, Ending, Progress, Verdict, phases_of
from everfit.domain.run import Outcome
from everfit.domain.version import Standing


def aborted(progress: Progress, reason: str, now: datetime, *, is_bad: bool) -> Progress:
    """Return the rollout broken off for a reason that its own evidence did not give.

    Args:
        is_bad: whether that speaks against the version, so that nothing shall bring it back.
    """
    if progress.ending is not None:
        return progress
    after = ended(progress, Ending.ABORTED, reason, now)
    return after if is_bad else replace(after, decisions=progress.decisions)


def broken_off(moving: Moving, progress: Progress, reason: str, *, is_bad: bool) -> End:
    """Break the rollout off for what happened outside of it, go back, and end the run.

    Args:
        is_bad: whether that speaks against the version, so that nothing shall bring it back.
    """
    after = kept(moving, progress, aborted(progress, reason, moving.now, is_bad=is_bad))
    return left(moving, after)


def left(moving: Moving, progress: Progress) -> End:
    """Go back to the champion and end the run; the version is marked unless nothing speaks against it."""
    ports, number, serving = moving.ports, moving.version.number, moving.champion
    if moving.champion is None or (progress.champion is None and moving.champion == number):
        return _kept_for_want_of_another(moving, progress)
    if moving.champion != number:
        serving = _gone_back(moving, moving.champion)
        if is_bad(progress):
            turn_back(moving.claim, number, ports)
        good = moving.last_good(serving)
        keep = [serving] if good is None else [serving, good]
        ports.endpoints.settle(moving.name, keep, fence=moving.claim.fence, back=good)
    reason = (
        f"version {number} was taken back in step {progress.step + 1} of {len(phases_of(progress))}: "
        f"{progress.reason}; version {serving} serves"
    )
    is_cancelled = moving.context.run.cancellation is not None and not is_bad(progress)
    return End(outcome=Outcome.CANCELLED if is_cancelled else Outcome.FAILED, reason=reason)


def _gone_back(moving: Moving, champion: int) -> int:
    """Give all the traffic to the champion, or leave it where the champion was left for; return what serves."""
    ports, context = moving.ports, moving.context
    state = ports.endpoints.describe(moving.name)
    moved = None if state is None else state.moved
    if moved is None or moved.before != champion or moved.after == moving.version.number:
        given_back(moving, champion)
        return champion
    # It crashes, or a person went back from it offline: what was left is not gone back to unasked.
    follow(moving.claim, moved, champion, context.environment, context.workspace, ports)
    return ports.registry.champion(context.run.model, context.environment.name) or champion


def is_bad(progress: Progress) -> bool:
    """Tell whether the rollout was aborted for something that speaks against its version."""
    return any(decision.verdict is Verdict.ABORT for decision in progress.decisions)


def turn_back(claim: Claim, number: int, ports: Ports) -> None:
    """Mark the version as taken back, once."""
    standing = ports.registry.placement(claim.model, claim.environment, number).standing
    if standing not in (Standing.ROLLED_BACK, Standing.SERVING):
        ports.registry.turn_back(claim, number)


def _kept_for_want_of_another(moving: Moving, progress: Progress) -> End:
    """Leave a first version where it is: with nothing to go back to, taking it away would answer nobody."""
    number, ports = moving.version.number, moving.ports
    reason = (
        f"version {number}, the first one, did not pass its rollout: {progress.reason}; it serves all the same, as "
        "there is no version to go back to"
    )
    moving.traffic.split(moving.name, {number: 1.0}, [moving.proof], fence=moving.claim.fence)
    ports.registry.served(moving.claim, moving.proof, reason=reason, actor=moving.context.run.actor)
    ports.endpoints.settle(moving.name, [number], fence=moving.claim.fence)
    return End(outcome=Outcome.FAILED, reason=reason)


def without_champion(progress: Progress, moved: Moved | None, now: datetime) -> Progress | None:
    """Return the rollout at its end when the champion was left; None when it was not.

    It is promoted when the traffic went to its own version; else nothing was found against that.
    """
    if moved is None or moved.before != progress.champion:
        return None
    if moved.after == progress.challenger:
        return ended(progress, Ending.PROMOTED, f"{moved.actor} left version {moved.before}: {moved.reason}", now)
    why = f"{moved.actor} moved the traffic from version {moved.before} to {moved.after}: {moved.reason}"
    return aborted(progress, why, now, is_bad=False)


def ended(progress: Progress, ending: Ending, reason: str, now: datetime) -> Progress:
    """Return the rollout at its end, by something that its evidence did not decide."""
    verdict = Verdict.ABORT if ending is Ending.ABORTED else Verdict.ADVANCE
    decision = Decision(verdict=verdict, step=progress.step, reason=reason, comparisons=(), at=now)
    decisions = (*progress.decisions, decision)
    return replace(progress, ending=ending, reason=reason, ended=now, decisions=decisions)
