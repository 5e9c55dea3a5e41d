"""``everfit run``: the loop, once."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from everfit.application.adoption import adopt
from everfit.application.live_overview import plan_words
from everfit.application.overview import run_report
from everfit.application.preview import preview
from everfit.application.retraining import Request, environment_of, resume, retrain, unfinished
from everfit.domain.run import Run
from everfit.domain.trigger import TriggerKind
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.listing import show_plan
from everfit.interfaces.cli.options import (
    Opened,
    because_option,
    dry_run_option,
    environment_option,
    json_option,
    opened,
    print_json,
    project_option,
)
from everfit.interfaces.cli.progress import Bar, Lines, Silence
from everfit.interfaces.cli.render import show_run
from everfit.interfaces.cli.telling import tell_now


@click.command("run")
@project_option
@environment_option
@json_option
@dry_run_option
@click.option("--force", is_flag=True, help="Train even when there is nothing new to learn from.")
@click.option(
    "--accept-schema", is_flag=True, help="Learn columns and labels anew: the data is meant to look different now."
)
@click.option("--resume", "only_resume", is_flag=True, help="Only go on with a run that was interrupted.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show what the training script prints.")
@because_option
def run_command(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    because: str,
    *,
    as_json: bool,
    dry_run: bool,
    force: bool,
    accept_schema: bool,
    only_resume: bool,
    quiet: bool,
) -> int:
    """Freeze the data, check it, train, judge, register, deploy; or say why not.

    A run that was interrupted is taken to its end first. Nothing new to learn from is skipped.
    """
    request = Request(environment=environment, force=force, accept_schema=accept_schema, kind=TriggerKind(because))
    if dry_run:
        project = opened(folder, trains=True, environment=environment)
        return show_preview(with_adopted(request, folder, project), project, as_json=as_json)
    progress = watcher(quiet=quiet, as_json=as_json)
    project = opened(folder, progress, trains=True, environment=environment)
    with progress if isinstance(progress, Bar) else nullcontext():
        run = (
            _go_on(project, environment)
            if only_resume
            else retrain(_signed(with_adopted(request, folder, project), project), project.workspace, project.ports)
        )
    if run is None:
        words = "No run was interrupted; there is nothing to resume."
        print_json({"run": None, "reason": words}) if as_json else print(words)
        return exit_codes.OK
    return finish(run, project, as_json=as_json)


def with_adopted(request: Request, folder: Path, project: Opened) -> Request:
    """Return the request with the version that it promotes, brought here when it is on another backend."""
    place = environment_of(project.workspace, request.environment)
    source = place.promote_from
    if source is None or source in project.workspace.project.environments:
        return request
    other = opened(folder, environment=source)
    number = adopt(request.promote, source, project.workspace, other.ports, project.ports)
    return replace(request, promote=number)


def show_preview(request: Request, project: Opened, *, as_json: bool) -> int:
    """Show what a run would do."""
    place = environment_of(project.workspace, request.environment)
    rollout = plan_words(place, project.workspace, project.ports)
    plan = {**preview(request, project.workspace, project.ports), "rollout": rollout}
    print_json(plan) if as_json else show_plan(plan)
    return exit_codes.OK


def watcher(*, quiet: bool, as_json: bool) -> Bar | Lines | Silence:
    """Return what shows the progress: a live line on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty() and not as_json:
        return Bar(with_output=not quiet)
    return Lines(with_output=not quiet)


def finish(run: Run, project: Opened, *, as_json: bool) -> int:
    """Show how the run ended and return the exit code that says so."""
    report = run_report(run, project.workspace, project.ports)
    if as_json:
        print_json(report)
    else:
        show_run(report)
    tell_now(project)
    return exit_codes.FAILED if run.outcome is None else exit_codes.BY_OUTCOME[run.outcome]


def _signed(request: Request, project: Opened) -> Request:
    return replace(request, actor=project.actor)


def _go_on(project: Opened, environment: str | None) -> Run | None:
    interrupted = unfinished(project.workspace, environment_of(project.workspace, environment), project.ports)
    return None if interrupted is None else resume(interrupted.id, project.workspace, project.ports)
