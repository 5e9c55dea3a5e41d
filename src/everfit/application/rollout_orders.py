"""What a person wants of a rollout under way: to hold it, to go on, to promote its version now, or to abort it."""

from contextlib import suppress

from everfit.application.journal import drive
from everfit.application.performing import Patience
from everfit.application.ports import Ports, Rollouts
from everfit.application.workspace import Workspace
from everfit.domain.errors import BusyError, FencedError, NotFoundError, RefusedError
from everfit.domain.project import Environment
from everfit.domain.rollout import Order, OrderKind, Progress, is_paused
from everfit.domain.rollout_record import name_of
from everfit.domain.run import RunId


def current(environment: Environment, workspace: Workspace, ports: Ports) -> Progress | None:
    """Return the rollout that is under way in the environment; None when none is."""
    return None if ports.rollouts is None else ports.rollouts.current(workspace.model, environment.name)


def keep_order(
    kind: OrderKind, environment: Environment, workspace: Workspace, ports: Ports, *, actor: str, reason: str
) -> Progress:
    """Write down what a person wants, and leave it to whoever drives the rollout.

    Raises:
        NotFoundError: no rollout is under way.
        RefusedError: it cannot be done, or it is so already.
    """
    rollouts, progress = _under_way(environment, workspace, ports)
    _check(kind, progress)
    order = Order(kind=kind, actor=actor, reason=reason, at=ports.clock.now())
    return rollouts.order(RunId(progress.run), order)


def order(
    kind: OrderKind, environment: Environment, workspace: Workspace, ports: Ports, *, actor: str, reason: str
) -> Progress:
    """Write down what a person wants, and do it at once unless a living process drives the rollout; that one does it.

    Raises:
        NotFoundError: no rollout is under way.
        RefusedError: it cannot be done, or it is so already.
    """
    progress = keep_order(kind, environment, workspace, ports, actor=actor, reason=reason)
    with suppress(BusyError, FencedError):
        drive(RunId(progress.run), workspace, ports, patience=Patience.CHANGES)
    rollouts = ports.rollouts
    return (None if rollouts is None else rollouts.of_run(RunId(progress.run))) or progress


def _under_way(environment: Environment, workspace: Workspace, ports: Ports) -> tuple[Rollouts, Progress]:
    if ports.rollouts is None:
        raise RefusedError(
            f"The platform moves the traffic of {environment.endpoint} by itself; its rollouts take no orders here."
        )
    progress = ports.rollouts.current(workspace.model, environment.name)
    if progress is None:
        raise NotFoundError(f"No rollout of {workspace.model} is under way in {environment.name}.")
    return ports.rollouts, progress


def _check(kind: OrderKind, progress: Progress) -> None:
    if kind is OrderKind.ABORT and progress.champion is None:
        raise RefusedError(f"{name_of(progress)} cannot be aborted: it is the first one, and nothing else could serve.")
    if kind is OrderKind.PAUSE and is_paused(progress):
        raise RefusedError(f"{name_of(progress)} is paused already, by {progress.orders[-1].actor}.")
    if kind is OrderKind.RESUME and not is_paused(progress):
        raise RefusedError(f"{name_of(progress)} is not paused, so there is nothing to resume.")
