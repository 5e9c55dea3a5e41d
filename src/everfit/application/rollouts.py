"""Moves traffic to a version step by step, where versions take it side by side.

Each look observes, has the domain decide, writes the decision down, and acts. A kill at any point is followed by the
same look, which finds what is written and what the endpoint really gives, and goes on from there. The version that
served before is the registry's champion until the last step has passed, so whatever is broken off goes back to it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from everfit.application.live_evidence import live_evidence
from everfit.application.owed import put_back
from everfit.application.ports import Claim, Ports, Rollouts, Traffic
from everfit.application.serving import sample_of, served_version
from everfit.application.step import AwaitEndpoint, Context, End
from everfit.domain.endpoint import EndpointState
from everfit.domain.errors import BackendError, EverfitError, FencedError, RunFailedError, StateError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.rollout import (
    Decision,
    Ending,
    Evidence,
    Progress,
    Verdict,
    advanced,
    alert_due,
    applied,
    decide,
    describe_plan,
    is_given,
    is_one_shift,
    phases_of,
    shares_of,
    told,
)
from everfit.domain.rollout_plan import rollout_of
from everfit.domain.rollout_record import name_of
from everfit.domain.run import Outcome, Run
from everfit.domain.version import Release, Standing, Version, last_good, release

SHORTEST: Final = timedelta(milliseconds=50)
LONGEST: Final = timedelta(seconds=2)
"""Between two looks: what is worse is to be taken back at once, and a look costs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A version on its way to the traffic of an endpoint whose versions take it side by side."""

    context: Context
    version: Version
    proof: Release
    champion: int | None
    traffic: Traffic
    rollouts: Rollouts

    @property
    def name(self) -> str:
        """The endpoint's."""
        return self.context.environment.endpoint

    @property
    def claim(self) -> Claim:
        """Under which everything is changed."""
        return self.context.claim

    @property
    def ports(self) -> Ports:
        """What is needed of the outside."""
        return self.context.ports


def moving_of(context: Context, version: Version, proof: Release, champion: int | None) -> Moving | None:
    """Return the version on its way; None where the platform moves traffic by itself."""
    traffic, rollouts = context.ports.traffic, context.ports.rollouts
    if traffic is None or rollouts is None:
        return None
    return Moving(context=context, version=version, proof=proof, champion=champion, traffic=traffic, rollouts=rollouts)


def begun(moving: Moving) -> Progress | AwaitEndpoint | None:
    """Return the rollout of this run, begun now unless it was; None when all traffic moves in one change.

    It waits while another version is on its way.
    """
    context = moving.context
    found = moving.rollouts.of_run(context.run.id)
    if found is not None:
        return found
    other = moving.rollouts.current(context.run.model, context.environment.name)
    if other is not None:
        return AwaitEndpoint(endpoint=moving.name, again=LONGEST, words=f"{name_of(other)} is under way")
    plan = rollout_of(context.environment.rollout)
    if is_one_shift(plan):
        return None
    _stage(moving)
    progress = moving.rollouts.begin(
        moving.claim,
        Progress(
            model=context.run.model,
            environment=context.environment.name,
            endpoint=moving.name,
            run=context.run.id,
            champion=moving.champion,
            challenger=moving.version.number,
            plan=plan,
            begun=moving.ports.clock.now(),
        ),
    )
    for line in describe_plan(plan, moving.champion, moving.version.number):
        moving.ports.progress.told(line)
    return progress


def look(moving: Moving, progress: Progress) -> AwaitEndpoint | End | None:
    """Take the rollout as far as the evidence goes; None when it has passed its last step.

    What fails on the way aborts it; what may pass is looked at again.
    """
    try:
        while progress.ending is None:
            waits = _looked(moving, progress)
            if isinstance(waits, AwaitEndpoint):
                return waits
            progress = waits
    except (FencedError, StateError):
        raise
    except EverfitError as error:
        if isinstance(error, BackendError) and error.retryable:
            return AwaitEndpoint(endpoint=moving.name, again=LONGEST, words=f"the endpoint cannot be asked: {error}")
        progress = _kept(moving, progress, _ended(progress, Ending.ABORTED, str(error), _now(moving)))
    if progress.ending is Ending.PROMOTED:
        return None
    return left(moving, progress)


def aborted(progress: Progress, reason: str, now: datetime, *, is_bad: bool) -> Progress:
    """Return the rollout broken off for a reason that its own evidence did not give.

    Args:
        is_bad: whether that speaks against the version, so that nothing shall bring it back.
    """
    if progress.ending is not None:
        return progress
    after = _ended(progress, Ending.ABORTED, reason, now)
    return after if is_bad else replace(after, decisions=progress.decisions)


def broken_off(moving: Moving, progress: Progress, reason: str, *, is_bad: bool) -> End:
    """Break the rollout off for what happened outside of it, go back, and end the run.

    Args:
        is_bad: whether that speaks against the version, so that nothing shall bring it back.
    """
    after = _kept(moving, progress, aborted(progress, reason, _now(moving), is_bad=is_bad))
    return left(moving, after)


