"""What a person may do with a version: approve it, turn it away, or go back to the last good one."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from everfit.application.approvals import check_decision, expire_approvals
from everfit.application.journal import LEASE, drive
from everfit.application.owed import fence_ahead, follow, found_serving, put_back, settle_owed, shortly
from everfit.application.performing import Patience
from everfit.application.ports import Claim, Ports
from everfit.application.rollout_endings import aborted, is_bad, turn_back
from everfit.application.workspace import Workspace
from everfit.domain.errors import EverfitError, FencedError, NotFoundError, RefusedError
from everfit.domain.live import Moved
from everfit.domain.project import Environment
from everfit.domain.rollout import Ending, Progress
from everfit.domain.run import Run, RunId
from everfit.domain.version import Approval, Placement, Standing, last_good, release


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided, and why."""

    version: int
    approved: bool
    actor: str
    reason: str


def decide(decision: Decision, environment: Environment, workspace: Workspace, ports: Ports) -> Run | None:
    """Keep the decision and take the run that waits for it to its end; deciding the same twice is deciding once.

    None when no run waits for the version any more.
    """
    expired = {run.id: run for run in expire_approvals({workspace.model: workspace}, ports)}
    waiting = waiting_run(decision.version, environment, workspace, ports)
    if waiting is not None and waiting.id in expired:
        return drive(waiting.id, workspace, ports)
    keep(decision, environment, workspace, ports)
    waiting = waiting_run(decision.version, environment, workspace, ports)
    return None if waiting is None else drive(waiting.id, workspace, ports)


def keep(decision: Decision, environment: Environment, workspace: Workspace, ports: Ports) -> Placement:
    """Keep the decision and leave it to a worker to go on; return how the version stands then.

    Raises:
        RefusedError: this person may not decide so, or the time to decide is over.
    """
    placement = ports.registry.placement(workspace.model, environment.name, decision.version)
    if placement.standing is Standing.PENDING:
        check_decision(placement, environment, ports, actor=decision.actor, approved=decision.approved)
    return ports.registry.decide(
        Approval(
            model=workspace.model,
            environment=environment.name,
            version=decision.version,
            approved=decision.approved,
            actor=decision.actor,
            reason=decision.reason,
            verdict=placement.verdict.id,
            at=ports.clock.now(),
        )
    )


def waiting_run(version: int, environment: Environment, workspace: Workspace, ports: Ports) -> Run | None:
    """Return the run that waits for a person to decide about *version*."""
    runs = ports.store.waiting(workspace.model, environment.name)
    return next((run for run in runs if run.version == version), None)


