"""Chooses the adapters of a function of a stack: a project that lies in the bucket, and nothing on this machine."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, cast

from everfit.adapters.aws.clients import Client, Clients
from everfit.adapters.aws.executions import StepFunctionsExecutions, machine_arn
from everfit.adapters.aws.no_folders import NoFolders
from everfit.adapters.aws.project_bundle import Found, place_in, read_bundle
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.adapters.local.time_zones import time_zone
from everfit.adapters.sql.registry import SqlRegistry
from everfit.application.chores import SCHEDULES
from everfit.application.kept import Kept, alone, beside
from everfit.application.ports import Inbox, Ports, Progress, Source, never
from everfit.application.ports.listings import Listings
from everfit.application.retraining import environment_of
from everfit.application.sources.data import DataPorts, DataWatch
from everfit.application.sources.own_marks import OwnMarks
from everfit.application.sources.schedules import ScheduleSource
from everfit.application.workspace import Workspace
from everfit.bootstrap_aws.account import place_of
from everfit.bootstrap_aws.ports import open_aws
from everfit.bootstrap_aws.telling import with_packages
from everfit.domain.errors import RefusedError
from everfit.domain.project import Environment, Project
from everfit.domain.triggers import NewData
from everfit.settings import Settings

NOWHERE: Final = Path("/everfit.yaml-of-the-bundle")
"""The project file is read from the bundle: its folder is never looked into."""


class Serverless:
    """What the functions of one stack work with, kept from one call to the next while the function is warm.

    Args:
        prepare: is given each new client, as to check what is sent with it.
    """

    def __init__(
        self, settings: Settings, progress: Progress, *, prepare: Callable[[Client], None] | None = None
    ) -> None:
        self._settings, self._progress = settings, progress
        self._place = place_in(settings.variables)
        self._clients = Clients(self._place.region, prepare=prepare)
        self._objects = S3Objects(self._clients, self._place)
        self._found: Found | None = None
        self._kept: Kept | None = None
        self._listings: Listings | None = None

    def kept(self, *, owner: str, leaving: Callable[[], bool] = never, watches: bool = False) -> Kept:
        """Return what the stack keeps, by the project that is in force now.

        Args:
            owner: who acts, for the records.
            watches: whether it looks for reasons to retrain.

        Raises:
            ProjectError: the project cannot be used.
            NotFoundError: nothing was applied.
        """
        found = read_bundle(self._objects, self._place, unless="" if self._found is None else self._found.etag)
        if found is not None:
            self._kept, self._found = self._opened(found), found
        if self._kept is None:
            raise RefusedError(f"{self._objects.url('')} holds no project.")
        if watches and self._listings is not None and not self._kept.sources:
            self._kept = replace(self._kept, sources=_sources(self._listings, self._kept))
        return replace(self._kept, ports=replace(self._kept.ports, owner=owner, leaving=leaving))

    def _opened(self, found: Found) -> Kept:
        from everfit.adapters.local.project_file import read_project  # noqa: PLC0415 - YAML takes a while to load

        bundle = found.bundle
        # A function's own AWS_REGION and the like must not take the place of what the project was applied with.
        variables = {**self._settings.variables, **bundle.variables}
        project = read_project(NOWHERE, variables, content=bundle.text.encode())
        every = Workspace(folder=bundle.code, project=project)
        environment = environment_of(every, self._place.environment)
        own = alone(every, environment)
        opened = open_aws(own, self._settings, self._progress, None, clients=self._clients)
        account, whole = self._clients.account(), beside(every, environment)
        self._listings = opened.listings
        inner = SqlRegistry(opened.database, opened.ports.clock)
        registry = with_packages(inner, self._clients, sharing_packages(whole.project, environment))
        return Kept(
            workspace=own,
            whole=whole,
            environment=environment.name,
            ports=replace(opened.ports, registry=registry),
            sources={},
            executions=StepFunctionsExecutions(self._clients, machine_arn(place_of(environment), account)),
            packages=registry.packages(environment),
            repair=registry.repair,
            mend=partial(registry.mend, environment),
            archive=opened.archive,
            account=account,
        )


def sharing_packages(project: Project, environment: Environment) -> Project:
    """Return the project with the environments whose versions are packages of the same group as this one's.

    A package has one approval status for all of them, so that every stack must know whose it is.
    """
    group = place_of(environment).names.package_group
    sharing = {
        name: each
        for name, each in project.environments.items()
        if each.aws is not None and each.aws.names.package_group == group
    }
    return replace(project, environments=sharing)


def _sources(listings: Listings, kept: Kept) -> Mapping[str, Source]:
    """Return what looks for reasons to retrain in this environment; pushes and tags come by a workflow."""
    workspace, ports = kept.workspace, kept.ports
    own = cast("Inbox", OwnMarks(ports.inbox, workspace.model, kept.environment))
    sources: dict[str, Source] = {SCHEDULES: ScheduleSource(own, ports.outbox, time_zone)}
    if any(isinstance(trigger, NewData) for trigger in workspace.project.triggers):
        sources["data"] = _data_watch(listings, kept.ports)
    for source in sources.values():
        source.keep((workspace,))
    return sources


def _data_watch(listings: Listings, ports: Ports) -> DataWatch:
    return DataWatch(
        DataPorts(
            inbox=ports.inbox,
            outbox=ports.outbox,
            listings=listings,
            folders=NoFolders(),
            store=ports.store,
            registry=ports.registry,
            data=ports.data,
        )
    )
