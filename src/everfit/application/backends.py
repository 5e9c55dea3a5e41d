"""A project may have environments on several backends; each command and each service works with those of one."""

from collections.abc import Sequence
from dataclasses import replace

from everfit.application.retraining import environment_of
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError
from everfit.domain.project import Backend


def backends_of(workspace: Workspace) -> Sequence[Backend]:
    """Return the backends that the project has environments on, that of the usual environment first."""
    found = [environment.backend for environment in workspace.project.environments.values()]
    try:
        found.insert(0, environment_of(workspace, None).backend)
    except NotFoundError:
        # Several, and none is called production: the first one of the file stands for all.
        found = [*found]
    return tuple(dict.fromkeys(found))


def meant_backend(workspace: Workspace, environment: str | None) -> Backend:
    """Return the backend of the environment that a person names, or of the usual one.

    Raises:
        NotFoundError: the name is not one of the project's.
    """
    if environment is None:
        return backends_of(workspace)[0]
    return environment_of(workspace, environment).backend


def on_backend(workspace: Workspace, backend: Backend) -> Workspace:
    """Return the project with its environments on *backend* alone."""
    project = workspace.project
    kept = {name: each for name, each in project.environments.items() if each.backend is backend}
    if len(kept) == len(project.environments):
        return workspace
    triggers = tuple(
        replace(trigger, environments=tuple(name for name in trigger.environments if name in kept))
        for trigger in project.triggers
    )
    waiting = tuple(trigger for trigger in triggers if trigger.environments)
    return replace(workspace, project=replace(project, environments=kept, triggers=waiting))
