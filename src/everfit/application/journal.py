"""Walks a run through the loop, so that it can be killed anywhere and goes on where it was.

Before a step acts, the store says that it has started; after it, the store holds what it gave. What is done is
never done again. A step that had started and gave nothing looks at the outside before it acts. Whoever has lost the
claim learns it at the next write and stops.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never

from everfit.application.loop import LOOP
from everfit.application.owed import found_serving, settle_owed
from everfit.application.ports import Claim, Ports
from everfit.application.step import Answer, AwaitApproval, AwaitJob, Context, Done, End, Step
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, EverfitError, FencedError, StateError
from everfit.domain.job import JobState
from everfit.domain.project import Environment
from everfit.domain.run import Cancellation, Outcome, Run, RunId, RunState, StepOutcome
from everfit.domain.secret import hidden
from everfit.domain.version import Approval, Standing

LEASE: Final = timedelta(seconds=30)
PATIENCE: Final = timedelta(seconds=1)
"""How long one look at a job may take before what it printed is shown."""
MOST_STARTS: Final = 10
"""How often a step may be started before it is plain that its process does not survive it."""


def drive(run: RunId, workspace: Workspace, ports: Ports) -> Run:
    """Take the run as far as it can go: to its end, to where it waits for a person, or until ``ports.leaving``.

    Raises:
        BusyError: another living process drives it.
        FencedError: another process has taken it over.
        StateError: the store cannot be written; the run is left as it is, to be resumed.
    """
    found = ports.store.run(run)
    if found.state is RunState.ENDED:
        return found
    claim = ports.store.claim(found.model, found.environment, owner=ports.owner, lease=LEASE, run=run)
    try:
        with ports.heart.beating(claim):
            _walk(claim, ports.store.run(run), workspace, ports)
    finally:
        ports.store.release(claim)
    return ports.store.run(run)


def _walk(claim: Claim, run: Run, workspace: Workspace, ports: Ports) -> None:
    done = {
        record.name: record.result or {} for record in ports.store.steps(run.id) if record.outcome is StepOutcome.DONE
    }
    environment = workspace.project.environments.get(run.environment)
    if environment is None:
        ports.store.end(claim, Outcome.FAILED, f"everfit.yaml has no environment {run.environment!r} any more")
        return
    if not _is_settled(claim, run, environment, workspace, ports):
        return
    for step in LOOP:
        if step.name in done:
            continue
        if ports.leaving() and not step.settles:
            return
        now = ports.store.run(run.id)
        if now.cancellation is not None and not _is_settling(now, ports):
            _stop(claim, now, now.cancellation, ports)
            return
        context = Context(
            run=now,
            claim=claim,
            workspace=workspace,
            environment=environment,
            ports=ports,
            results=done,
        )
        answer = _perform(step, context)
        if not isinstance(answer, Done):
            return
        done[step.name] = answer.result


def _is_settled(claim: Claim, run: Run, environment: Environment, workspace: Workspace, ports: Ports) -> bool:
    """Make endpoint and registry agree; False when that cannot be done and the run has ended by it."""
    try:
        if found_serving(environment, ports) != run.version or run.version is None:
            settle_owed(claim, environment, workspace, ports)
    except (FencedError, StateError):
        raise
    except EverfitError as error:
        if run.cancellation is not None and not _is_settling(run, ports):
            _stop(claim, run, run.cancellation, ports)
            return False
        if isinstance(error, BackendError) and error.retryable:
            raise
        # Tried for ever it would hold up all that waits here, and nobody would be told.
        words = hidden(str(error), workspace.project.secrets)
        reason = f"what {environment.endpoint} serves could not be settled, so nothing else was changed: {words}"
        ports.store.end(claim, Outcome.FAILED, reason, error=words)
        return False
    return True


def _is_settling(run: Run, ports: Ports) -> bool:
    """Tell whether the run has begun to change what serves: it is not broken off half-way then."""
    started = {record.name for record in ports.store.steps(run.id)}
    return any(step.settles and step.name in started for step in LOOP)


def _stop(claim: Claim, run: Run, cancellation: Cancellation, ports: Ports) -> None:
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


def _perform(step: Step, context: Context) -> Answer | None:
    """Try the step until it answers for good; None means that the run has ended with an error."""
    ports, claim = context.ports, context.claim
    while True:
        begun = ports.clock.now()
        attempt = ports.store.begin_step(claim, step.name).attempt
        if attempt > MOST_STARTS:
            _fail(step, context, f"{step.name} was started {MOST_STARTS} times and never came to an end")
            return None
        try:
            ports.progress.step_started(step.name, attempt)
            answer = _answer(step, context)
            _keep(step, answer, context)
        except (FencedError, StateError):
            raise
        except KeyboardInterrupt:
            if not step.settles:
                _fail(step, context, "stopped by the keyboard; nothing that serves was changed")
            raise
        except EverfitError as error:
            is_passing = isinstance(error, BackendError) and error.retryable and attempt < step.attempts
            again = is_passing and ports.store.run(context.run.id).cancellation is None
            words = hidden(str(error), context.project.secrets)
            ports.store.fail_step(claim, step.name, words)
            ports.progress.step_ended(step.name, "again" if again else "failed", _since(begun, ports))
            if again:
                continue
            _end_failed(step, words, context)
            return None
        ports.progress.step_ended(step.name, _word(answer), _since(begun, ports))
        return answer


def _end_failed(step: Step, words: str, context: Context) -> None:
    """End a run whose step has failed for good; one that was asked to stop has not failed."""
    run = context.ports.store.run(context.run.id)
    if run.cancellation is not None and not step.settles:
        _stop(context.claim, run, run.cancellation, context.ports)
        return
    context.ports.store.end(context.claim, Outcome.FAILED, f"{step.name} failed: {words}", error=words)


def _fail(step: Step, context: Context, reason: str) -> None:
    context.ports.store.fail_step(context.claim, step.name, reason)
    context.ports.store.end(context.claim, Outcome.FAILED, reason, error=reason)
    context.ports.progress.step_ended(step.name, "stopped", 0.0)


def _answer(step: Step, context: Context) -> Answer:
    """Ask the step until it no longer waits for a job, or until this process is to leave the job alone."""
    shown: dict[str, int] = {}
    while True:
        answer = step.function(context)
        if not isinstance(answer, AwaitJob):
            return answer
        context.ports.store.wait(context.claim, f"job:{answer.job}")
        try:
            if not _watch(answer.job, context, shown if step.name == "train" else None):
                return answer
        except KeyboardInterrupt:
            context.ports.jobs.stop(answer.job)
            raise


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
            # The store knows what is waited for; whoever goes on with the run finds the job.
            pass
        case _:
            assert_never(answer)


def _word(answer: Answer) -> str:
    match answer:
        case Done():
            return "done"
        case End():
            return answer.outcome.value
        case AwaitApproval() | AwaitJob():
            return "waits"
        case _:
            assert_never(answer)


def _since(begun: datetime, ports: Ports) -> float:
    return (ports.clock.now() - begun).total_seconds()
