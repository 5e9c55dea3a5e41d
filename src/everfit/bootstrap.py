"""The one place that chooses concrete adapters."""

import glob
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType

from everfit.adapters.aws.channels import LateSender, RoutedChannels, Sender
from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.adapters.local.backup import Backup, write_backup
from everfit.adapters.local.channels import ProgramChannels
from everfit.adapters.local.clock import SystemClock, rest
from everfit.adapters.local.code import LocalCode
from everfit.adapters.local.data_source import LocalDataSource
from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.event_archive import LocalEventArchive
from everfit.adapters.local.generated_files import standings, top_of, write_generated
from everfit.adapters.local.heart import ThreadHeart
from everfit.adapters.local.home import FILE, home_of
from everfit.adapters.local.ids import TimedIds
from everfit.adapters.local.jobs import LocalJobs
from everfit.adapters.local.live_quality import LiveQuality
from everfit.adapters.local.machine import LocalMachine
from everfit.adapters.local.offline import only_endpoint, rolled_back_offline
from everfit.adapters.local.project_file import FILE_NAME as PROJECT_FILE
from everfit.adapters.local.project_file import read_ci_project, read_project
from everfit.adapters.local.project_template import KINDS, write_template
from everfit.adapters.local.restore import Restored, restore_backup
from everfit.adapters.local.service_lock import Holder, ServiceLock
from everfit.adapters.local.shared_home import other_project
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.local.time_zones import time_zone
from everfit.adapters.sql.changes import POSTGRES, SQLITE, Changes
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.figures import SqlFigures
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.sql.processes import this_process
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.replies import SqlReplies
from everfit.adapters.sql.rollouts import SqlRollouts
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.adapters.sql.tokens import SqlTokens
from everfit.application.archiving import archive_events
from everfit.application.backends import on_backend
from everfit.application.journal import LEASE
from everfit.application.ports import Catalog, Channels, Clock, Inbox, Ports, Progress, Source
from everfit.application.ports.figures import Figures
from everfit.application.ports.listings import Listings
from everfit.application.ports.replies import Replies
from everfit.application.ports.repositories import Repositories
from everfit.application.ports.tokens import Tokens
from everfit.application.ports.topics import Topics
from everfit.application.workspace import Workspace
from everfit.domain.alert import ChannelKind
from everfit.domain.ci.generated import GeneratedFile, Standing
from everfit.domain.ci.project import CiProject
from everfit.domain.errors import Problem, ProjectError, RequestError, StateError
from everfit.domain.live import Moved
from everfit.domain.project import Backend, Data, Environment, Project
from everfit.domain.record import instant
from everfit.serving.access import HostAccess
from everfit.settings import Settings


def open_workspace(
    folder: Path, settings: Settings, *, needs_variables: bool = True, content: bytes | None = None
) -> Workspace:
    """Read the project in *folder*, with its paths resolved; raise ``ProjectError`` with everything wrong in it.

    Args:
        needs_variables: whether a ``${NAME}`` without a value is wrong; going back must not depend on a secret.
        content: of the project file; None reads it.
    """
    folder = folder.resolve()
    read = read_project(folder, settings.variables, needs_variables=needs_variables, content=content)
    project = _resolved(folder, read)
    sources = [project.data, *(each.data for each in project.environments.values() if each.data is not None)]
    places = (place for data in sources for place in _below(folder, data))
    # A changed gate is no new code: what a training depends on in everfit.yaml has a digest of its own.
    return Workspace(folder=str(folder), project=project, leave_out=("everfit.yaml", *places))


def open_ports(workspace: Workspace, settings: Settings, progress: Progress) -> Ports:
    """Return the backend that the environments of the project are on, which is one and the same for all of them."""
    if is_on_aws(workspace):
        home = state_folder(Path(workspace.folder), settings)
        found: Ports = _aws().open_aws(workspace, settings, progress, home).ports
        return found
    return ports_at(state_folder(Path(workspace.folder), settings), settings, progress)


def is_on_aws(workspace: Workspace) -> bool:
    """Tell whether the project, with the environments of one backend, is on AWS."""
    return any(each.backend is Backend.SAGEMAKER for each in workspace.project.environments.values())


def _aws() -> ModuleType:
    try:
        from everfit.bootstrap_aws import ports  # noqa: PLC0415 - boto3 takes a while to load, and comes with an extra
    except ImportError as error:
        raise RequestError("backend: sagemaker needs what is not installed here: pip install 'everfit[aws]'") from error
    return ports


def ports_at(home: Path, settings: Settings, progress: Progress) -> Ports:
    """Return the local backend, with its state in *home*."""
    return _ports(home, settings, progress, open_database(home, settings))


def _ports(home: Path, settings: Settings, progress: Progress, database: Database) -> Ports:
    clock = SystemClock()
    store = SqlRunStore(database, clock)
    endpoints = LocalEndpoints(home, settings.port, access=_usable(_host_access(settings)), quality=LiveQuality(home))
    return Ports(
        clock=clock,
        ids=TimedIds(),
        data=LocalDataSource(home),
        code=LocalCode(home),
        jobs=LocalJobs(home),
        artifacts=LocalArtifacts(home),
        store=store,
        inbox=SqlInbox(database, clock),
        outbox=SqlOutbox(database, clock),
        channels=_channels(settings),
        registry=SqlRegistry(database, clock),
        endpoints=endpoints,
        machine=LocalMachine(home, database),
        heart=ThreadHeart(store, LEASE),
        progress=progress,
        owner=str(this_process()),
        url=settings.url,
        traffic=endpoints,
        rollouts=SqlRollouts(database),
        rest=rest,
    )


