"""The one place that chooses concrete adapters."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
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
from everfit.adapters.local.generated_files import standings, top_of, write_generated
from everfit.adapters.local.heart import ThreadHeart
from everfit.adapters.local.home import FILE, home_of
from everfit.adapters.local.ids import TimedIds
from everfit.adapters.local.jobs import LocalJobs
from everfit.adapters.local.live_quality import LiveQuality
from everfit.adapters.local.machine import LocalMachine
from everfit.adapters.local.offline import only_endpoint, rolled_back_offline
from everfit.adapters.local.project_file import read_ci_project, read_project
from everfit.adapters.local.project_template import KINDS, write_template
from everfit.adapters.local.restore import Restored, restore_backup
from everfit.adapters.local.service_lock import Holder, ServiceLock
from everfit.adapters.local.shared_home import other_project
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.sql.processes import this_process
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.rollouts import SqlRollouts
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.adapters.sql.tokens import SqlTokens
from everfit.application.journal import LEASE
from everfit.application.ports import Channels, Endpoints, Ports, Progress
from everfit.application.ports.tokens import Tokens
from everfit.application.workspace import Workspace
from everfit.domain.alert import ChannelKind
from everfit.domain.ci.generated import GeneratedFile, Standing
from everfit.domain.ci.project import CiProject
from everfit.domain.errors import RequestError, StateError
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
        found: Ports = aws_side().open_aws(workspace, settings, progress, home).ports
        return found
    return ports_at(state_folder(Path(workspace.folder), settings), settings, progress)


def is_on_aws(workspace: Workspace) -> bool:
    """Tell whether the project, with the environments of one backend, is on AWS."""
    return any(each.backend is Backend.SAGEMAKER for each in workspace.project.environments.values())


def aws_side() -> ModuleType:
    """Return what opens the backend on AWS, or raise ``RequestError`` where its packages are not installed."""
    try:
        from everfit.bootstrap_aws import ports  # noqa: PLC0415 - boto3 takes a while to load, and comes with an extra
    except ImportError as error:
        raise RequestError("backend: sagemaker needs what is not installed here: pip install 'everfit[aws]'") from error
    return ports


def ports_at(home: Path, settings: Settings, progress: Progress) -> Ports:
    """Return the local backend, with its state in *home*."""
    return ports_over(home, settings, progress, open_database(home, settings))


def ports_over(home: Path, settings: Settings, progress: Progress, database: Database) -> Ports:
    """Return the local backend, with its files in *home* and its state in *database*."""
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


def endpoints_beside(folder: Path, settings: Settings) -> Endpoints:
    """Return what the endpoint host of the project in *folder* serves, whatever the project's file says."""
    home = state_folder(folder, settings)
    return LocalEndpoints(home, settings.port, access=_host_access(settings), quality=LiveQuality(home))


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


def open_tokens(folder: Path, settings: Settings) -> Tokens:
    """Return the tokens of the installation that the project in *folder* belongs to."""
    return SqlTokens(open_database(state_folder(folder, settings), settings), SystemClock())


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
