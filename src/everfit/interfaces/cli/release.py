"""``approve``, ``reject``, ``promote`` and ``rollback``: what a person may do with a version."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from everfit.application.releases import Decision, decide, latest_pending, newer_champion, roll_back, way_back
from everfit.application.retraining import Request, environment_of, retrain
from everfit.bootstrap import open_workspace, roll_back_offline, sole_endpoint
from everfit.domain.errors import BusyError, IllegalMoveError, ProjectError, RequestError
from everfit.domain.project import Backend, Environment
from everfit.domain.version import Standing
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import (
    Command,
    Opened,
    dry_run_option,
    environment_option,
    json_option,
    opened,
    print_json,
    project_option,
    reason_option,
)
from everfit.interfaces.cli.progress import Bar
from everfit.interfaces.cli.run import finish, show_preview, watcher, with_adopted
from everfit.interfaces.cli.telling import tell_now
from everfit.interfaces.cli.version_number import VERSION
from everfit.settings import Settings, read_settings


def _decide(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    version: int | None,
    actor: str | None,
    reason: str,
    *,
    approved: bool,
    as_json: bool,
    dry_run: bool,
) -> int:
    progress = watcher(quiet=False, as_json=as_json)
    project = opened(folder, progress, environment=environment)
    place = environment_of(project.workspace, environment)
    number = version if version is not None else latest_pending(place, project.workspace, project.ports).version
    newer = newer_champion(number, place, project.workspace, project.ports) if approved else None
    if newer is not None:
        print(
            f"Warning: version {newer} serves and is newer; approving puts version {number} in its place.",
            file=sys.stderr,
        )
    if dry_run:
        return _foresee(number, place, project, approved=approved, as_json=as_json)
    decision = Decision(version=number, approved=approved, actor=actor or project.actor, reason=reason)
    try:
        with progress if isinstance(progress, Bar) else nullcontext():
            run = decide(decision, place, project.workspace, project.ports)
    except BusyError:
        # The decision is kept; a service that saw it first goes on with the run.
        return _say_kept(number, place, approved=approved, as_json=as_json)
    # Without an outcome it waits for another version that is on its way.
    if run is not None and run.outcome is not None:
        code = finish(run, project, as_json=as_json)
        return exit_codes.OK if not approved and code == exit_codes.REJECTED else code
    return _say_kept(number, place, approved=approved, as_json=as_json)


def _say_kept(number: int, place: Environment, *, approved: bool, as_json: bool) -> int:
    """Say that a decision is kept and that nothing is left to do here."""
    words = {"version": number, "environment": place.name, "decision": "approved" if approved else "rejected"}
    if as_json:
        print_json(words)
    else:
        print(f"Version {number} is {words['decision']} in {place.name}; nothing was left to do here.")
    return exit_codes.OK


def _foresee(number: int, place: Environment, project: Opened, *, approved: bool, as_json: bool) -> int:
    """Say what a decision would do; one that would be refused is refused here."""
    standing = project.ports.registry.placement(project.workspace.model, place.name, number).standing
    if standing is not Standing.PENDING:
        raise IllegalMoveError(f"Version {number} does not wait for approval in {place.name}: it is {standing.value}.")
    would = "approve" if approved else "reject"
    if as_json:
        print_json({"would": would, "version": number, "environment": place.name})
    else:
        then = f"deploy it behind {place.endpoint}" if approved else "never let it serve"
        print(f"This would {would} version {number} in {place.name} and {then}. Nothing was changed.")
    return exit_codes.OK


def _decision_options(command: Command) -> Command:
    """Let a person name the version, and say who decides and why."""
    options = (
        click.argument("version", type=VERSION, required=False),
        project_option,
        environment_option,
        json_option,
        dry_run_option,
        click.option("--as", "actor", help="Your name, for the records; default: the user who calls."),
        reason_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("approve")
@_decision_options
def approve_command(  # noqa: PLR0913 - one argument an option
    version: int | None,
    folder: Path,
    environment: str | None,
    actor: str | None,
    reason: str,
    *,
    as_json: bool,
    dry_run: bool,
) -> int:
    """Approve VERSION (default: the newest that waits) and deploy exactly its bytes, once."""
    return _decide(folder, environment, version, actor, reason, approved=True, as_json=as_json, dry_run=dry_run)


@click.command("reject")
@_decision_options
def reject_command(  # noqa: PLR0913 - one argument an option
    version: int | None,
    folder: Path,
    environment: str | None,
    actor: str | None,
    reason: str,
    *,
    as_json: bool,
    dry_run: bool,
) -> int:
    """Turn VERSION (default: the newest that waits) away; it can never serve then."""
    return _decide(folder, environment, version, actor, reason, approved=False, as_json=as_json, dry_run=dry_run)


@click.command("promote")
@click.argument("version", type=VERSION, required=False)
@project_option
@click.option("--to", "environment", required=True, help="Environment that takes the version.")
@json_option
@dry_run_option
def promote_command(version: int | None, folder: Path, environment: str, *, as_json: bool, dry_run: bool) -> int:
    """Take VERSION (default: what serves in ``promote_from``) to another environment, judged by its own gate."""
    progress = watcher(quiet=False, as_json=as_json)
    project = opened(folder, progress, trains=True, environment=environment)
    request = Request(environment=environment, promote=version, actor=project.actor)
    if environment_of(project.workspace, environment).promote_from is None:
        raise click.UsageError(f"The environment {environment} has no promote_from in everfit.yaml.")
    request = with_adopted(request, folder, project)
    if dry_run:
        return show_preview(request, project, as_json=as_json)
    with progress if isinstance(progress, Bar) else nullcontext():
        run = retrain(request, project.workspace, project.ports)
    return finish(run, project, as_json=as_json)


@click.command("rollback")
@project_option
@environment_option
@json_option
@dry_run_option
@click.option("--to", "version", type=VERSION, help="A version that has served; default: the last good one.")
@click.option("--reason", default="rolled back by hand", help="Why, for the records.")
@click.option("--as", "actor", help="Your name, for the records; default: the user who calls.")
@click.option("--offline", is_flag=True, help="Ask the endpoint host alone, where the database cannot be reached.")
def rollback_command(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    version: int | None,
    reason: str,
    actor: str | None,
    *,
    as_json: bool,
    dry_run: bool,
    offline: bool,
) -> int:
    """Put the last version that served well back behind the endpoint, after verifying its bytes."""
    if offline:
        if version is not None or dry_run:
            raise click.UsageError("--offline goes to the last good version, at once: leave out --to and --dry-run.")
        return _offline(folder, environment, actor, reason, as_json=as_json)
    project = opened(folder, environment=environment)
    place = environment_of(project.workspace, environment)
    if dry_run:
        way = way_back(place, project.workspace, project.ports, version)
    else:
        way = roll_back(
            place, project.workspace, project.ports, actor=actor or project.actor, reason=reason, to=version
        )
        tell_now(project)
    if as_json:
        print_json(
            {
                "environment": place.name,
                "endpoint": place.endpoint,
                "from": way.before,
                "to": way.after,
                "dry_run": dry_run,
            }
        )
    else:
        would = "would go" if dry_run else "went"
        print(f"{place.endpoint} {would} from version {way.before} back to version {way.after}.")
    return exit_codes.OK


def _offline(folder: Path, environment: str | None, actor: str | None, reason: str, *, as_json: bool) -> int:
    """Go back without the database, which may be gone: the project file and the host's folder tell enough."""
    settings = read_settings()
    name, endpoint = _place_offline(folder, environment, settings)
    moved = roll_back_offline(folder.resolve(), endpoint, actor or settings.actor, reason, settings)
    if as_json:
        found = {"environment": name, "endpoint": endpoint, "from": moved.before, "to": moved.after, "dry_run": False}
        print_json(found)
    else:
        print(
            f"{endpoint} went from version {moved.before} back to version {moved.after}. The history has it as "
            "soon as the database can be reached."
        )
    return exit_codes.OK


def _place_offline(folder: Path, environment: str | None, settings: Settings) -> tuple[str | None, str]:
    """Return the environment, where it is known, and the endpoint.

    A project file that cannot be read is not in the way where the state folder holds one endpoint alone.
    """
    try:
        workspace = open_workspace(folder, settings, needs_variables=False)
    except ProjectError:
        endpoint = None if environment is not None else sole_endpoint(folder.resolve(), settings)
        if endpoint is None:
            raise
        return None, endpoint
    place = environment_of(workspace, environment)
    if place.backend is not Backend.LOCAL:
        raise RequestError(f"{place.name} is on AWS, whose own console or command line goes back without Everfit.")
    return place.name, place.endpoint
