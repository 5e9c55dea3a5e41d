"""A project may have environments in several installations; each command and each service works with those of one.

All on this machine share one installation; on AWS, those of one bucket and prefix do.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from everfit.application.retraining import environment_of
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError
from everfit.domain.project import Backend, Environment


def installations_of(workspace: Workspace) -> Sequence[Environment]:
    """Return one environment of each installation that keeps state of its own, that of the usual environment first."""
    every = list(workspace.project.environments.values())
    with suppress(NotFoundError):
        # Of several, none of them called production, the first one of the file stands for all.
        every.insert(0, environment_of(workspace, None))
    found: dict[object, Environment] = {}
    for each in every:
        found.setdefault(_installation(each), each)
    return tuple(found.values())


def meant_environment(workspace: Workspace, environment: str | None) -> Environment:
    """Return the environment that a person names, or one of the usual installation.

    Raises:
        NotFoundError: the name is not one of the project's.
    """
    return installations_of(workspace)[0] if environment is None else environment_of(workspace, environment)


def beside(workspace: Workspace, environment: Environment) -> Workspace:
    """Return the project with those environments alone that share the state of *environment*."""
    return _only(workspace, lambda each: _installation(each) == _installation(environment))


def _installation(environment: Environment) -> object:
    place = environment.aws
    return environment.backend if place is None else (environment.backend, place.region, place.home)


def on_backend(workspace: Workspace, backend: Backend) -> Workspace:
    """Return the project with its environments on *backend* alone."""
    return _only(workspace, lambda each: each.backend is backend)


def _only(workspace: Workspace, is_kept: Callable[[Environment], bool]) -> Workspace:
    project = workspace.project
    kept = {name: each for name, each in project.environments.items() if is_kept(each)}
    if len(kept) == len(project.environments):
        return workspace
    triggers = tuple(
        replace(trigger, environments=tuple(name for name in trigger.environments if name in kept))
        for trigger in project.triggers
    )
    waiting = tuple(trigger for trigger in triggers if trigger.environments)
    return replace(workspace, project=replace(project, environments=kept, triggers=waiting))
