"""``pause``, ``resume`` and ``cancel``: keep runs from starting, and stop one."""

from pathlib import Path

import click

from everfit.application.journal import drive
from everfit.application.retraining import environment_of
from everfit.application.triggering import cancel, pause, resume
from everfit.domain.errors import BusyError, NotFoundError
from everfit.domain.inbox import Pause
from everfit.domain.run import Outcome, RunId
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import (
    Opened,
    environment_option,
    json_option,
    opened,
    opened_for,
    print_json,
    project_option,
    reason_option,
)
from everfit.interfaces.cli.run import finish


@click.command("pause")
@project_option
@environment_option
@json_option
@click.option("--as", "actor", help="Your name, for the records; default: the user who calls.")
@reason_option
def pause_command(folder: Path, environment: str | None, actor: str | None, reason: str, *, as_json: bool) -> int:
    """Start no runs (in --env, else in any environment) until `everfit resume`; what triggers them is kept."""
    project = opened(folder, environment=environment)
    name = None if environment is None else environment_of(project.workspace, environment).name
    who, now = actor or project.actor, project.ports.clock.now()
    held = Pause(model=project.workspace.model, environment=name, actor=who, reason=reason, since=now)
    pause(held, project.workspace, project.ports)
    where = "every environment" if name is None else name
    if as_json:
        print_json({"model": held.model, "environment": name, "paused": True, "actor": who, "reason": reason})
    else:
        print(f"{held.model} is paused in {where}. Triggers are kept; a run under way goes on. Go on: everfit resume")
    return exit_codes.OK


@click.command("resume")
@project_option
@environment_option
@json_option
def resume_command(folder: Path, environment: str | None, *, as_json: bool) -> int:
    """Take back a pause: start runs again for all that was kept."""
    project = opened(folder, environment=environment)
    name = None if environment is None else environment_of(project.workspace, environment).name
    was_paused = resume(name, project.workspace, project.ports)
    where = "every environment" if name is None else name
    if as_json:
        print_json({"model": project.workspace.model, "environment": name, "paused": False, "was_paused": was_paused})
    elif was_paused:
        print(f"The pause of {project.workspace.model} in {where} is over.")
    else:
        print(f"There is no pause of {project.workspace.model} in {where}; {_other_pauses(project)}")
    return exit_codes.OK


def _other_pauses(project: Opened) -> str:
    held = [each for each in project.ports.inbox.pauses() if each.model == project.workspace.model]
    if not held:
        return "nothing was changed."
    named = [
        "everfit resume" if each.environment is None else f"everfit resume --env {each.environment}" for each in held
    ]
    return f"another pause holds: {', '.join(named)}"


@click.command("cancel")
@click.argument("run", metavar="RUN")
@project_option
@json_option
@click.option("--as", "actor", help="Your name, for the records; default: the user who calls.")
@reason_option
def cancel_command(run: str, folder: Path, actor: str | None, reason: str, *, as_json: bool) -> int:
    """Stop RUN at its next safe point: its training is ended, nothing that serves is changed.

    A deployment that has begun is finished; `everfit rollback` goes back.
    """
    project = opened_for(run, folder)
    found = project.ports.store.run(RunId(run))
    if found.model != project.workspace.model:
        raise NotFoundError(f"The run {run} belongs to the model {found.model}, not to {project.workspace.model}.")
    cancel(found.id, actor or project.actor, reason, project.ports)
    try:
        # Whoever was at work on it may be gone, and a run that waits for a person has nobody.
        ended = drive(found.id, project.workspace, project.ports)
    except BusyError:
        words = f"Run {run} is asked to stop; whoever is at work on it stops it at its next safe point: everfit status"
        print_json({"run": run, "outcome": None, "reason": words}) if as_json else print(words)
        return exit_codes.OK
    code = finish(ended, project, as_json=as_json)
    return exit_codes.OK if ended.outcome is Outcome.CANCELLED else code
