"""Chooses the adapters of the AWS backend.

What only one of the two ways needs, a controller or a function, is imported where it is chosen: a function is packed
without the other one's packages.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from everfit.adapters.aws.artifacts import S3Artifacts
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.code import S3Code
from everfit.adapters.aws.data_source import S3DataSource
from everfit.adapters.aws.database import S3Database
from everfit.adapters.aws.event_archive import S3EventArchive
from everfit.adapters.aws.job_programs import Wheels
from everfit.adapters.aws.listings import S3Listings
from everfit.adapters.aws.machine import AwsMachine
from everfit.adapters.aws.pace import Pace
from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.routing import RoutedEndpoints, RoutedJobs
from everfit.adapters.local.channels import ProgramChannels
from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.heart import ThreadHeart
from everfit.adapters.local.ids import TimedIds
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.sql.processes import this_process
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.journal import LEASE
from everfit.application.ports import Clock, Code, DataSource, Endpoints, Ports, Progress, never
from everfit.application.ports.event_archive import EventArchive
from everfit.application.ports.listings import Listings
from everfit.application.ports.run_store import RunStore
from everfit.application.retraining import environment_of
from everfit.application.workspace import Workspace
from everfit.bootstrap_aws.account import checked_account, place_of, role_arn
from everfit.bootstrap_aws.telling import channels_on_aws, with_packages
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import NotFoundError, RequestError
from everfit.domain.project import Backend, Environment, Hosting, Project
from everfit.domain.run import RunId
from everfit.settings import Settings

if TYPE_CHECKING:
    from everfit.adapters.aws.jobs import SageMakerJobs


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAws:
    """An installation on AWS, opened.

    Args:
        changes: gives another value whenever anybody has written to the database.
    """

    ports: Ports
    database: Database
    changes: Callable[[], object]
    listings: Listings
    archive: EventArchive


def open_aws(  # noqa: PLR0913 - what it is opened with, and what has been made for it already
    workspace: Workspace,
    settings: Settings,
    progress: Progress,
    home: Path | None,
    *,
    owner: str | None = None,
    leaving: Callable[[], bool] = never,
    clients: Clients | None = None,
) -> OnAws:
    """Return the AWS backend of a project whose environments are all on AWS.

    Args:
        home: state folder of this machine, for what is copied here for a while; None where the project's code lies in
            the bucket and nothing is frozen here.
        owner: who drives runs; None is this process.
        clients: of the region of the environments; None makes them.
    """
    usual = _usual(workspace).name
    place = _one_installation(workspace)
    clients = clients or Clients(place.region)
    account = checked_account(clients, place)
    clock, database, scratch = SystemClock(), S3Database(clients, place), _scratch(home)
    registry = with_packages(SqlRegistry(database, clock), clients, workspace.project)
    wheels = None if home is None or not settings.sends_packages else _wheels(scratch)
    per_environment = [
        _OnAws(each, workspace.project, clients, account, settings.aws_look, wheels)
        for each in workspace.project.environments.values()
    ]
    store = _run_store(database, clock, per_environment)
    ports = Ports(
        clock=clock,
        ids=TimedIds(),
        data=S3DataSource(clients, place, scratch, local=None if home is None else _local_data(home)),
        code=S3Code(clients, place, None if home is None else _local_code(home), scratch),
        jobs=RoutedJobs(
            {each.name: each.jobs for each in per_environment},
            lambda name: _environment_of_run(name, store, usual),
        ),
        artifacts=S3Artifacts(clients, place, scratch),
        store=store,
        inbox=SqlInbox(database, clock),
        outbox=SqlOutbox(database, clock),
        registry=registry,
        endpoints=RoutedEndpoints({each.endpoint: each.endpoints for each in per_environment}),
        channels=channels_on_aws(ProgramChannels(settings.smtp), clients, workspace.project, registry, store),
        machine=AwsMachine(clients, place, database),
        heart=ThreadHeart(store, LEASE),
        progress=progress,
        owner=owner or str(this_process()),
        url=settings.url,
        backend=Backend.SAGEMAKER,
        leaving=leaving,
    )
    return OnAws(
        ports=ports,
        database=database,
        changes=database.changed,
        listings=S3Listings(clients, place, scratch, local=None if home is None else _local_listings(home)),
        archive=S3EventArchive(clients, place),
    )


@dataclass(frozen=True, slots=True)
class _OnAws:
    """What one environment has of its own.

    Args:
        look: longest time between two looks at what is waited for.
        wheels: the packages of Everfit's own jobs; None takes those that were sent.
    """

    environment: Environment
    project: Project
    clients: Clients
    account: str
    look: timedelta
    wheels: Wheels | None

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def endpoint(self) -> str:
        return self.environment.endpoint

    def jobs(self) -> "SageMakerJobs":
        from everfit.adapters.aws.jobs import SageMakerJobs  # noqa: PLC0415 - takes a while to load

        place = place_of(self.environment)
        role = role_arn(place, self.account)
        return SageMakerJobs(
            self.clients, place, self.project, self.environment, role, look=self.look, wheels=self.wheels
        )

    def endpoints(self) -> Endpoints:
        place = place_of(self.environment)
        pace = Pace(interval=self.look)
        if self.environment.hosting is Hosting.FUNCTION:
            from everfit.adapters.aws.functions import FunctionEndpoints  # noqa: PLC0415 - takes a while to load

            role = role_arn(place, self.account, Role.FUNCTION)
            return FunctionEndpoints(self.clients, place, self.project, self.environment, role, pace)
        from everfit.adapters.aws.endpoints import SageMakerEndpoints  # noqa: PLC0415 - takes a while to load

        role = role_arn(place, self.account)
        return SageMakerEndpoints(self.clients, place, self.project, self.environment, role, pace)


def _run_store(database: Database, clock: Clock, per_environment: Sequence[_OnAws]) -> SqlRunStore:
    """Return the store; where runs are executions of a pipeline, one that tells of their ends."""
    pipelined = [each for each in per_environment if place_of(each.environment).names.pipeline is not None]
    if not pipelined:
        return SqlRunStore(database, clock)
    from everfit.adapters.aws.pipeline_runs import PipelinedRunStore  # noqa: PLC0415 - few environments have one

    def told(each: _OnAws) -> Callable[[str], None]:
        return lambda run: each.jobs().ended(run)

    return PipelinedRunStore(database, clock, {each.name: told(each) for each in pipelined})


def _wheels(scratch: Path) -> Wheels:
    # As below: a function takes the packages that were sent.
    from everfit.adapters.aws.wheels import JobWheels  # noqa: PLC0415

    return JobWheels(scratch / "wheels")


def _local_code(home: Path) -> Code:
    # A function is packed without what freezes code here.
    from everfit.adapters.local.code import LocalCode  # noqa: PLC0415

    return LocalCode(home)


def _local_data(home: Path) -> DataSource:
    from everfit.adapters.local.data_source import LocalDataSource  # noqa: PLC0415 - as above

    return LocalDataSource(home)


def _local_listings(home: Path) -> Listings:
    from everfit.adapters.local.listings import LocalListings  # noqa: PLC0415 - as above

    return LocalListings(home)


def _usual(workspace: Workspace) -> Environment:
    try:
        return environment_of(workspace, None)
    except NotFoundError:
        return next(iter(workspace.project.environments.values()))


def _one_installation(workspace: Workspace) -> AwsPlace:
    """Return where the state lies, which all environments share."""
    places = [place_of(each) for each in workspace.project.environments.values()]
    if len({(place.region, place.home) for place in places}) > 1:
        named = ", ".join(sorted({f"{place.home} in {place.region}" for place in places}))
        raise RequestError(
            f"The environments of {workspace.model} have state of their own ({named}); name one with --env, and "
            "serve each by itself."
        )
    return places[0]


def _scratch(home: Path | None) -> Path:
    if home is None:
        return Path(tempfile.gettempdir()) / "everfit"
    return home / "aws"


def _environment_of_run(name: str, store: RunStore, usual: str) -> str:
    """Return the environment of the run that a job belongs to; the usual one for a rehearsal, which is no run."""
    # A run's id has three parts, and a job's name is that and what it does.
    run = RunId("-".join(name.split("-")[:3]))
    try:
        return store.run(run).environment
    except NotFoundError:
        return usual
