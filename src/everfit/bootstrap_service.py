"""The adapters that a service needs: what it keeps, what it watches, and what it answers from."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.event_archive import LocalEventArchive
from everfit.adapters.local.project_file import FILE_NAME as PROJECT_FILE
from everfit.adapters.local.service_lock import Holder, ServiceLock
from everfit.adapters.local.time_zones import time_zone
from everfit.adapters.sql.changes import POSTGRES, SQLITE, Changes
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.figures import SqlFigures
from everfit.adapters.sql.processes import this_process
from everfit.adapters.sql.replies import SqlReplies
from everfit.adapters.sql.tokens import SqlTokens
from everfit.application.archiving import archive_events
from everfit.application.backends import on_backend
from everfit.application.ports import Catalog, Clock, Inbox, Ports, Progress, Source
from everfit.application.ports.figures import Figures
from everfit.application.ports.listings import Listings
from everfit.application.ports.replies import Replies
from everfit.application.ports.repositories import Repositories
from everfit.application.ports.tokens import Tokens
from everfit.application.ports.topics import Topics
from everfit.application.workspace import Workspace
from everfit.bootstrap import aws_side, open_database, open_workspace, ports_over, state_folder
from everfit.domain.errors import Problem, ProjectError, RequestError
from everfit.domain.project import Backend
from everfit.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the HTTP side needs besides the ports of a run."""

    tokens: Tokens
    replies: Replies
    figures: Figures
    topics: Topics
    repositories: Repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What a service keeps: its state folder, its projects, and all that it needs of the outside.

    Args:
        changes: gives another value whenever anybody has written to the database.
        is_alone: whether no other service can keep the same database.
        archive: moves events that ended long ago out of the database.
        sources: makes the sources of events by name, given the inbox and what wakes the source of a name.
    """

    home: Path
    ports: Ports
    catalog: Catalog
    changes: Callable[[], object]
    is_alone: bool
    archive: Callable[[], int]
    sources: Callable[[Inbox, Callable[[str], None]], Mapping[str, Source]]
    access: Access


def open_installation(
    home: Path, folders: Sequence[Path], settings: Settings, progress: Progress, backend: Backend = Backend.LOCAL
) -> Installation:
    """Return the installation of the projects in and below *folders*, with the environments that are on *backend*.

    Args:
        home: with its state, or, on AWS, with what is copied here for a while.
    """
    if backend is Backend.SAGEMAKER:
        return _open_on_aws(home, folders, settings, progress)
    database = open_database(home, settings)
    ports = ports_over(home, settings, progress, database)
    return Installation(
        home=home,
        ports=ports,
        catalog=_catalog(home, folders, settings, ports, backend),
        changes=Changes(database, POSTGRES if settings.database else SQLITE),
        is_alone=settings.database is None,
        archive=partial(archive_events, LocalEventArchive(home), ports, kept=settings.kept_events),
        sources=partial(_sources, home, ports, None),
        access=_access(home, settings, database, ports.clock),
    )


def _open_on_aws(home: Path, folders: Sequence[Path], settings: Settings, progress: Progress) -> Installation:
    if len(folders) != 1 or not (folders[0] / PROJECT_FILE).is_file():
        raise RequestError("A service on AWS serves one project: name the folder that holds its everfit.yaml.")
    workspace = on_backend(open_workspace(folders[0], settings), Backend.SAGEMAKER)
    if not workspace.project.environments:
        raise RequestError(f"No environment of {workspace.model} is on AWS; leave out --backend sagemaker.")
    on_aws = aws_side().open_aws(workspace, settings, progress, home)
    return Installation(
        home=home,
        ports=on_aws.ports,
        catalog=_catalog(home, folders, settings, on_aws.ports, Backend.SAGEMAKER),
        changes=on_aws.changes,
        is_alone=False,
        archive=partial(archive_events, on_aws.archive, on_aws.ports, kept=settings.kept_events),
        sources=partial(_sources, home, on_aws.ports, on_aws.listings),
        access=_access(home, settings, on_aws.database, on_aws.ports.clock),
    )


def _access(home: Path, settings: Settings, database: Database, clock: Clock) -> Access:
    # Only a service answers over HTTP, and only with the extra is there what checks signatures.
    from everfit.adapters.local.repositories import LocalRepositories  # noqa: PLC0415
    from everfit.adapters.local.sns_topics import SnsTopics  # noqa: PLC0415

    return Access(
        tokens=SqlTokens(database, clock),
        replies=SqlReplies(database, clock),
        figures=SqlFigures(database, clock),
        topics=SnsTopics(home, settings.sns_topics, clock),
        repositories=LocalRepositories(home),
    )


@contextmanager
def keeping(home: Path, settings: Settings, backend: Backend = Backend.LOCAL) -> Generator[Callable[[str], None]]:
    """Keep the state folder for the service of this process, and give what notes where that answers.

    Raises:
        BusyError: another service keeps it, and the database is a file.
    """
    lock = ServiceLock(home, shared=settings.database is not None or backend is Backend.SAGEMAKER)
    holder = Holder(process=this_process().name, since=SystemClock().now().isoformat(timespec="seconds"))
    with lock.held(holder):
        yield lambda url: lock.note(replace(holder, url=url))


def service_home(folders: Sequence[Path], settings: Settings) -> Path:
    """Return the one state folder of the projects in and below *folders*.

    Raises:
        RequestError: a folder is not there, or they have several.
    """
    for folder in folders:
        if not folder.is_dir():
            raise RequestError(f"There is no folder {folder}.")
    homes = {state_folder(folder, settings) for folder in folders}
    if len(homes) > 1:
        raise RequestError(
            "The folders have state folders of their own, and a service keeps one: serve a folder that holds them "
            "all, or set EVERFIT_HOME."
        )
    return homes.pop()


def _catalog(
    home: Path, folders: Sequence[Path], settings: Settings, ports: Ports, backend: Backend = Backend.LOCAL
) -> Catalog:
    from everfit.adapters.local.catalog import FolderCatalog  # noqa: PLC0415 - only a service reads whole trees

    def read(folder: Path, content: bytes) -> Workspace:
        workspace = on_backend(open_workspace(folder, settings, content=content), backend)
        if not workspace.project.environments:
            other = Backend.LOCAL if backend is Backend.SAGEMAKER else Backend.SAGEMAKER
            message = (
                f"no environment of {workspace.model} is on the backend {backend.value}, which this service serves"
            )
            raise ProjectError([Problem(message=message, expected=f"everfit up --backend {other.value}")])
        return workspace

    return FolderCatalog(folders, read, home, ports)


def _sources(
    home: Path, ports: Ports, listings: Listings | None, inbox: Inbox, wake: Callable[[str], None]
) -> Mapping[str, Source]:
    # Only a service watches, and what it watches with takes a while to load.
    from everfit.adapters.local.listings import LocalListings  # noqa: PLC0415
    from everfit.adapters.local.repositories import LocalRepositories  # noqa: PLC0415
    from everfit.adapters.local.watched_folders import WatchedFolders  # noqa: PLC0415
    from everfit.application.sources.data import DataPorts, DataWatch  # noqa: PLC0415
    from everfit.application.sources.git import GitSource  # noqa: PLC0415
    from everfit.application.sources.schedules import ScheduleSource  # noqa: PLC0415

    watch = DataPorts(
        inbox=inbox,
        outbox=ports.outbox,
        listings=listings or LocalListings(home),
        folders=WatchedFolders(home, partial(wake, "data")),
        store=ports.store,
        registry=ports.registry,
        data=ports.data,
    )
    return {
        "data": DataWatch(watch),
        "repositories": GitSource(inbox, ports.outbox, LocalRepositories(home)),
        "schedules": ScheduleSource(inbox, ports.outbox, time_zone),
    }
