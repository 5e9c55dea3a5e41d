"""What holds for a version that waits for a person: who may decide, and until when."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.approval import CLOCK, Pending, check_decider, deadline, expired_words
from everfit.domain.errors import IllegalMoveError, NotFoundError, RefusedError
from everfit.domain.project import Environment
from everfit.domain.run import Outcome, Run, RunId, RunState
from everfit.domain.version import Approval, Placement, Standing

REGISTERED = "register"
PAGE = 1_000


def check_decision(placement: Placement, environment: Environment, ports: Ports, *, actor: str, approved: bool) -> None:
    """Raise ``RefusedError`` unless *actor* may decide so, and in time; what is too late is rejected then."""
    run = _run_about(placement, ports)
    pending = _pending(run, placement.version, placement.environment, ports, starters=_starters(run, ports))
    end = None if run.state is RunState.ENDED else deadline(pending, environment.approval)
    if end is not None and end <= ports.clock.now():
        _expire(placement, environment, ports)
        raise RefusedError(
            f"Version {placement.version} of {placement.model} in {placement.environment} "
            f"{expired_words(environment.approval)}; it was rejected. Train a new one."
        )
    check_decider(pending, environment.approval, actor, approved=approved)


def expire_approvals(workspaces: Mapping[str, Workspace], ports: Ports) -> Sequence[Run]:
    """Reject every version whose time to be decided about is over, and return the runs that end by that."""
    limited = {
        (model, environment.name): environment
        for model, workspace in workspaces.items()
        for environment in workspace.project.environments.values()
        if environment.approval.expires is not None
    }
    if not limited:
        return ()
    waiting = [run for run in ports.store.open() if run.outcome is Outcome.NEEDS_APPROVAL]
    return [
        run
        for run in waiting
        if (run.model, run.environment) in limited and _is_over(run, limited[run.model, run.environment], ports)
    ]


def _is_over(run: Run, environment: Environment, ports: Ports) -> bool:
    """Reject the version of the run when its time is over; tell whether that was done now."""
    if run.version is None:
        return False
    end = deadline(_pending(run, run.version, run.environment, ports), environment.approval)
    if end is None or end > ports.clock.now():
        return False
    # A person who decides at the same moment was first, or the version is gone.
    with suppress(IllegalMoveError, RefusedError, NotFoundError):
        placement = ports.registry.placement(run.model, run.environment, run.version)
        return placement.standing is Standing.PENDING and _expire(placement, environment, ports)
    return False


def _expire(placement: Placement, environment: Environment, ports: Ports) -> bool:
    after = ports.registry.decide(
        Approval(
            model=placement.model,
            environment=placement.environment,
            version=placement.version,
            approved=False,
            actor=CLOCK,
            reason=expired_words(environment.approval),
            verdict=placement.verdict.id,
            at=ports.clock.now(),
        )
    )
    return after.approval is not None and after.approval.actor == CLOCK


def _run_about(placement: Placement, ports: Ports) -> Run:
    """Return the run that is about the version there, which may not have come to asking for a person yet.

    The run that made the version, when nothing under way is about it any more.
    """
    here = (placement.model, placement.environment)
    under_way = (run for run in ports.store.open() if (run.model, run.environment) == here)
    made_by = RunId(ports.registry.version(placement.model, placement.version).run)
    about = (run for run in under_way if run.id == made_by or placement.version in (run.version, run.promote))
    return next(about, None) or ports.store.run(made_by)


def _pending(
    run: Run, version: int, environment: str, ports: Ports, *, starters: frozenset[str] = frozenset()
) -> Pending:
    # The step that asks may start again after a kill; the one before it is done once.
    registered = next((step for step in ports.store.steps(run.id) if step.name == REGISTERED), None)
    since = run.started if registered is None or registered.ended is None else registered.ended
    return Pending(version=version, environment=environment, since=since, starters=starters)


def _starters(run: Run, ports: Ports) -> frozenset[str]:
    """Return everybody who asked for the run, however many those are."""
    found, before = {run.actor}, None
    while page := ports.inbox.events(model=run.model, run=run.id, before=before, limit=PAGE):
        found |= {record.event.actor for record in page}
        before = page[-1].place
    return frozenset(found)
