"""``status``, ``runs``, ``history`` and ``why``: reading, changing nothing."""

import sys
from pathlib import Path
from typing import cast

import click

from everfit.application.overview import explain_version, history_rows, run_report, run_summary, status
from everfit.application.retraining import environment_of
from everfit.bootstrap import service_of
from everfit.domain.errors import EverfitError, NotFoundError
from everfit.domain.run import RunId
from everfit.interfaces.cli.listing import show_history, show_runs, show_status, show_version
from everfit.interfaces.cli.options import (
    environment_option,
    installations,
    json_option,
    opened,
    opened_for,
    print_json,
    print_list,
    project_option,
)
from everfit.interfaces.cli.render import show_run
from everfit.settings import read_settings


@click.command("status")
@project_option
@json_option
def status_command(folder: Path, *, as_json: bool) -> None:
    """Show what serves in each environment, what waits and what was interrupted."""
    found = _status(folder)
    if as_json:
        print_json(found)
    else:
        show_status(found, is_served=service_of(folder.resolve(), read_settings()) is not None)


def _status(folder: Path) -> dict[str, object]:
    """Return how every environment stands; an installation that cannot be reached hides no other one."""
    found: dict[str, object] = {}
    rows: list[object] = []
    errors: list[EverfitError] = []
    for environment in installations(folder):
        try:
            project = opened(folder, environment=environment)
            found = status(project.workspace, project.ports)
            rows += cast("list[object]", found["environments"])
        except EverfitError as error:
            errors.append(error)
    if not rows:
        raise errors[0]
    for each in errors:
        print(f"Not all environments are shown: {each}", file=sys.stderr)
    return {**found, "environments": rows}


@click.command("runs")
@project_option
@environment_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
def runs_command(folder: Path, environment: str | None, limit: int, *, as_json: bool) -> None:
    """List runs, newest first."""
    project = opened(folder, environment=environment)
    name = None if environment is None else environment_of(project.workspace, environment).name
    rows = [run_summary(run) for run in project.ports.store.runs(project.workspace.model, name, limit=limit)]
    if as_json:
        print_list(rows)
    else:
        show_runs(rows)


@click.command("history")
@project_option
@environment_option
@json_option
def history_command(folder: Path, environment: str | None, *, as_json: bool) -> None:
    """List every version that ever took traffic, newest first: when, why, who."""
    project = opened(folder, environment=environment)
    name = None if environment is None else environment_of(project.workspace, environment).name
    rows = history_rows(project.ports.registry.history(project.workspace.model, name))
    if as_json:
        print_list(rows)
    else:
        show_history(rows)


@click.command("why")
@click.argument("subject", metavar="VERSION|RUN")
@project_option
@json_option
def why_command(subject: str, folder: Path, *, as_json: bool) -> None:
    """Explain why a version serves or does not, or how a run ended: every rule with its numbers."""
    project = opened_for(subject, folder)
    digits = subject.removeprefix("v")
    if digits.isdecimal() and len(digits) < 8:
        version = explain_version(int(digits), project.workspace, project.ports)
        print_json(version) if as_json else show_version(version)
        return
    run = project.ports.store.run(RunId(subject))
    if run.model != project.workspace.model:
        raise NotFoundError(f"The run {subject} belongs to the model {run.model}, not to {project.workspace.model}.")
    report = run_report(run, project.workspace, project.ports)
    print_json(report) if as_json else show_run(report, everything=True)
