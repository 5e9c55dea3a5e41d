"""Takes one step of a run: asks it, waits with it, keeps what it answers, and tries again what may pass."""

import re
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, assert_never

from everfit.application.ports import Claim, Ports
from everfit.application.step import Answer, AwaitApproval, AwaitEndpoint, AwaitJob, Context, Done, End, Step
from everfit.domain.errors import BackendError, EverfitError, FencedError, StateError
from everfit.domain.job import JobState
from everfit.domain.run import Cancellation, Outcome, Run, StepOutcome
from everfit.domain.secret import hidden
from everfit.domain.version import Approval, Standing

PATIENCE: Final = timedelta(seconds=1)
"""How long one look at a job may take before what it printed is shown."""
JOB: Final = "job"
ENDPOINT: Final = "endpoint"
"""What a run waits for begins with one of these and a colon."""
BAKES: Final = "bakes"
"""How a look at a step ended that waits for evidence, and that is looked at again and again."""
MOST_STARTS: Final = 10
"""How often a step may be started before it is plain that its process does not survive it."""


class Patience(Enum):
    """How long whoever performs a step stays with it.

    ``NONE`` waits for nothing, ``CHANGES`` for jobs and for changes of an endpoint, ``EVIDENCE`` for as long as it
    takes a rollout to gather evidence as well.
    """

    NONE = "none"
    CHANGES = "changes"
    EVIDENCE = "evidence"


_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def perform(step: Step, context: Context, *, is_waiting: bool, patience: Patience) -> Answer | None:
    """Try the step until it answers for good; None means that the run has ended with an error.

    Args:
        is_waiting: whether the step is under way and waits: it is looked at again, and not started again.
    """
    store, claim = context.ports.store, context.claim
    attempt = _attempt(step, context) if is_waiting else None
    while True:
        begun = context.ports.clock.now()
        if attempt is None:
            attempt = store.begin_step(claim, step.name).attempt
        if attempt > MOST_STARTS:
            _fail(step, context, f"{step.name} was started {MOST_STARTS} times and never came to an end")
            return None
        try:
            # A step that is only looked at again is no second try, and nobody is told of one every two seconds.
            answer = _tried(step, context, 1 if is_waiting else attempt, patience)
        except EverfitError as error:
            if isinstance(error, FencedError | StateError):
                raise
            is_passing = isinstance(error, BackendError) and error.retryable and attempt < step.attempts
            again = is_passing and store.run(context.run.id).cancellation is None
            words = hidden(str(error), context.project.secrets)
            store.fail_step(claim, step.name, words)
            context.ports.progress.step_ended(step.name, "again" if again else "failed", _since(begun, context.ports))
            is_waiting = False
            if not again:
                _end_failed(step, words, context)
                return None
            attempt = None
            continue
        context.ports.progress.step_ended(step.name, _word(answer), _since(begun, context.ports))
        return answer


def _tried(step: Step, context: Context, attempt: int, patience: Patience) -> Answer:
    """Ask the step and keep what it answers."""
    try:
        context.ports.progress.step_started(step.name, attempt)
        answer = step.function(context) if patience is Patience.NONE else _answer(step, context, patience)
        _keep(step, answer, context)
    except KeyboardInterrupt:
        if not step.settles:
            _fail(step, context, "stopped by the keyboard; nothing that serves was changed")
        raise
    return answer


def _attempt(step: Step, context: Context) -> int | None:
    """Return the number of the attempt that is under way; None when none is."""
    records = context.ports.store.steps(context.run.id)
    under_way = (each for each in records if each.name == step.name and each.outcome is StepOutcome.STARTED)
    return next((record.attempt for record in under_way), None)


def _end_failed(step: Step, words: str, context: Context) -> None:
    """End a run whose step has failed for good; one that was asked to stop has not failed."""
    run = context.ports.store.run(context.run.id)
    if run.cancellation is not None and not step.settles:
        stop(context.claim, run, run.cancellation, context.ports)
        return
    context.ports.store.end(context.claim, Outcome.FAILED, f"{step.name} failed: {words}", error=words)


def _fail(step: Step, context: Context, reason: str) -> None:
    context.ports.store.fail_step(context.claim, step.name, reason)
    context.ports.store.end(context.claim, Outcome.FAILED, reason, error=reason)
    context.ports.progress.step_ended(step.name, "stopped", 0.0)