def left(moving: Moving, progress: Progress) -> End:
    """Go back to the champion and end the run; the version is marked unless nothing speaks against it."""
    context, ports, number = moving.context, moving.ports, moving.version.number
    if moving.champion is None:
        return _kept_for_want_of_another(moving, progress)
    if moving.champion != number:
        _give_back(moving, moving.champion)
        if is_bad(progress):
            turn_back(moving.claim, number, ports)
        good = last_good(ports.registry.history(context.run.model, context.environment.name), moving.champion)
        keep = [moving.champion] if good is None else [moving.champion, good]
        ports.endpoints.settle(moving.name, keep, fence=moving.claim.fence, back=good)
    reason = (
        f"version {number} was taken back in step {progress.step + 1} of {len(phases_of(progress))}: "
        f"{progress.reason}; version {moving.champion} serves"
    )
    is_cancelled = context.run.cancellation is not None and not is_bad(progress)
    return End(outcome=Outcome.CANCELLED if is_cancelled else Outcome.FAILED, reason=reason)


def is_bad(progress: Progress) -> bool:
    """Tell whether the rollout was aborted for something that speaks against its version."""
    return any(decision.verdict is Verdict.ABORT for decision in progress.decisions)


def turn_back(claim: Claim, number: int, ports: Ports) -> None:
    """Mark the version as taken back, once."""
    standing = ports.registry.placement(claim.model, claim.environment, number).standing
    if standing not in (Standing.ROLLED_BACK, Standing.SERVING):
        ports.registry.turn_back(claim, number)


def between_looks(progress: Progress) -> timedelta:
    """Return after what time to look again."""
    return min(max(progress.plan.bake / 20, SHORTEST), LONGEST)


def next_look(run: Run, ports: Ports) -> timedelta | None:
    """Return how long a run may be left alone whose rollout gathers evidence; None for any other run."""
    if ports.rollouts is None or run.ended is not None:
        return None
    progress = ports.rollouts.of_run(run.id)
    if progress is not None:
        return between_looks(progress) if progress.ending is None else None
    other = ports.rollouts.current(run.model, run.environment)
    return None if other is None or other.run == run.id else LONGEST


def _looked(moving: Moving, progress: Progress) -> Progress | AwaitEndpoint:
    """Look once; return what to wait for, or the rollout in its next step or at its end."""
    if moving.ports.endpoints.is_stopped():
        return _again(moving, progress, "the endpoint host is stopped")
    cancellation = moving.ports.store.run(moving.context.run.id).cancellation
    if cancellation is not None and moving.champion is not None:
        why = f"cancelled by {cancellation.actor}: {cancellation.reason}"
        return _kept(moving, progress, aborted(progress, why, _now(moving), is_bad=False))
    if progress.since is None:
        return _take(moving, progress)
    observation, state = moving.traffic.observe(moving.name), moving.ports.endpoints.describe(moving.name)
    if observation is None or not observation.weights:
        return _again(moving, progress, "the endpoint does not serve at the moment")
    rescued = _without_champion(progress, state, _now(moving))
    if rescued is not None:
        return _kept(moving, progress, rescued)
    evidence = live_evidence(progress, observation, state, moving.context.environment, moving.traffic)
    if evidence.moved is None and not is_given(shares_of(progress), observation):
        _split(moving, progress)
        return _again(moving, progress, "the endpoint did not give the shares of this step, and was told again")
    return _decided(moving, progress, evidence)


def _decided(moving: Moving, progress: Progress, evidence: Evidence) -> Progress | AwaitEndpoint:
    now = _now(moving)
    decision = decide(progress, evidence, now)
    after = advanced(progress, decision, evidence.observation, now)
    if decision.verdict is Verdict.HOLD:
        after = _kept(moving, progress, _patient(moving, after, decision, now))
        return _again(moving, after, decision.reason)
    steps = len(phases_of(progress))
    moving.ports.progress.told(f"step {progress.step + 1} of {steps}: {decision.verdict.value}: {decision.reason}")
    return _kept(moving, progress, after)


def _patient(moving: Moving, progress: Progress, decision: Decision, now: datetime) -> Progress:
    """Have people told, once, of a step that waits for long."""
    if not alert_due(progress, now):
        return progress
    run, place = moving.context.run, f"{progress.model}:{progress.environment}"
    notice = Notice(
        id=f"rollout waits:{run.id}:{progress.step}",
        kind=NoticeKind.TROUBLE,
        model=progress.model,
        environment=progress.environment,
        run=run.id,
        cause=f"rollout waits:{place}:{run.id}:{progress.step}",
        at=now,
        facts={
            "part": f"the rollout of version {progress.challenger}",
            "reason": f"step {progress.step + 1} of {len(phases_of(progress))} has waited for longer than "
            f"rollout.patience: {decision.reason}. Send it traffic, promote it or abort it.",
            "version": progress.challenger,
            "serving": progress.champion,
        },
    )
    moving.ports.outbox.note(notice)
    return told(progress)


