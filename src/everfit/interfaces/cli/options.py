"""Options that many commands share, and how a command gets at its project."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from everfit.application.backends import beside, installations_of, meant_environment, on_backend
from everfit.application.ports import Ports, Progress
from everfit.application.workspace import Workspace
from everfit.bootstrap import namesake, open_ports, open_workspace
from everfit.domain.errors import NotFoundError
from everfit.domain.project import Backend
from everfit.domain.run import RunId
from everfit.domain.trigger import TriggerKind
from everfit.interfaces.cli.json_version import JSON_VERSION
from everfit.interfaces.cli.progress import Silence
from everfit.settings import read_settings

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A project and the backend that its state lies in."""

    workspace: Workspace
    ports: Ports
    actor: str


def opened(
    folder: Path, progress: Progress | None = None, *, trains: bool = False, environment: str | None = None
) -> Opened:
    """Open the project in *folder*, with the environments of one installation.

    Args:
        trains: whether every ``${NAME}`` in the project must have a value.
        environment: whose installation is meant; None means that of the only one, or of ``production``.
    """
    settings = read_settings()
    whole = open_workspace(folder, settings, needs_variables=trains)
    workspace = beside(whole, meant_environment(whole, environment))
    ports = open_ports(workspace, settings, progress or Silence())
    other = namesake(workspace, settings) if trains else None
    if other is not None:
        print(
            f"Warning: the project in {other} is named {workspace.model} too and has the same EVERFIT_HOME, so both "
            "share versions and endpoint. Name one of them otherwise, or give it a state folder of its own.",
            file=sys.stderr,
        )
    return Opened(workspace=workspace, ports=ports, actor=settings.actor)


def installations(folder: Path) -> Sequence[str]:
    """Return one environment of each installation of the project, that of the usual one first."""
    workspace = open_workspace(folder, read_settings(), needs_variables=False)
    return [each.name for each in installations_of(workspace)]


def opened_on(backend: Backend, folder: Path) -> Opened:
    """Open the project with its environments on *backend*."""
    settings = read_settings()
    workspace = on_backend(open_workspace(folder, settings, needs_variables=False), backend)
    return Opened(workspace=workspace, ports=open_ports(workspace, settings, Silence()), actor=settings.actor)


def opened_for(run: str, folder: Path) -> Opened:
    """Open the project with the installation that keeps the run; the usual one when none does."""
    usual, *others = installations(folder)
    for environment in others:
        project = opened(folder, environment=environment)
        with suppress(NotFoundError):
            project.ports.store.run(RunId(run))
            return project
    return opened(folder, environment=usual)


def project_option(command: Command) -> Command:
    """Let the user name the project folder."""
    return click.option(
        "-C",
        "--project",
        "folder",
        type=click.Path(path_type=Path),
        default=Path(),
        show_default="this folder",
        help="Folder with everfit.yaml.",
    )(command)


class _Reason(click.ParamType[str]):
    """Words for the records: an empty reason is none."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value.strip() or self.fail("it is empty; say in a few words why, for the records.", param, ctx)


def reason_option(command: Command) -> Command:
    """Have the user say why."""
    return click.option("--reason", required=True, type=_Reason(), help="Why, for the records.")(command)


def json_option(command: Command) -> Command:
    """Let the user ask for JSON on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def environment_option(command: Command) -> Command:
    """Let the user name the environment."""
    return click.option(
        "--env", "environment", default=None, help="Environment; default: the only one, or production."
    )(command)


def because_option(command: Command) -> Command:
    """Let a workflow say what has started it."""
    return click.option(
        "--because",
        type=click.Choice([kind.value for kind in TriggerKind]),
        default=TriggerKind.API.value,
        help="What made you ask, for the records and alerts; a workflow knows.",
    )(command)


def dry_run_option(command: Command) -> Command:
    """Let the user see what would happen."""
    return click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")(command)


def print_json(values: Mapping[str, object]) -> None:
    """Print one JSON object with the version of its schema."""
    print(json.dumps(_plain({"schema": JSON_VERSION, **values}), indent=2, default=str, allow_nan=False))


def print_list(rows: Sequence[Mapping[str, object]]) -> None:
    """Print a JSON array."""
    print(json.dumps(_plain(rows), indent=2, default=str, allow_nan=False))


def _plain(value: object) -> object:
    """Return *value* without what JSON cannot say: NaN and infinity, which a script may claim, become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _plain(below) for name, below in cast("Mapping[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(below) for below in cast("list[object]", value)]
    return value
