"""Walks a run through the loop, so that it can be killed anywhere and goes on where it was.

Before a step acts, the store says that it has started; after it, the store holds what it gave. What is done is
never done again. A step that had started and gave nothing looks at the outside before it acts. Whoever has lost the
claim learns it at the next write and stops.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from everfit.application.loop import LOOP
from everfit.application.owed import fence_ahead, found_serving, settle_owed
from everfit.application.performing import ENDPOINT, JOB, Patience, perform, stop
from everfit.application.ports import Claim, Ports
from everfit.application.serving import service
from everfit.application.step import Answer, Context, Done, Step
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, EverfitError, FencedError, StateError
from everfit.domain.project import Environment
from everfit.domain.run import Outcome, Run, RunId, RunState, StepOutcome
from everfit.domain.secret import hidden

LEASE: Final = timedelta(seconds=30)


def drive(
    run: RunId,
    workspace: Workspace,
    ports: Ports,
    *,
    only: str | None = None,
    patience: Patience = Patience.EVIDENCE,
) -> Run:
    """Take the run as far as it can go: to its end, to where it waits for a person, or until ``ports.leaving``.

    Args:
        only: go no farther than through this step, and wait for no job and no endpoint: whoever calls again, once
            some time is over, goes on.
        patience: for what to wait; whoever has less than it takes calls again later.

    Raises:
        BusyError: another living process drives it.
        FencedError: another process has taken it over.
        StateError: the store cannot be written; the run is left as it is, to be resumed.
    """
    found = ports.store.run(run)
    if found.state is RunState.ENDED:
        return found
    limits = _Limits(only=only, patience=patience if only is None else Patience.NONE)
    if _claimed(found, workspace, ports, limits) > 0:
        _claimed(found, workspace, ports, limits)
    return ports.store.run(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """How far a walk goes, and for what it waits on its way."""

    only: str | None
    patience: Patience


def _claimed(found: Run, workspace: Workspace, ports: Ports, limits: _Limits) -> int:
    """Walk under a claim; return the endpoint's fence when the walk needs a claim beyond it, else 0."""
    claim = ports.store.claim(found.model, found.environment, owner=ports.owner, lease=LEASE, run=found.id)
    ahead = 0
    try:
        with ports.heart.beating(claim):
            _walk(claim, replace(ports.store.run(found.id), waits_for=found.waits_for), workspace, ports, limits)
    except FencedError:
        if ports.store.run(found.id).outcome is Outcome.FAILED:
            # Whoever took over has ended it, as a rollback in the middle of a rollout does. One that took it to its
            # good end is told of: this process has not deployed anything.
            return 0
        environment = workspace.project.environments.get(found.environment)
        ahead = 0 if environment is None else fence_ahead(claim, environment, LEASE, ports)
        if not ahead:
            raise
    finally:
        ports.store.release(claim, beyond=ahead)
    return ahead


def _walk(claim: Claim, run: Run, workspace: Workspace, ports: Ports, limits: _Limits) -> None:
    """Walk through the steps.

    Args:
        run: as it stood when it was claimed, with what it waited for then.
    """
    done = {
        record.name: record.result or {} for record in ports.store.steps(run.id) if record.outcome is StepOutcome.DONE
    }
    environment = workspace.project.environments.get(run.environment)
    if environment is None:
        ports.store.end(claim, Outcome.FAILED, f"everfit.yaml has no environment {run.environment!r} any more")
        return
    if not _is_settled(claim, run, environment, workspace, ports):
        return
    if ports.traffic is not None:
        # Also when nothing is new, and the version that serves stays: whoever takes monitor away means it.
        ports.traffic.keep_requests(environment.endpoint, service(workspace.project))
    for step in LOOP:
        if step.name not in done:
            answer = _next(step, run, _Way(claim, workspace, environment, done, limits.patience), ports)
            if not isinstance(answer, Done):
                return
            run = replace(run, waits_for=None)
            done[step.name] = answer.result
        if step.name == limits.only:
            return


@dataclass(frozen=True, slots=True)
class _Way:
    """What every step of a walk is given."""

    claim: Claim
    workspace: Workspace
    environment: Environment
    done: Mapping[str, Mapping[str, object]]
    patience: Patience


def _next(step: Step, run: Run, way: _Way, ports: Ports) -> Answer | None:
    """Take the step, unless this process is to leave or the run is to stop; None when the walk is over."""
    if ports.leaving() and not step.settles:
        return None
    now = ports.store.run(run.id)
    if now.cancellation is not None and not _is_settling(now, ports):
        _stop_job(run, ports)
        stop(way.claim, now, now.cancellation, ports)
        return None
    context = Context(
        run=now,
        claim=way.claim,
        workspace=way.workspace,
        environment=way.environment,
        ports=ports,
        results=dict(way.done),
    )
    return perform(step, context, is_waiting=_is_waiting(run), patience=way.patience)


def _is_waiting(run: Run) -> bool:
    """Tell whether the run was left while its step waited for a job or an endpoint.

    The step is looked at again then, and not started: a deployment in twenty steps is one attempt. Claiming the run has
    cleared what it waits for, so a process that does not survive the look makes the next one start the step, and that
    counts.
    """
    return (run.waits_for or "").partition(":")[0] in (JOB, ENDPOINT)


def _stop_job(run: Run, ports: Ports) -> None:
    """Stop the job that the run waited for when it was left."""
    kind, _, name = (run.waits_for or "").partition(":")
    if kind == JOB:
        ports.jobs.stop(name)


def _is_settled(claim: Claim, run: Run, environment: Environment, workspace: Workspace, ports: Ports) -> bool:
    """Make endpoint and registry agree; False when that cannot be done and the run has ended by it."""
    try:
        if found_serving(environment, ports) != run.version or run.version is None:
            settle_owed(claim, environment, workspace, ports)
    except (FencedError, StateError):
        raise
    except EverfitError as error:
        if run.cancellation is not None and not _is_settling(run, ports):
            stop(claim, run, run.cancellation, ports)
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