def _answer(step: Step, context: Context, patience: Patience) -> Answer:
    """Ask the step until it no longer waits for a job or an endpoint, or until this process is to leave it alone."""
    shown: dict[str, int] = {}
    told: str | None = None
    while True:
        answer = step.function(context)
        if isinstance(answer, AwaitEndpoint):
            if answer.again is not None and patience is not Patience.EVIDENCE:
                return answer
            told = _told(answer.words, told, context.ports)
            if answer.is_of_another or not _is_time(answer, context):
                return answer
            continue
        if not isinstance(answer, AwaitJob):
            return answer
        context.ports.store.wait(context.claim, f"{JOB}:{answer.job}")
        try:
            if not _watch(answer.job, context, shown if step.name == "train" else None):
                return answer
        except KeyboardInterrupt:
            context.ports.jobs.stop(answer.job)
            raise


def _told(words: str | None, before: str | None, ports: Ports) -> str | None:
    """Tell what is waited for, unless only numbers in it have changed since it was told; return what was told last."""
    if words is None or (before is not None and _NUMBERS.sub("", words) == _NUMBERS.sub("", before)):
        return before
    ports.progress.told(words)
    return words


def _is_time(answer: AwaitEndpoint, context: Context) -> bool:
    """Wait until the step is to be looked at again; False when that is left to somebody else or to later."""
    ports = context.ports
    ports.store.wait(context.claim, f"{ENDPOINT}:{answer.endpoint}")
    if answer.again is None:
        return _has_changed(answer.endpoint, ports)
    if not ports.leaving():
        ports.rest(answer.again)
    return not ports.leaving()


def _has_changed(endpoint: str, ports: Ports) -> bool:
    """Wait until the endpoint's change is over; False when this process leaves before."""
    while not ports.endpoints.wait(endpoint, PATIENCE):
        if ports.leaving():
            return False
    return True


def _watch(job: str, context: Context, shown: dict[str, int] | None) -> bool:
    """Wait until the job has ended; False when this process leaves before. A run that is to stop stops its job.

    Args:
        shown: bytes of each job's output that were passed on so far; None passes nothing on.
    """
    ports, is_stopped = context.ports, False
    while True:
        status = ports.jobs.wait(job, PATIENCE)
        if shown is not None:
            _show(job, ports, shown)
        if status.state is not JobState.RUNNING:
            return True
        if ports.leaving():
            return False
        if not is_stopped and ports.store.run(context.run.id).cancellation is not None:
            ports.jobs.stop(job)
            is_stopped = True


def _show(job: str, ports: Ports, shown: dict[str, int]) -> None:
    for output in ports.jobs.log(job, shown.get(job, 0)):
        shown[job] = shown.get(job, 0) + len(output)
        ports.progress.printed(output)


def _keep(step: Step, answer: Answer, context: Context) -> None:
    store, claim = context.ports.store, context.claim
    match answer:
        case Done():
            store.finish_step(claim, step.name, answer.result)
        case End():
            store.end(claim, answer.outcome, answer.reason, last=(step.name, answer.result))
        case AwaitApproval():
            store.wait(claim, f"approval:{answer.version}", Outcome.NEEDS_APPROVAL)
        case AwaitJob():
            # Whoever goes on with the run finds the job, and the endpoint, by what is waited for.
            store.wait(claim, f"{JOB}:{answer.job}")
        case AwaitEndpoint():
            store.wait(claim, f"{ENDPOINT}:{answer.endpoint}")
        case _:
            assert_never(answer)


def _word(answer: Answer) -> str:
    match answer:
        case Done():
            return "done"
        case End():
            return answer.outcome.value
        case AwaitEndpoint(again=timedelta()):
            return BAKES
        case AwaitApproval() | AwaitJob() | AwaitEndpoint():
            return "waits"
        case _:
            assert_never(answer)


def _since(begun: datetime, ports: Ports) -> float:
    return (ports.clock.now() - begun).total_seconds()


def stop(claim: Claim, run: Run, cancellation: Cancellation, ports: Ports) -> None:
    """End the run as it was asked; a version of its own that waits for a person is turned away with it."""
    why = f"cancelled by {cancellation.actor}: {cancellation.reason}"
    if run.version is not None and run.promote is None:
        _withdraw(run, run.version, cancellation, ports)
    ports.store.end(claim, Outcome.CANCELLED, why)
    ports.progress.step_ended("run", "cancelled", 0.0)


def _withdraw(run: Run, version: int, cancellation: Cancellation, ports: Ports) -> None:
    """Turn away a version that waits for a person who is not needed any more."""
    placement = ports.registry.placement(run.model, run.environment, version)
    if placement.standing is not Standing.PENDING:
        return
    ports.registry.decide(
        Approval(
            model=run.model,
            environment=run.environment,
            version=version,
            approved=False,
            actor=cancellation.actor,
            reason=f"the run was cancelled: {cancellation.reason}",
            verdict=placement.verdict.id,
            at=cancellation.at,
        )
    )
