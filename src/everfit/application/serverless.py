"""Takes a run through the loop one call at a time, for a state machine that calls again: no call waits.

A call may come twice, too late, out of order or after one that was killed. Each does what the journal says is next, up
to the step that it names, and answers what the caller is to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from everfit.application.journal import LEASE, drive
from everfit.application.loop import LOOP
from everfit.application.performing import ENDPOINT, JOB, stop
from everfit.application.ports import Ports
from everfit.application.releases import ROLLBACK, check_leaves, roll_back
from everfit.application.retraining import environment_of, is_decided
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, BusyError, EverfitError, FencedError, RefusedError, StateError
from everfit.domain.job import JobState
from everfit.domain.run import Outcome, Run, RunId, RunState, StepOutcome, StepRecord
from everfit.domain.secret import hidden

SHORTEST: Final = 5
LONGEST: Final = 300
"""Seconds between two looks. Ten events of a state machine's history are written for each look, and a history ends at
25,000 events (Step Functions quotas), so a training of five days must be looked at less often than each minute."""
SHARE: Final = 30
"""A look is taken after one part in so many of the time that was waited for already."""
STEPS: Final = frozenset(step.name for step in LOOP)
LAST: Final = LOOP[-1].name
LONGEST_CAUSE: Final = 1_000


class Answer(Enum):
    """What the caller is to do."""

    DONE = "done"
    """Call the next step."""
    WAITS = "waits"
    """Call the same step again after some seconds."""
    ASKS = "asks"
    """Leave it: a person decides, and whoever hears of that begins again."""
    ENDED = "ended"
    """Leave it: nothing is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of a call.

    Args:
        seconds: after which the same call is made again; 0 unless it waits.
        outcome: how the run ended, or that it waits for a person.
        reason: why, in words.
    """

    answer: Answer
    seconds: int = 0
    outcome: Outcome | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBack:
    """A rollback that was asked for.

    Args:
        before: the version that served then: what is asked for twice goes back once. None does not look.
        to: the version to go to; None means the last good one.
    """

    actor: str
    before: int | None = None
    to: int | None = None
    reason: str = ROLLBACK


def take(run: RunId, step: str, workspace: Workspace, ports: Ports) -> Taken:
    """Take the run through the step, unless that is done; answer what comes next.

    Raises:
        NotFoundError: there is no such run.
        RefusedError: the loop has no such step.
        BackendError: the outside failed in a way that waiting does not mend.
    """
    if step not in STEPS:
        raise RefusedError(f"The loop has no step {step!r}: the stack is of another release. Run `everfit apply`.")
    found = ports.store.run(run)
    try:
        ready = _without_a_claim(found, step, ports)
        if ready is not None:
            return ready
        after = drive(run, workspace, ports, only=step)
    except (BusyError, FencedError) as error:
        return _later(found, str(error), ports)
    except BackendError as error:
        if not error.retryable:
            raise
        return _later(found, hidden(str(error), workspace.project.secrets), ports)
    return _answer(after, step, ports)


def broken(run: RunId, cause: str, workspace: Workspace, ports: Ports) -> Taken:
    """End a run that cannot be taken further as failed, unless somebody drives it or a person is asked.

    What has begun to change the endpoint is not cut: the run is taken on from there.

    Raises:
        EverfitError: it could be neither ended nor taken on; the same call tries again.
    """
    found = ports.store.run(run)
    if found.state is RunState.ENDED or _is_asking(found, ports):
        return _state(found)
    if any(record.name in _settling() for record in ports.store.steps(run)):
        return take(run, LAST, workspace, ports)
    try:
        claim = ports.store.claim(found.model, found.environment, owner=ports.owner, lease=LEASE, run=run)
    except BusyError as error:
        return _later(found, str(error), ports)
    words = hidden(" ".join(cause.split())[:LONGEST_CAUSE], workspace.project.secrets)
    try:
        stopped = _stopped(found, ports)
        if found.cancellation is not None:
            stop(claim, found, found.cancellation, ports)
        else:
            ports.store.end(claim, Outcome.FAILED, f"the state machine could not go on: {words}{stopped}", error=words)
    finally:
        ports.store.release(claim)
    return _state(ports.store.run(run))


def go_back(asked: AskedBack, environment: str, workspace: Workspace, ports: Ports) -> Taken:
    """Roll back, once however often it is asked for."""
    place = environment_of(workspace, environment)
    try:
        check_leaves(asked.before, ports.registry.champion(workspace.model, environment))
        # It is looked at once more under the claim: two alarms may ask for the same way back at the same time.
        way = roll_back(
            place, workspace, ports, actor=asked.actor, reason=asked.reason, to=asked.to, leaves=asked.before
        )
    except RefusedError as error:
        return Taken(answer=Answer.ENDED, reason=str(error))
    except (BusyError, FencedError) as error:
        return Taken(answer=Answer.WAITS, seconds=SHORTEST, reason=str(error))
    except BackendError as error:
        if not error.retryable:
            raise
        return Taken(answer=Answer.WAITS, seconds=SHORTEST, reason=hidden(str(error), workspace.project.secrets))
    return Taken(answer=Answer.ENDED, reason=f"went back from version {way.before} to version {way.after}")


def pause_after(waited: timedelta) -> int:
    """Return after how many seconds to look again at what was waited for so long."""
    return min(max(int(waited.total_seconds()) // SHARE, SHORTEST), LONGEST)


def _without_a_claim(run: Run, step: str, ports: Ports) -> Taken | None:
    """Answer what needs no change, so that most calls cost a look; None when there is work to do."""
    if run.state is RunState.ENDED or _is_asking(run, ports):
        return _state(run)
    if run.cancellation is not None:
        return None
    if _is_done(step, ports.store.steps(run.id)):
        return Taken(answer=Answer.DONE)
    return _later(run, run.waits_for, ports) if _goes_on(run, ports) else None


def _goes_on(run: Run, ports: Ports) -> bool:
    """Tell whether what the run was left waiting for still goes on by itself."""
    kind, _, name = (run.waits_for or "").partition(":")
    if kind == JOB:
        return ports.jobs.observe(name).state is JobState.RUNNING
    return kind == ENDPOINT and not ports.endpoints.wait(name, timedelta(0))


def _is_asking(run: Run, ports: Ports) -> bool:
    return run.outcome is Outcome.NEEDS_APPROVAL and not is_decided(run, ports)


def _answer(run: Run, step: str, ports: Ports) -> Taken:
    if run.state is RunState.ENDED or run.outcome is Outcome.NEEDS_APPROVAL:
        return _state(run)
    records = ports.store.steps(run.id)
    if _is_done(step, records):
        return Taken(answer=Answer.DONE)
    seconds = SHORTEST if run.waits_for is None else pause_after(_waited(records, ports.clock.now()))
    return Taken(answer=Answer.WAITS, seconds=seconds, reason=run.waits_for)


def _later(run: Run, reason: str | None, ports: Ports) -> Taken:
    seconds = pause_after(_waited(ports.store.steps(run.id), ports.clock.now()))
    return Taken(answer=Answer.WAITS, seconds=seconds, reason=reason)


def _state(run: Run) -> Taken:
    answer = Answer.ENDED if run.state is RunState.ENDED else Answer.ASKS
    return Taken(answer=answer, outcome=run.outcome, reason=run.reason)


def _is_done(step: str, records: Sequence[StepRecord]) -> bool:
    return any(record.name == step and record.outcome is StepOutcome.DONE for record in records)


def _waited(records: Sequence[StepRecord], now: datetime) -> timedelta:
    """Return for how long the newest attempt of a step has been under way."""
    return now - max((record.started for record in records), default=now)


def _settling() -> frozenset[str]:
    return frozenset(step.name for step in LOOP if step.settles)


def _stopped(run: Run, ports: Ports) -> str:
    """Stop the job that the run waits for, since nobody would look at it any more; say so when that fails."""
    kind, _, name = (run.waits_for or "").partition(":")
    if kind != JOB:
        return ""
    try:
        ports.jobs.stop(name)
    except StateError:
        raise
    except EverfitError as error:
        return f"; its job {name} could not be stopped: {error}"
    return ""
