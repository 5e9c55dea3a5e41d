"""Chooses the adapters of a stack: what plans, makes and removes an environment's infrastructure."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from everfit import __version__
from everfit.adapters.aws.clients import Client, Clients
from everfit.adapters.aws.code import S3Code
from everfit.adapters.aws.job_files import JobFiles
from everfit.adapters.aws.job_programs import JobPrograms
from everfit.adapters.aws.packages import Package, build_package
from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.project_bundle import ProjectBundle
from everfit.adapters.aws.stack.cargo import Cargo, Parcel
from everfit.adapters.aws.stack.cloudformation import CloudFormation
from everfit.adapters.aws.stack.environment_stack import EnvironmentStack
from everfit.adapters.aws.wheels import LAMBDA, DownloadedPackages, JobWheels
from everfit.adapters.local.code import LocalCode
from everfit.adapters.local.home import home_of
from everfit.application.ports.stack import Stack
from everfit.application.workspace import Workspace
from everfit.bootstrap_aws.account import checked_account, place_of
from everfit.domain.aws import AwsPlace
from everfit.domain.project import Environment
from everfit.domain.rollout_plan import exclusions
from everfit.settings import Settings

INTERVAL: Final = 2.0
"""Longest time between two looks at a stack that changes, in seconds."""


def open_stack(
    workspace: Workspace,
    environment: Environment,
    settings: Settings,
    *,
    package: Package | None = None,
    prepare: Callable[[Client], None] | None = None,
    interval: float | None = None,
) -> Stack:
    """Return the infrastructure of an environment.

    Args:
        package: that the functions run; None packs this Everfit with what it needs, downloaded for Lambda's platform
            once, and sends what jobs need as well.
        prepare: is given each new client, as to check what is sent with it.
        interval: seconds between two looks; None is what the settings say, and never more than ``INTERVAL``.

    Raises:
        RefusedError: the environment is not on AWS, or the credentials are of another account than it names.
    """
    place = place_of(environment)
    clients = Clients(place.region, prepare=prepare)
    account = checked_account(clients, place)
    return EnvironmentStack(
        clients,
        workspace.project,
        environment,
        account,
        lambda: _cargo(clients, place, workspace, settings, package),
        cloud=CloudFormation(clients, interval=interval or min(INTERVAL, settings.aws_look.total_seconds())),
        exclusions=lambda: tuple(exclusions(workspace.project, environment)),
    )


def _home(workspace: Workspace, settings: Settings) -> Path:
    """Return the folder on this machine in which wheels and archives are kept."""
    return (settings.home or home_of(Path(workspace.folder))) / "aws"


def _cargo(
    clients: Clients, place: AwsPlace, workspace: Workspace, settings: Settings, package: Package | None
) -> Cargo:
    packed = package or build_package(DownloadedPackages(_home(workspace, settings) / "wheels", LAMBDA))
    return Cargo(
        package=Parcel(key=packed.key(place), body=packed.content, sha256=hashlib.sha256(packed.content).hexdigest()),
        handlers={Role(name): handler for name, handler in packed.handlers.items()},
        bundle=lambda: _bundle(clients, place, workspace, settings, sends_wheels=package is None),
    )


def _bundle(
    clients: Clients, place: AwsPlace, workspace: Workspace, settings: Settings, *, sends_wheels: bool
) -> ProjectBundle:
    """Upload the code and what jobs install, and return what puts the project in force."""
    home = _home(workspace, settings)
    if sends_wheels:
        JobPrograms(JobFiles(clients, place), place, JobWheels(home / "wheels")).wheels()
    code = S3Code(clients, place, LocalCode(home.parent), home).freeze(workspace.folder, leave_out=workspace.leave_out)
    text = (Path(workspace.folder) / "everfit.yaml").read_text(encoding="utf-8")
    named = {name: value for name, value in settings.variables.items() if f"${{{name}}}" in text}
    return ProjectBundle(text=text, code=code.folder, everfit=__version__, variables=named)
