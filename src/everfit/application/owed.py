"""Settles what a killed process owed: endpoint and registry name the same version before anything else changes."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from everfit.application.ports import Claim, Ports
from everfit.application.serving import sample_of, served_version
from everfit.application.workspace import Workspace
from everfit.domain.endpoint import EndpointState, SampleRequest, ServedVersion
from everfit.domain.errors import BackendError, FencedError, NotFoundError, RefusedError
from everfit.domain.live import Moved
from everfit.domain.message import one_line
from everfit.domain.project import Environment, Project
from everfit.domain.rollout import Ending
from everfit.domain.run import RunId, RunState
from everfit.domain.secret import hidden
from everfit.domain.version import Release, last_good, release

PATIENCE: Final = timedelta(seconds=1)
LONGEST_REASON: Final = 300
"""What a process printed before it crashed may be long; the host's log has all of it."""
FOUND = "found serving: whoever put it there was stopped before that was written down"


def found_serving(environment: Environment, ports: Ports) -> int | None:
    """Return the version that takes all of the endpoint's traffic; None when none does, or its host is stopped."""
    state = ports.endpoints.describe(environment.endpoint)
    return None if state is None else _whole(state)


def _whole(state: EndpointState) -> int | None:
    return next((number for number, weight in state.weights.items() if weight == 1.0), None)


def fence_ahead(claim: Claim, environment: Environment, lease: timedelta, ports: Ports) -> int:
    """Return the fence that the endpoint knows when it is ahead of a claim that still holds; else 0.

    Then nobody has taken over: the state was put back to an earlier one, and counts fences anew that were used.
    """
    state = ports.endpoints.describe(environment.endpoint)
    if state is None or state.fence <= claim.fence:
        return 0
    try:
        ports.store.renew(claim, lease)
    except FencedError:
        return 0
    return state.fence


def settle_owed(claim: Claim, environment: Environment, workspace: Workspace, ports: Ports) -> None:
    """Make endpoint and registry agree.

    The last holder of the claim may have shifted and then died: the registry follows such a shift, and one that was
    made without the control plane. Whatever else differs, such as a state file that was put back by hand, was shifted
    by nobody: the endpoint follows the registry. A version on its way to the traffic is its own rollout's matter, for
    as long as the run of that goes on.
    """
    if _is_on_its_way(claim, ports):
        return
    state, champion = ports.endpoints.describe(environment.endpoint), ports.registry.champion(*place_of(claim))
    if state is None:
        return
    if state.moved is not None and champion is not None:
        follow(claim, state.moved, champion, environment, workspace, ports)
        return
    serving = _whole(state)
    if champion is not None and _is_broken_off(state, champion, claim, ports):
        put_back(claim, champion, environment, workspace, ports)
        return
    if serving is None or serving == champion:
        return
    proof = _proof(serving, environment, workspace, ports)
    is_last = state.fence == claim.fence - 1
    if proof is not None and is_last and state.artifacts.get(serving) == proof.artifact:
        _write_down(claim, proof, ports)
    elif champion is not None:
        put_back(claim, champion, environment, workspace, ports)


def _is_on_its_way(claim: Claim, ports: Ports) -> bool:
    """Tell whether a version is given traffic step by step; a rollout whose run has ended is ended here."""
    progress = None if ports.rollouts is None else ports.rollouts.current(*place_of(claim))
    if progress is None or ports.rollouts is None:
        return False
    run = ports.store.run(RunId(progress.run))
    if run.state is not RunState.ENDED:
        return True
    reason = f"its run has ended: {run.reason}"
    ports.rollouts.keep(claim, replace(progress, ending=Ending.ABORTED, reason=reason, ended=ports.clock.now()))
    return False


def _is_broken_off(state: EndpointState, champion: int, claim: Claim, ports: Ports) -> bool:
    """Tell whether traffic was left with a version whose rollout is over, and was not passed."""
    if ports.rollouts is None or state.weights in ({}, {champion: 1.0}):
        return False
    newest = next(iter(ports.rollouts.ended(*place_of(claim), limit=1)), None)
    is_aborted = newest is not None and newest.ending is Ending.ABORTED and newest.challenger in state.weights
    return is_aborted or _whole(state) is None


def place_of(claim: Claim) -> tuple[str, str]:
    """Return the model and environment that the claim is about."""
    return claim.model, claim.environment


def shortly(moved: Moved, project: Project) -> Moved:
    """Return what was moved with a reason that can be shown: of one line, and without secrets."""
    return replace(moved, reason=hidden(one_line(moved.reason, LONGEST_REASON), project.secrets))


def follow(
    claim: Claim, moved: Moved, champion: int, environment: Environment, workspace: Workspace, ports: Ports
) -> None:
    """Write down what was moved without the control plane, then take it up, which ends the host's own report."""
    proof = _proof(moved.after, environment, workspace, ports)
    if proof is None or champion not in (moved.before, moved.after):
        put_back(claim, champion, environment, workspace, ports)
        return
    if champion != moved.after:
        reason = shortly(moved, workspace.project).reason
        ports.registry.served(claim, proof, reason=reason, actor=moved.actor, roll_back=True)
    put_back(claim, moved.after, environment, workspace, ports)
    good = last_good(ports.registry.history(*place_of(claim)), moved.after)
    keep = [number for number in (moved.after, moved.before, good) if number is not None]
    ports.endpoints.settle(environment.endpoint, keep, fence=claim.fence, back=good)


def put_back(claim: Claim, number: int, environment: Environment, workspace: Workspace, ports: Ports) -> Release:
    """Give the version all the traffic, after verifying its bytes; return the proof that it may have it.

    Raises:
        BackendError: this process is to leave before the endpoint has changed; whoever asks again goes on.
    """
    model, proof = made_ready(number, environment, workspace, ports)
    while not ports.endpoints.restore(environment.endpoint, model, proof, fence=claim.fence):
        while not ports.endpoints.wait(environment.endpoint, PATIENCE):
            if ports.leaving():
                words = (
                    f"The endpoint {environment.endpoint} is still going back to version {number}; look again later."
                )
                raise BackendError(words, retryable=True)
    return proof


def made_ready(
    number: int, environment: Environment, workspace: Workspace, ports: Ports
) -> tuple[ServedVersion, Release]:
    """Return the version as an endpoint wants it, its bytes verified, and the proof that it may serve."""
    version = ports.registry.version(workspace.model, number)
    proof = release(version, ports.registry.placement(workspace.model, environment.name, number))
    folder = ports.artifacts.unpacked(version.artifact)
    sample = _sample(RunId(version.run), ports)
    return served_version(version, folder, workspace.project, sample), proof


def _write_down(claim: Claim, proof: Release, ports: Ports) -> None:
    history = ports.registry.history(claim.model, claim.environment)
    unfinished = (run for run in ports.store.runs(claim.model, claim.environment) if run.ended is None)
    by_run = any(run.version == proof.version for run in unfinished)
    back = not by_run and any(served.version == proof.version for served in history)
    ports.registry.served(claim, proof, reason=FOUND, actor=claim.owner, roll_back=back)


def _proof(number: int, environment: Environment, workspace: Workspace, ports: Ports) -> Release | None:
    try:
        version = ports.registry.version(workspace.model, number)
        return release(version, ports.registry.placement(workspace.model, environment.name, number))
    except (NotFoundError, RefusedError):
        return None


def _sample(run: RunId, ports: Ports) -> SampleRequest | None:
    return sample_of({record.name: record.result or {} for record in ports.store.steps(run)})