def _take(moving: Moving, progress: Progress) -> Progress | AwaitEndpoint:
    """Have the endpoint give the shares of the step, and count from there."""
    _split(moving, progress)
    observation = moving.traffic.observe(moving.name)
    if observation is None or not is_given(shares_of(progress), observation):
        return _again(moving, progress, "the endpoint has not taken the step yet")
    after = _kept(moving, progress, applied(progress, observation, _now(moving)))
    phase = phases_of(after)[after.step]
    what = "copies of all requests" if phase.is_shadow else f"{phase.share * 100:.4g}% of the traffic"
    moving.ports.progress.told(
        f"step {after.step + 1} of {len(phases_of(after))}: version {after.challenger} is given {what}"
    )
    return after


def _split(moving: Moving, progress: Progress) -> None:
    """Give the shares of the step, with the way back for the host itself to take."""
    shares = shares_of(progress)
    numbers = [number for number in {*shares.weights, *shares.shadows} if number != moving.version.number]
    registry, context = moving.ports.registry, moving.context
    proofs = [
        release(
            registry.version(context.run.model, number),
            registry.placement(context.run.model, context.environment.name, number),
        )
        for number in numbers
    ]
    try:
        moving.traffic.split(
            moving.name,
            shares.weights,
            [moving.proof, *proofs],
            shadows=shares.shadows,
            fence=moving.claim.fence,
        )
    except RunFailedError:
        # A host whose state was put back may not hold it any more.
        _stage(moving)
        moving.traffic.split(
            moving.name,
            shares.weights,
            [moving.proof, *proofs],
            shadows=shares.shadows,
            fence=moving.claim.fence,
        )


def _stage(moving: Moving) -> None:
    """Load the version beside what serves, and name what serves as the way back."""
    context, endpoints = moving.context, moving.ports.endpoints
    folder = moving.ports.artifacts.unpacked(moving.version.artifact)
    model = served_version(moving.version, folder, context.project, sample_of(context.results))
    endpoints.stage(moving.name, model, fence=moving.claim.fence)
    state = endpoints.describe(moving.name)
    if moving.champion is None or state is None or state.weights != {moving.champion: 1.0}:
        return
    good = last_good(moving.ports.registry.history(context.run.model, context.environment.name), moving.champion)
    endpoints.settle(
        moving.name,
        [n for n in (moving.champion, moving.version.number, good) if n is not None],
        fence=moving.claim.fence,
        back=good,
    )


def _give_back(moving: Moving, champion: int) -> None:
    """Give the champion all the traffic: at once where it is loaded."""
    ports, context = moving.ports, moving.context
    registry, place = ports.registry, (context.run.model, context.environment.name)
    proof = release(registry.version(place[0], champion), registry.placement(*place, champion))
    try:
        moving.traffic.split(moving.name, {champion: 1.0}, [proof], fence=moving.claim.fence)
    except (FencedError, StateError):
        raise
    except EverfitError:
        put_back(moving.claim, champion, context.environment, context.workspace, ports)


def _kept_for_want_of_another(moving: Moving, progress: Progress) -> End:
    """Leave a first version where it is: with nothing to go back to, taking it away would answer nobody."""
    number, ports = moving.version.number, moving.ports
    reason = (
        f"version {number}, the first one, did not pass its rollout: {progress.reason}; it serves all the same, as there "
        "is no version to go back to"
    )
    shares = {number: 1.0}
    moving.traffic.split(moving.name, shares, [moving.proof], fence=moving.claim.fence)
    ports.registry.served(moving.claim, moving.proof, reason=reason, actor=moving.context.run.actor)
    ports.endpoints.settle(moving.name, [number], fence=moving.claim.fence)
    return End(outcome=Outcome.FAILED, reason=reason)


def _without_champion(progress: Progress, state: EndpointState | None, now: datetime) -> Progress | None:
    """Return the rollout promoted when the host had to take the champion out; None when it did not."""
    moved = None if state is None else state.moved
    if moved is None or (moved.before, moved.after) != (progress.champion, progress.challenger):
        return None
    return _ended(progress, Ending.PROMOTED, f"{moved.actor} left version {moved.before}: {moved.reason}", now)


def _ended(progress: Progress, ending: Ending, reason: str, now: datetime) -> Progress:
    verdict = Verdict.ABORT if ending is Ending.ABORTED else Verdict.ADVANCE
    decision = Decision(verdict=verdict, step=progress.step, reason=reason, comparisons=(), at=now)
    decisions = (*progress.decisions, decision)
    return replace(progress, ending=ending, reason=reason, ended=now, decisions=decisions)


def _kept(moving: Moving, before: Progress, after: Progress) -> Progress:
    """Write down what has changed; a step that is only held again is not worth a write."""
    if _settled(before) != _settled(after):
        moving.rollouts.keep(moving.claim, after)
    return after


def _settled(progress: Progress) -> Progress:
    return replace(progress, decisions=tuple(each for each in progress.decisions if each.verdict is not Verdict.HOLD))


def _again(moving: Moving, progress: Progress, words: str) -> AwaitEndpoint:
    step = f"step {progress.step + 1} of {len(phases_of(progress))}"
    return AwaitEndpoint(endpoint=moving.name, again=between_looks(progress), words=f"{step}: {words}")


def _now(moving: Moving) -> datetime:
    return moving.ports.clock.now()
