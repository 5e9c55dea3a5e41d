"""Moves traffic to a version step by step, where versions take it side by side.

Each look observes, has the domain decide, writes the decision down, and acts. A kill at any point is followed by the
same look, which finds what is written and what the endpoint really gives, and goes on from there. The version that
served before is the registry's champion until the last step has passed, so whatever is broken off goes back to it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from everfit.application.live_evidence import live_evidence
from everfit.application.moving import Moving, kept, split, staged
from everfit.application.owed import shortly
from everfit.application.ports import Ports
from everfit.application.rollout_endings import aborted, ended, left, without_champion
from everfit.application.step import AwaitEndpoint, End
from everfit.domain.errors import BackendError, EverfitError, FencedError, StateError
from everfit.domain.live import Moved, Observation
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.rollout import (
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
from everfit.domain.run import Run
from everfit.domain.secret import hidden

SHORTEST: Final = timedelta(milliseconds=50)
LONGEST: Final = timedelta(seconds=2)
"""Between two looks: what is worse is to be taken back at once, and a look costs little."""
PAUSES: Final = 10
"""How much longer than a look the pause after it is."""
LONGEST_REST: Final = timedelta(seconds=30)
"""No look is so costly, nor an endpoint so long in answering, that what is worse may go on for longer."""
WAITS: Final = "endpoint:"
"""What such a run waits for begins with this."""


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
        words = f"{name_of(other)} is under way, and comes first"
        return AwaitEndpoint(endpoint=moving.name, again=LONGEST, words=words, is_of_another=True)
    plan = rollout_of(context.environment.rollout)
    if is_one_shift(plan):
        return None
    staged(moving)
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
    begun_at = moving.now
    try:
        while progress.ending is None:
            waits = _looked(moving, progress)
            if isinstance(waits, AwaitEndpoint):
                return replace(waits, again=unhurried(between_looks(progress, moving.now), moving.now - begun_at))
            progress = waits
    except (FencedError, StateError):
        raise
    except EverfitError as error:
        if isinstance(error, BackendError) and error.retryable:
            words = hidden(f"the endpoint cannot be asked: {error}", moving.context.project.secrets)
            newest = moving.rollouts.of_run(moving.context.run.id) or progress
            kept(moving, newest, _patient(moving, newest, words))
            return AwaitEndpoint(endpoint=moving.name, again=LONGEST, words=words)
        words = hidden(str(error), moving.context.project.secrets)
        progress = kept(moving, progress, ended(progress, Ending.ABORTED, words, moving.now))
    if progress.ending is Ending.PROMOTED:
        return None
    return left(moving, progress)


def unhurried(pause: timedelta, took: timedelta) -> timedelta:
    """Return the pause, or a longer one after a look that took long, as over labels by the million."""
    return max(pause, min(took * PAUSES, LONGEST_REST))


def between_looks(progress: Progress, now: datetime) -> timedelta:
    """Return after what time to look again: soon in a step that is short or has just begun."""
    lasted = timedelta(0) if progress.since is None else now - progress.since
    return min(max(progress.plan.bake / 20, lasted / 20, SHORTEST), LONGEST)


def next_look(run: Run, ports: Ports) -> timedelta | None:
    """Return how long a run may be left alone that waits for evidence, or for another's; None for any other run."""
    if ports.rollouts is None or run.ended is not None or not (run.waits_for or "").startswith(WAITS):
        return None
    progress = ports.rollouts.of_run(run.id)
    if progress is not None:
        return between_looks(progress, ports.clock.now()) if progress.ending is None else None
    other = ports.rollouts.current(run.model, run.environment)
    return None if other is None or other.run == run.id else LONGEST


def _looked(moving: Moving, progress: Progress) -> Progress | AwaitEndpoint:
    """Look once; return what to wait for, or the rollout in its next step or at its end."""
    if moving.ports.endpoints.is_stopped():
        return _again(moving, progress, "the endpoint host is stopped")
    cancellation = moving.ports.store.run(moving.context.run.id).cancellation
    if cancellation is not None and moving.champion is not None:
        why = f"cancelled by {cancellation.actor}: {cancellation.reason}"
        return kept(moving, progress, aborted(progress, why, moving.now, is_bad=False))
    return _take(moving, progress) if progress.since is None else _judged(moving, progress)


