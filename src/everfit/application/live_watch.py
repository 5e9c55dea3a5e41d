"""Watches what serves on this machine: for the declared time after a deployment, by the declared rules.

What breaches a rule is left for the last good version, by the same way back that a person takes. It never judges a
version on its way to the traffic, which is judged by its own rollout. It also writes down what was moved while the
control plane was away, and ends what a rollout has left behind whose run is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from everfit.application.journal import LEASE
from everfit.application.live_evidence import watched
from everfit.application.owed import fence_ahead, settle_owed, shortly
from everfit.application.ports import Ports
from everfit.application.releases import roll_back
from everfit.application.workspace import Workspace
from everfit.domain.endpoint import EndpointState
from everfit.domain.errors import BusyError, EverfitError, FencedError, RefusedError, StateError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.project import Backend, Environment
from everfit.domain.rollout import Progress
from everfit.domain.run import RunId, RunState
from everfit.domain.version import Served, last_good
from everfit.domain.watch import Finding, Health, is_watched, watch_policy

ACTOR: Final = "watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a look at one environment came to.

    Args:
        findings: what each rule came to; empty when nothing is watched at the moment.
        words: what was done; None for nothing.
    """

    model: str
    environment: str
    findings: tuple[Finding, ...] = ()
    words: str | None = None


def watch_live(workspaces: Mapping[str, Workspace], ports: Ports) -> Sequence[Watched]:
    """Look once at every environment that serves on this machine.

    One that cannot be looked at keeps no other from being looked at; the first such error is raised at the end.
    """
    found: list[Watched] = []
    first: EverfitError | None = None
    for workspace in workspaces.values():
        for environment in workspace.project.environments.values():
            if environment.backend is not Backend.LOCAL or ports.traffic is None:
                continue
            try:
                found.append(_looked(environment, workspace, ports))
            except StateError:
                raise
            except (BusyError, FencedError):
                # Somebody else changes it right now; there is another look soon.
                continue
            except EverfitError as error:
                first = first or error
    if first is not None:
        raise first
    return found


def findings(environment: Environment, workspace: Workspace, ports: Ports) -> tuple[Finding, ...]:
    """Return what each rule of the watch comes to now; empty when nothing is watched at the moment."""
    policy = watch_policy(environment.watch)
    served = _serving(environment, workspace, ports)
    if policy is None or served is None or ports.traffic is None or _progress(environment, workspace, ports):
        return ()
    if not is_watched(served.since, policy, ports.clock.now()) or ports.endpoints.is_stopped():
        return ()
    observation = ports.traffic.observe(environment.endpoint)
    if observation is None or served.version not in observation.weights:
        return ()
    return watched(policy, served, environment.endpoint, observation, ports.traffic)


def _looked(environment: Environment, workspace: Workspace, ports: Ports) -> Watched:
    place = Watched(model=workspace.model, environment=environment.name)
    if _serving(environment, workspace, ports) is None or ports.endpoints.is_stopped():
        return place
    words = _written_down(environment, workspace, ports)
    if words is not None:
        return Watched(model=place.model, environment=place.environment, words=words)
    found = findings(environment, workspace, ports)
    breaches = [finding.words for finding in found if finding.health is Health.BREACHED]
    words = _left("; ".join(breaches), environment, workspace, ports) if breaches else None
    return Watched(model=place.model, environment=place.environment, findings=found, words=words)


def _written_down(environment: Environment, workspace: Workspace, ports: Ports) -> str | None:
    """Write down what was moved without the control plane, and end what is left of a rollout; None when nothing was."""
    progress = _progress(environment, workspace, ports)
    if progress is not None and ports.store.run(RunId(progress.run)).state is not RunState.ENDED:
        return None
    state = ports.endpoints.describe(environment.endpoint)
    moved = None if state is None else state.moved
    if moved is None and progress is None and not _is_split(state):
        return None
    # Whoever trains there goes on afterwards: what serves is not to wait for that.
    claim = ports.store.claim(workspace.model, environment.name, owner=ports.owner, lease=LEASE, take_over=True)
    ahead = 0
    try:
        with ports.heart.beating(claim):
            settle_owed(claim, environment, workspace, ports)
    except FencedError:
        ahead = fence_ahead(claim, environment, LEASE, ports)
        if not ahead:
            raise
    finally:
        ports.store.release(claim, beyond=ahead)
    if moved is not None:
        said = shortly(moved, workspace.project)
        return f"{said.actor} had moved the traffic from version {said.before} to {said.after}: {said.reason}"
    return "traffic that a broken-off rollout had left went back to what serves"


def _is_split(state: EndpointState | None) -> bool:
    return state is not None and len(state.weights) > 1


def _left(reason: str, environment: Environment, workspace: Workspace, ports: Ports) -> str | None:
    """Go back from the version that breaches a rule; where there is no way back, have people told once."""
    served = _serving(environment, workspace, ports)
    if served is None:
        return None
    history = ports.registry.history(workspace.model, environment.name)
    if served.is_rollback:
        return _told(reason, "it was gone back to itself", served, ports)
    if last_good(history, served.version) is None:
        return _told(reason, "there is no version to go back to", served, ports)
    try:
        way = roll_back(environment, workspace, ports, actor=ACTOR, reason=reason, leaves=served.version)
    except RefusedError as error:
        if _serving(environment, workspace, ports) != served:
            # Somebody was quicker.
            return None
        return _told(reason, f"it could not be left: {error}", served, ports)
    return f"rolled back from version {way.before} to {way.after}: {reason}"


def _told(reason: str, why: str, served: Served, ports: Ports) -> str | None:
    name = f"watch:{served.model}:{served.environment}:{served.version}:{served.since.isoformat()}"
    notice = Notice(
        id=name,
        kind=NoticeKind.TROUBLE,
        model=served.model,
        environment=served.environment,
        run=None,
        cause=name,
        at=ports.clock.now(),
        facts={
            "part": f"version {served.version}, which serves",
            "reason": f"{reason}; it goes on serving, as {why}",
            "version": served.version,
            "serving": served.version,
        },
    )
    return f"{reason}; told, as {why}" if ports.outbox.note(notice) else None


def _serving(environment: Environment, workspace: Workspace, ports: Ports) -> Served | None:
    newest = next(iter(ports.registry.history(workspace.model, environment.name, limit=1)), None)
    return newest if newest is not None and newest.until is None else None


def _progress(environment: Environment, workspace: Workspace, ports: Ports) -> Progress | None:
    return None if ports.rollouts is None else ports.rollouts.current(workspace.model, environment.name)