def newer_champion(version: int, environment: Environment, workspace: Workspace, ports: Ports) -> int | None:
    """Return the champion when it is newer than *version*: what approving would replace."""
    champion = ports.registry.champion(workspace.model, environment.name)
    return champion if champion is not None and champion > version else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What a rollback does: from which version to which."""

    before: int
    after: int


def way_back(environment: Environment, workspace: Workspace, ports: Ports, to: int | None = None) -> WayBack:
    """Return where a rollback leads, after making sure that it can: the version exists and its bytes are whole.

    Args:
        to: the version; None goes to the last good one.

    Raises:
        RefusedError: there is nothing to go back to, or it may not serve.
    """
    model = workspace.model
    champion = ports.registry.champion(model, environment.name)
    if champion is None:
        raise RefusedError(f"Nothing serves in {environment.name} yet, so there is nothing to go back from.")
    underway = to_break_off(environment, workspace, ports)
    if underway is not None and to in (None, champion):
        # It still takes traffic, or is given copies; going back from it is going back to what serves.
        release(ports.registry.version(model, champion), ports.registry.placement(model, environment.name, champion))
        return WayBack(before=underway.challenger, after=champion)
    history = ports.registry.history(model, environment.name)
    target = last_good(history, champion) if to is None else to
    if target is None:
        raise RefusedError(f"Version {champion} is the only one that has served well in {environment.name}.")
    if target == champion:
        raise RefusedError(f"Version {target} serves in {environment.name} already.")
    if target not in {served.version for served in history}:
        raise RefusedError(f"Version {target} has never served in {environment.name}; a rollback goes to one that has.")
    release(ports.registry.version(model, target), ports.registry.placement(model, environment.name, target))
    # Not just verified: a folder that was tampered with is mended from its archive here.
    ports.artifacts.unpacked(ports.registry.version(model, target).artifact)
    return WayBack(before=champion if underway is None else underway.challenger, after=target)


ROLLBACK: Final = "rolled back by hand"


def roll_back(  # noqa: PLR0913 - where, by whom, from what, to what, and why
    environment: Environment,
    workspace: Workspace,
    ports: Ports,
    *,
    actor: str,
    reason: str = ROLLBACK,
    to: int | None = None,
    leaves: int | None = None,
) -> WayBack:
    """Put the last good version back, whatever else is going on; a run under way is judged anew by its own step.

    A version on its way to the traffic is left for the one that serves, and its run ends.

    Args:
        leaves: the version to go back from; None is the one that serves, or that is on its way.

    Raises:
        RefusedError: there is nothing to go back to, or somebody has gone back from that version meanwhile.
    """
    if ports.registry.champion(workspace.model, environment.name) is not None:
        # Only a running host can say what it serves.
        ports.endpoints.start()
    if not _is_owed(environment, workspace, ports):
        # What cannot be done takes the work from nobody.
        way_back(environment, workspace, ports, to)
    asked = _Asked(environment, workspace, actor, reason, to, leaves)
    underway = to_break_off(environment, workspace, ports)
    way = _gone_back(asked, ports) or _gone_back(asked, ports)
    if way is None:
        raise FencedError(f"The endpoint {environment.endpoint} was taken over by others again and again; try again.")
    if underway is not None:
        # The traffic is where it was asked for; whoever goes on with the run ends it, should this fail.
        with suppress(EverfitError):
            drive(RunId(underway.run), workspace, ports, patience=Patience.CHANGES)
    return way


@dataclass(frozen=True, slots=True)
class _Asked:
    """The way back that is asked for."""

    environment: Environment
    workspace: Workspace
    actor: str
    reason: str
    to: int | None
    leaves: int | None


def _gone_back(asked: _Asked, ports: Ports) -> WayBack | None:
    """Go back under a claim; None when the endpoint knows a later fence, beyond which the next claim goes."""
    environment, workspace, to = asked.environment, asked.workspace, asked.to
    claim = ports.store.claim(workspace.model, environment.name, owner=ports.owner, lease=LEASE, take_over=True)
    before, ahead = ports.registry.champion(workspace.model, environment.name), 0
    try:
        with ports.heart.beating(claim):
            underway = to_break_off(environment, workspace, ports)
            if underway is None:
                settle_owed(claim, environment, workspace, ports)
            way = _already_gone(before, environment, workspace, ports, to)
            if way is None:
                way = _moved_back(asked, underway, claim, ports)
            good = last_good(ports.registry.history(workspace.model, environment.name), way.after)
            keep = [number for number in (way.after, way.before, good) if number is not None]
            ports.endpoints.settle(environment.endpoint, keep, fence=claim.fence, back=good)
    except FencedError:
        ahead = fence_ahead(claim, environment, LEASE, ports)
        if not ahead:
            raise
        return None
    finally:
        ports.store.release(claim, beyond=ahead)
    return way


def _moved_back(asked: _Asked, underway: Progress | None, claim: Claim, ports: Ports) -> WayBack:
    """Move the traffic, and write down what that leaves behind.

    Args:
        underway: the rollout that is broken off by it.
    """
    environment, workspace = asked.environment, asked.workspace
    champion = ports.registry.champion(workspace.model, environment.name)
    if underway is None or asked.leaves != underway.challenger:
        check_leaves(asked.leaves, champion)
    left = _left_already(asked, underway, champion, ports)
    to = _target(asked, underway, champion, ports) if left is None else left.after
    way = way_back(environment, workspace, ports, to)
    if underway is not None and ports.rollouts is not None:
        reason = f"{asked.reason}, by {asked.actor}"
        # Written first: whoever goes on with its run takes no further step.
        ports.rollouts.keep(claim, aborted(underway, reason, ports.clock.now(), is_bad=True))
    if left is not None and champion is not None:
        # Written down before anything ends the host's own report of it.
        follow(claim, left, champion, environment, workspace, ports)
    proof = put_back(claim, way.after, environment, workspace, ports)
    if underway is not None:
        turn_back(claim, underway.challenger, ports)
    if way.after != ports.registry.champion(workspace.model, environment.name):
        ports.registry.served(claim, proof, reason=asked.reason, actor=asked.actor, roll_back=True)
    return way


def _left_already(asked: _Asked, underway: Progress | None, champion: int | None, ports: Ports) -> Moved | None:
    """Return how what serves was left, offline or by its host, while a rollout went on; to it would be a step forward.

    Without a rollout that is settled before.
    """
    state = ports.endpoints.describe(asked.environment.endpoint)
    moved = None if state is None else state.moved
    if asked.to is not None or underway is None or moved is None:
        return None
    if moved.before != champion or moved.after == underway.challenger:
        return None
    return shortly(moved, asked.workspace.project)


def _target(asked: _Asked, underway: Progress | None, champion: int | None, ports: Ports) -> int | None:
    """Return where the way back shall lead; None leaves it to ``way_back``.

    Who asked to leave what serves does not mean the version that has begun to take traffic beside it since.
    """
    if asked.to is not None or underway is None or asked.leaves in (None, underway.challenger):
        return asked.to
    good = last_good(ports.registry.history(asked.workspace.model, asked.environment.name), champion)
    if good is None:
        raise RefusedError(f"Version {champion} is the only one that has served well in {asked.environment.name}.")
    return good


def to_break_off(environment: Environment, workspace: Workspace, ports: Ports) -> Progress | None:
    """Return the rollout that a way back would break off: one under way, or one whose end was not carried out yet."""
    if ports.rollouts is None:
        return None
    found = ports.rollouts.current(workspace.model, environment.name)
    if found is not None:
        return found
    newest = next(iter(ports.rollouts.ended(workspace.model, environment.name, limit=1)), None)
    return newest if newest is not None and _is_half_done(newest, environment, ports) else None


def _is_half_done(progress: Progress, environment: Environment, ports: Ports) -> bool:
    """Tell whether a rollout was broken off, and whoever did it was killed before all of that had happened."""
    number, place = progress.challenger, (progress.model, progress.environment)
    if progress.ending is not Ending.ABORTED or ports.registry.champion(*place) == number:
        return False
    state = ports.endpoints.describe(environment.endpoint)
    if state is not None and number in state.weights:
        return True
    marked = (Standing.ROLLED_BACK, Standing.SERVING)
    return is_bad(progress) and ports.registry.placement(*place, number).standing not in marked


def check_leaves(leaves: int | None, champion: int | None) -> None:
    """Raise ``RefusedError`` when the version that is to be left does not serve any more."""
    if leaves is not None and champion != leaves:
        raise RefusedError(f"version {leaves} does not serve any more, so there is nothing to go back from")


def _already_gone(
    before: int | None, environment: Environment, workspace: Workspace, ports: Ports, to: int | None
) -> WayBack | None:
    """Return the way back that was gone by a rollback that was killed, and that this one asks for again.

    Args:
        before: what the registry called the champion before it followed the endpoint.
    """
    newest = next(iter(ports.registry.history(workspace.model, environment.name)), None)
    if before is None or newest is None or newest.version == before or not newest.is_rollback:
        return None
    return WayBack(before=before, after=newest.version) if to in (None, newest.version) else None


def _is_owed(environment: Environment, workspace: Workspace, ports: Ports) -> bool:
    """Tell whether the endpoint serves something else than the registry says."""
    serving = found_serving(environment, ports)
    return serving is not None and serving != ports.registry.champion(workspace.model, environment.name)


def latest_pending(environment: Environment, workspace: Workspace, ports: Ports) -> Placement:
    """Return the newest version that waits for approval, or raise ``NotFoundError``."""
    placements = ports.registry.placements(workspace.model, environment.name)
    pending = [placement for placement in placements if placement.standing is Standing.PENDING]
    if not pending:
        raise NotFoundError(f"No version of {workspace.model} waits for approval in {environment.name}.")
    return pending[-1]