def _judged(moving: Moving, progress: Progress) -> Progress | AwaitEndpoint:
    observation, moved = moving.traffic.observe(moving.name), _moved(moving)
    if observation is None or not observation.weights:
        return _held(moving, progress, "the endpoint does not serve at the moment")
    rescued = without_champion(progress, moved, moving.now)
    if rescued is not None:
        return kept(moving, progress, rescued)
    evidence = live_evidence(progress, observation, moved, moving.context.environment, moving.traffic)
    if evidence.moved is None and not is_given(shares_of(progress), observation):
        split(moving, shares_of(progress))
        return _held(moving, progress, "the endpoint did not give the shares of this step, and was told again")
    return _decided(moving, progress, evidence)


def _moved(moving: Moving) -> Moved | None:
    """Return what was moved without the control plane since it last gave shares; None when nothing was."""
    state = moving.ports.endpoints.describe(moving.name)
    return None if state is None or state.moved is None else shortly(state.moved, moving.context.project)


def _decided(moving: Moving, progress: Progress, evidence: Evidence) -> Progress | AwaitEndpoint:
    now = moving.now
    decision = decide(progress, evidence, now)
    after = advanced(progress, decision, evidence.observation, now)
    if decision.verdict is Verdict.HOLD:
        after = kept(moving, progress, _patient(moving, after, decision.reason))
        return _again(moving, after, decision.reason)
    steps = len(phases_of(progress))
    moving.ports.progress.told(f"step {progress.step + 1} of {steps}: {decision.verdict.value}: {decision.reason}")
    return kept(moving, progress, after)


def _patient(moving: Moving, progress: Progress, reason: str) -> Progress:
    """Have people told, once, of a step that waits for long."""
    now = moving.now
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
            f"rollout.patience: {reason}. Send it traffic, promote it or abort it.",
            "version": progress.challenger,
            "serving": progress.champion,
        },
    )
    moving.ports.outbox.note(notice)
    return told(progress)


def _take(moving: Moving, progress: Progress) -> Progress | AwaitEndpoint:
    """Have the endpoint give the shares of the step, and count from there."""
    over = _over_before(moving, progress)
    if over is not None:
        return kept(moving, progress, over)
    split(moving, shares_of(progress))
    observation = moving.traffic.observe(moving.name)
    if observation is None or not is_given(shares_of(progress), observation):
        return _held(moving, progress, "the endpoint has not taken the step yet")
    after = kept(moving, progress, applied(progress, observation, moving.now))
    phase = phases_of(after)[after.step]
    what = "copies of all requests" if phase.is_shadow else f"{phase.share * 100:.4g}% of the traffic"
    moving.ports.progress.told(
        f"step {after.step + 1} of {len(phases_of(after))}: version {after.challenger} is given {what}"
    )
    return after


def _over_before(moving: Moving, progress: Progress) -> Progress | None:
    """Return the rollout at its end when a step that is not taken yet shall not be taken any more.

    Giving the shares again would undo what the host did in need, and an endpoint that never takes them would keep a
    person's order waiting for ever.
    """
    moved, now = _moved(moving), moving.now
    nothing = Observation(epoch=progress.epoch, weights={})
    decision = decide(progress, Evidence(observation=nothing, moved=moved), now)
    aborted_now = advanced(progress, decision, nothing, now) if decision.verdict is Verdict.ABORT else None
    return without_champion(progress, moved, now) or aborted_now


def _held(moving: Moving, progress: Progress, words: str) -> AwaitEndpoint:
    """Wait for the endpoint, and have people told when that takes long."""
    return _again(moving, kept(moving, progress, _patient(moving, progress, words)), words)


def _again(moving: Moving, progress: Progress, words: str) -> AwaitEndpoint:
    step = f"step {progress.step + 1} of {len(phases_of(progress))}"
    return AwaitEndpoint(endpoint=moving.name, again=between_looks(progress, moving.now), words=f"{step}: {words}")
