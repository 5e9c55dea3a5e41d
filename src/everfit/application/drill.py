"""Rehearse the way back: everything that a rollback does, but for moving the traffic."""

from collections.abc import Iterator

from everfit.application.owed import made_ready
from everfit.application.ports import Ports
from everfit.application.preflight import Examined
from everfit.application.releases import way_back
from everfit.application.workspace import Workspace
from everfit.domain.errors import EverfitError
from everfit.domain.project import Backend, Environment
from everfit.domain.version import last_good


def drill(workspace: Workspace, ports: Ports) -> Iterator[Examined]:
    """Yield for each environment whether the way back would work, and how long all but the change itself takes."""
    for environment in workspace.project.environments.values():
        try:
            yield _rehearsed(environment, workspace, ports)
        except EverfitError as error:
            yield Examined(name=environment.name, is_well=False, words=f"a rollback would fail: {error}")


def _rehearsed(environment: Environment, workspace: Workspace, ports: Ports) -> Examined:
    name = environment.name
    if ports.registry.champion(workspace.model, name) is None:
        return Examined(name=name, is_well=None, words="nothing serves yet, so there is nothing to go back from")
    history = ports.registry.history(workspace.model, name)
    if last_good(history, ports.registry.champion(workspace.model, name)) is None:
        return Examined(name=name, is_well=None, words="no other version has served well: no way back yet")
    way = way_back(environment, workspace, ports)
    if ports.backend is not Backend.LOCAL:
        words = f"the way back leads to version {way.after}, which is whole; what AWS takes for it cannot be rehearsed"
        return Examined(name=name, is_well=True, words=words)
    # Only a running host can say what it holds.
    ports.endpoints.start()
    state = ports.endpoints.describe(environment.endpoint)
    held = state is not None and way.after in state.staged
    begun = ports.clock.now()
    version, _ = made_ready(way.after, environment, workspace, ports)
    ports.endpoints.stage(environment.endpoint, version, fence=0 if state is None else state.fence)
    took = (ports.clock.now() - begun).total_seconds() * 1000
    how = "verified; it was loaded already" if held else "verified, loaded and asked its sample request"
    words = f"version {way.after} could take over from version {way.before}: {how} in {took:,.0f} ms"
    return Examined(name=name, is_well=True, words=words)
