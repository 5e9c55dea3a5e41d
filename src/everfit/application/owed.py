"""Settles what a killed process owed: endpoint and registry name the same version before anything else changes."""

from datetime import timedelta
from typing import Final

from everfit.application.ports import Claim, Ports
from everfit.application.serving import sample_of, served_version
from everfit.application.workspace import Workspace
from everfit.domain.endpoint import SampleRequest, ServedVersion
from everfit.domain.errors import BackendError, FencedError, NotFoundError, RefusedError
from everfit.domain.project import Environment
from everfit.domain.run import RunId
from everfit.domain.version import Release, release

PATIENCE: Final = timedelta(seconds=1)
FOUND = "found serving: whoever put it there was stopped before that was written down"


def found_serving(environment: Environment, ports: Ports) -> int | None:
    """Return the version that takes all of the endpoint's traffic; None when none does, or its host is stopped."""
    state = ports.endpoints.describe(environment.endpoint)
    if state is None:
        return None
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

    The last holder of the claim may have shifted and then died: the registry follows such a shift. Whatever else
    differs, such as a state file that was put back by hand, was shifted by nobody: the endpoint follows the registry.
    """
    serving, champion = found_serving(environment, ports), ports.registry.champion(claim.model, environment.name)
    if serving is None or serving == champion:
        return
    state = ports.endpoints.describe(environment.endpoint)
    proof = _proof(serving, environment, workspace, ports)
    is_last = state is not None and state.fence == claim.fence - 1
    if proof is not None and state is not None and is_last and state.artifacts.get(serving) == proof.artifact:
        _write_down(claim, proof, ports)
    elif champion is not None:
        put_back(claim, champion, environment, workspace, ports)


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
