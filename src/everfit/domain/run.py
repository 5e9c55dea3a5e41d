"""The life of one run, as a table.

A run ends exactly once, with one outcome and one reason; every rule about which state follows which is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final, NewType

from everfit.domain.errors import IllegalMoveError

RunId = NewType("RunId", str)


class RunState(Enum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


class RunMove(Enum):
    """What can happen to a run."""

    CLAIM = "claim"
    WAIT = "wait"
    END = "end"


TRANSITIONS: Final[Mapping[RunState, Mapping[RunMove, RunState]]] = {
    RunState.QUEUED: {RunMove.CLAIM: RunState.RUNNING, RunMove.END: RunState.ENDED},
    RunState.RUNNING: {
        RunMove.CLAIM: RunState.RUNNING,
        RunMove.WAIT: RunState.WAITING,
        RunMove.END: RunState.ENDED,
    },
    RunState.WAITING: {
        RunMove.CLAIM: RunState.RUNNING,
        RunMove.WAIT: RunState.WAITING,
        RunMove.END: RunState.ENDED,
    },
    RunState.ENDED: {},
}


class Outcome(Enum):
    """How a run ended, or that it waits for a person."""

    DEPLOYED = "deployed"
    APPROVED = "approved"
    SKIPPED = "skipped"
    NEEDS_APPROVAL = "needs approval"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Who wants the run to stop, and why."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One pass of the loop for one model in one environment.

    Args:
        actor: who or what it was started by.
        accept_schema: whether columns and labels are learnt anew instead of held to what was learnt before.
        hold: wait for a person before the deployment, whatever the approval policy says.
        commit: of the code that it takes; None takes what lies in the project folder.
        release: what a tag calls it, such as ``0.1.2``.
        cause: kind of the event that started it.
        cancellation: set while it is to stop and when it was stopped.
        fence: grows with every take-over; whoever holds an older number may change nothing.
        outcome: set when the run ends, or ``NEEDS_APPROVAL`` while it waits for a person.
        waits_for: such as ``job:…`` or ``approval``, while the run waits.
        version: the number that the registry gave, once there is one.
        error: the last words of the step that failed.
    """

    id: RunId
    model: str
    environment: str
    started: datetime
    state: RunState = RunState.QUEUED
    fence: int = 0
    actor: str = "unknown"
    force: bool = False
    accept_schema: bool = False
    promote: int | None = None
    hold: bool = False
    commit: str | None = None
    release: str | None = None
    cause: str = "api"
    cancellation: Cancellation | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    waits_for: str | None = None
    version: int | None = None
    error: str | None = None
    ended: datetime | None = None

    def after(self, move: RunMove) -> "Run":
        """Return this run as it stands once *move* has happened."""
        try:
            return replace(self, state=TRANSITIONS[self.state][move])
        except KeyError:
            raise IllegalMoveError(f"Run {self.id} is {self.state.value}: it cannot {move.value}.") from None


class StepOutcome(Enum):
    """How a step stands."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What the journal knows of one step of one run; ``result`` is the JSON that the step gave."""

    name: str
    outcome: StepOutcome
    attempt: int
    started: datetime
    ended: datetime | None = None
    result: Mapping[str, object] | None = None
    error: str | None = None


def started_again(step: StepRecord | None, name: str, now: datetime) -> StepRecord:
    """Return the step's record as its next attempt starts, or raise ``IllegalMoveError`` when it is done.

    Args:
        step: the record of the attempt before; None when this is the first.
    """
    if step is not None and step.outcome is StepOutcome.DONE:
        raise IllegalMoveError(f"The step {name!r} is done; its result is in the journal.")
    attempt = 1 if step is None else step.attempt + 1
    return StepRecord(name=name, outcome=StepOutcome.STARTED, attempt=attempt, started=now)


def ended(run: Run, outcome: Outcome, reason: str, error: str | None, now: datetime) -> Run:
    """Return the run as it has ended; it never moves again."""
    if outcome is Outcome.NEEDS_APPROVAL:
        raise IllegalMoveError(f"Run {run.id} cannot end as {outcome.value}: it waits for a person then.")
    after = run.after(RunMove.END)
    return replace(after, outcome=outcome, reason=reason, error=error, ended=now, waits_for=None)


def waiting(run: Run, waits_for: str, outcome: Outcome | None) -> Run:
    """Return the run as it waits."""
    if outcome not in (None, Outcome.NEEDS_APPROVAL):
        raise IllegalMoveError(f"Run {run.id} cannot wait as {outcome.value}: that is how a run ends.")
    return replace(run.after(RunMove.WAIT), waits_for=waits_for, outcome=outcome)


def claimed(run: Run, fence: int) -> Run:
    """Return the run as it goes on under a claim."""
    return replace(run.after(RunMove.CLAIM), fence=fence, waits_for=None, outcome=None)


def cancelled(run: Run, cancellation: Cancellation) -> Run:
    """Return the run as it is asked to stop; whoever asked first is kept."""
    if run.state is RunState.ENDED:
        raise IllegalMoveError(f"Run {run.id} has ended ({run.reason}); there is nothing to cancel.")
    return run if run.cancellation is not None else replace(run, cancellation=cancellation)


def check_queued(run: Run) -> None:
    """Raise ``IllegalMoveError`` unless the run is one that can begin."""
    if run.state is not RunState.QUEUED:
        raise IllegalMoveError(f"Run {run.id} cannot begin: it is {run.state.value}.")