def _host_access(settings: Settings) -> HostAccess:
    return HostAccess(address=settings.serve_address, port=settings.port, tokens=settings.serve_tokens)


def _usable(access: HostAccess) -> HostAccess:
    """Return what was chosen, unless no host could be started so: that is said before a training, not after it."""
    try:
        access.check()
    except StateError as error:
        raise RequestError(str(error)) from error
    return access


def _channels(settings: Settings) -> Channels:
    return RoutedChannels(ProgramChannels(settings.smtp), {ChannelKind.SNS: LateSender(_sns_sender)})


@cache
def _sns_sender() -> Sender:
    # boto3 takes a while to load, and is there only with the extra.
    from everfit.bootstrap_aws.telling import sns_sender  # noqa: PLC0415

    return sns_sender()


def open_database(home: Path, settings: Settings) -> Database:
    """Return the installation's database: a file in *home*, or the server that ``EVERFIT_DATABASE`` names."""
    if settings.database is None:
        return SqliteDatabase(home / FILE)
    return _shared_database(settings.database)


def back_up(folder: Path, target: Path, settings: Settings) -> Backup:
    """Write the installation of the project in *folder* into the new file *target*."""
    home = state_folder(folder, settings)
    with closing(open_database(home, settings)) as database:
        return write_backup(home, database, target, instant(SystemClock().now()))


def sole_endpoint(folder: Path, settings: Settings) -> str | None:
    """Return the endpoint of the state folder of the project in *folder*, where there is exactly one."""
    return only_endpoint(state_folder(folder, settings))


def roll_back_offline(folder: Path, endpoint: str, actor: str, reason: str, settings: Settings) -> Moved:
    """Go back to the last good version without the database; whoever reaches that next writes it down."""
    home, now = state_folder(folder, settings), SystemClock().now()
    return rolled_back_offline(home, endpoint, actor, reason, now, _host_access(settings))


def restore(folder: Path, path: Path, into: Path | None, settings: Settings) -> Restored:
    """Make the installation that the backup at *path* holds.

    Args:
        into: the state folder; None means that of the project in *folder*.
    """
    home = state_folder(folder, settings) if into is None else into.resolve()
    address = settings.database
    return restore_backup(path, home, None if address is None else lambda schema: _shared_database(address, schema))


def _shared_database(address: str, up_to: int | None = None) -> Database:
    try:
        # psycopg takes a tenth of a second to load, and is there only with the extra.
        from everfit.adapters.local.postgres_address import postgres_address  # noqa: PLC0415
        from everfit.adapters.local.postgres_database import PostgresDatabase  # noqa: PLC0415
    except ImportError as error:
        message = "EVERFIT_DATABASE needs the Postgres driver: pip install 'everfit[postgres]'."
        raise RequestError(message) from error
    return PostgresDatabase(postgres_address(address), up_to=up_to)


def service_of(folder: Path, settings: Settings) -> Holder | None:
    """Return the service that keeps the state of the project in *folder*; None when none does."""
    return ServiceLock(state_folder(folder, settings)).holder()


def state_folder(folder: Path, settings: Settings) -> Path:
    """Return where the state of the project in *folder* lies."""
    return settings.home or home_of(folder)


def namesake(workspace: Workspace, settings: Settings) -> Path | None:
    """Return another project of the same model name that shares the state folder, if there is one."""
    return other_project(settings.home, workspace.model, Path(workspace.folder)) if settings.home else None


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
    ports = _ports(home, settings, progress, database)
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
    on_aws = _aws().open_aws(workspace, settings, progress, home)
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


def open_tokens(folder: Path, settings: Settings) -> Tokens:
    """Return the tokens of the installation that the project in *folder* belongs to."""
    return SqlTokens(open_database(state_folder(folder, settings), settings), SystemClock())


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


def _resolved(folder: Path, project: Project) -> Project:
    environments: Mapping[str, Environment] = {
        name: environment if environment.data is None else replace(environment, data=_placed(folder, environment.data))
        for name, environment in project.environments.items()
    }
    return replace(project, data=_placed(folder, project.data), environments=environments)


def _placed(folder: Path, data: Data) -> Data:
    return data if "://" in data.source else replace(data, source=str(folder / data.source))


def _below(folder: Path, data: Data) -> Iterator[str]:
    """Yield what of the data lies below the project folder: a folder, or each file of a glob."""
    source = data.source.removeprefix("file://")
    if "://" in source:
        return
    for place in glob.glob(source, recursive=True):
        path = Path(place)
        if path.is_relative_to(folder) and path != folder:
            yield str(path.relative_to(folder))


TEMPLATES = KINDS
"""The kinds of project that ``write_project`` can write."""


def write_project(kind: str, folder: Path) -> list[str]:
    """Write a small working project and return its files; nothing that exists is overwritten."""
    return write_template(kind, folder)


def project_for_ci(folder: Path) -> CiProject:
    """Return what workflows need to know of the project in *folder*."""
    return read_ci_project(folder)


def write_workflows(
    folder: Path, files: Sequence[GeneratedFile], *, write: bool, force: bool = False
) -> Mapping[str, Standing]:
    """Return how each file stands to the one in the repository of *folder*, after writing them all or nothing.

    Args:
        write: False only looks.
        force: whether what a person has changed is written over.
    """
    top = top_of(folder)
    return write_generated(top, files, force=force) if write else standings(top, files)
