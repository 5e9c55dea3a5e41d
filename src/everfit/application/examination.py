"""Examine an installation: is what serves intact, can what it stands on be used, what should be mended?"""

from collections.abc import Iterator

from everfit.application.alerting import troubled
from everfit.application.overview import STOPPED, endpoint_trouble
from everfit.application.ports import Ports
from everfit.application.preflight import Examined
from everfit.application.releases import way_back
from everfit.application.workspace import Workspace
from everfit.domain.delivery import DeliveryState
from everfit.domain.errors import EverfitError
from everfit.domain.project import Environment
from everfit.domain.version import last_good, release


def examine(workspace: Workspace, ports: Ports) -> Iterator[Examined]:
    """Yield what was examined; nothing is changed."""
    for name, is_well, words in ports.machine.findings():
        yield Examined(name=name, is_well=is_well, words=words)
    for environment in workspace.project.environments.values():
        yield from _environment(environment, workspace, ports)
    yield from _alerts(workspace, ports)


def _alerts(workspace: Workspace, ports: Ports) -> Iterator[Examined]:
    """Yield what is wrong with the channels; nothing is said of a project without any."""
    for channel, words in troubled(workspace, ports):
        yield Examined(name="alerts", is_well=False, words=f"{channel.key}: {words}")
    lost = ports.outbox.deliveries(model=workspace.model, state=DeliveryState.GIVEN_UP, limit=1)
    if lost:
        words = f"alert {lost[0].id} to {lost[0].channel} was given up: {lost[0].error}; see `everfit alerts`"
        yield Examined(name="alerts", is_well=False, words=words)
    late = ports.outbox.deliveries(model=workspace.model, state=DeliveryState.WAITING, limit=1)
    if late and late[0].error is not None:
        words = f"alert {late[0].id} waits for {late[0].channel}: {late[0].error}"
        yield Examined(name="alerts", is_well=None, words=words)


def _environment(environment: Environment, workspace: Workspace, ports: Ports) -> Iterator[Examined]:
    name = environment.name
    unfinished = ports.store.unfinished(workspace.model, name)
    if unfinished is not None:
        words = f"run {unfinished.id} was interrupted or is under way; go on with `everfit run --resume --env {name}`"
        yield Examined(name=name, is_well=None, words=words)
    champion = ports.registry.champion(workspace.model, name)
    if champion is None:
        yield Examined(name=name, is_well=None, words="nothing serves yet; start with `everfit run`")
        return
    yield _serving(champion, environment, workspace, ports)
    yield _return(environment, workspace, ports)


def _serving(champion: int, environment: Environment, workspace: Workspace, ports: Ports) -> Examined:
    try:
        version = ports.registry.version(workspace.model, champion)
        release(version, ports.registry.placement(workspace.model, environment.name, champion))
        ports.artifacts.verify(version.artifact)
        state = ports.endpoints.describe(environment.endpoint)
    except EverfitError as error:
        return Examined(name=environment.name, is_well=False, words=f"version {champion} should serve, but: {error}")
    if not ports.endpoints.is_running():
        return Examined(name=environment.name, is_well=None, words=STOPPED)
    progress = None if ports.rollouts is None else ports.rollouts.current(workspace.model, environment.name)
    if progress is not None and state is not None and set(state.weights) <= {champion, progress.challenger}:
        words = (
            f"version {progress.challenger} is on its way to the traffic of version {champion}; see `everfit rollout`"
        )
        return Examined(name=environment.name, is_well=None, words=words)
    if state is None or state.weights.get(champion) != 1.0:
        hint = "`everfit rollback` or `everfit run --force` brings them together"
        words = f"version {champion} should serve behind {environment.endpoint}, which serves something else; {hint}"
        known = endpoint_trouble(environment.endpoint, state, workspace, ports)
        return Examined(name=environment.name, is_well=False, words=known or words)
    return Examined(
        name=environment.name, is_well=True, words=f"version {champion} serves, whole and approved, at {state.url}"
    )


def _return(environment: Environment, workspace: Workspace, ports: Ports) -> Examined:
    history = ports.registry.history(workspace.model, environment.name)
    if last_good(history, ports.registry.champion(workspace.model, environment.name)) is None:
        return Examined(name=environment.name, is_well=None, words="no other version has served well: no way back yet")
    try:
        way = way_back(environment, workspace, ports)
    except EverfitError as error:
        return Examined(name=environment.name, is_well=False, words=f"the way back is broken: {error}")
    words = f"the way back leads to version {way.after}, which is whole"
    return Examined(name=environment.name, is_well=True, words=words)
