"""What a stack keeps: one model in one environment, with all that its functions work with."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from everfit.application.aws_effects import Place
from everfit.application.ports import Ports, Source
from everfit.application.ports.event_archive import EventArchive
from everfit.application.ports.executions import Executions
from everfit.application.ports.packages import Packages
from everfit.application.workspace import Workspace
from everfit.domain.project import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a stack keeps: one model in one environment.

    Args:
        workspace: the project with this environment alone, see ``alone``.
        whole: the project with every environment whose state is in the same place: what is to be told where is planned
            for all of them at once.
        sources: of events, by name; they have been given the workspace.
        packages: in a registry outside, where people may decide; None when there is none.
        repair: brings what mirrors the registry outside up to date, and returns how much was not; None when there is
            nothing.
        mend: puts back the bytes of what serves where somebody has written others, and says in words where; None when
            nothing can be written over.
        archive: where events go that ended long ago; None keeps them all.
        account: whose events are taken.
    """

    workspace: Workspace
    whole: Workspace
    environment: str
    ports: Ports
    sources: Mapping[str, Source]
    executions: Executions
    packages: Packages | None = None
    repair: Callable[[], int] | None = None
    mend: Callable[[], Sequence[str]] | None = None
    archive: EventArchive | None = None
    account: str = ""

    @property
    def place(self) -> Place:
        """Whom events are for."""
        environment = self.workspace.project.environments[self.environment]
        return Place(workspace=self.workspace, environment=environment, account=self.account)

    @property
    def workspaces(self) -> Mapping[str, Workspace]:
        """The workspace, by the name of its model."""
        return {self.workspace.model: self.workspace}


def alone(workspace: Workspace, environment: Environment) -> Workspace:
    """Return the project with one environment: a stack does nothing for the others."""
    return _with_only(workspace, {environment.name})


def beside(workspace: Workspace, environment: Environment) -> Workspace:
    """Return the project with every environment whose state is where this one's is."""
    home = None if environment.aws is None else (environment.aws.region, environment.aws.home)
    places = {name: each.aws for name, each in workspace.project.environments.items()}
    there = {name for name, aws in places.items() if aws is not None and (aws.region, aws.home) == home}
    return _with_only(workspace, {environment.name, *there})


def _with_only(workspace: Workspace, names: Set[str]) -> Workspace:
    project = workspace.project
    triggers = tuple(
        replace(trigger, environments=kept)
        for trigger in project.triggers
        if (kept := tuple(name for name in trigger.environments if name in names))
    )
    environments = {name: each for name, each in project.environments.items() if name in names}
    return replace(workspace, project=replace(project, environments=environments, triggers=triggers))
