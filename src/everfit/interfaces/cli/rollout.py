"""``rollout``: how a version on its way to the traffic stands, and what a person wants of it."""

from pathlib import Path

import click

from everfit.application.live_overview import rollout_report
from everfit.application.retraining import environment_of
from everfit.application.rollout_orders import order
from everfit.domain.amounts import moment
from everfit.domain.errors import RequestError
from everfit.domain.rollout import Ending, OrderKind, Progress
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import (
    Opened,
    environment_option,
    json_option,
    opened,
    print_json,
    project_option,
)
from everfit.interfaces.cli.progress import Lines
from everfit.interfaces.cli.render import Json, console, escaped, objects_of
from everfit.interfaces.cli.telling import tell_now

SHOW = "show"


@click.command("rollout")
@click.argument("action", type=click.Choice([SHOW, *(kind.value for kind in OrderKind)]), default=SHOW)
@project_option
@environment_option
@json_option
@click.option("--reason", default="", help="Why, for the records; required for everything but show.")
@click.option("--as", "actor", help="Your name, for the records; default: the user who calls.")
def rollout_command(
    action: str, folder: Path, environment: str | None, reason: str, actor: str | None, *, as_json: bool
) -> int:
    """Show the rollout under way with every decision, or pause, resume, promote or abort it."""
    if action != SHOW and not reason.strip():
        raise RequestError(f"Say with --reason why the rollout is to {action}, for the records.")
    project = opened(folder, Lines(with_output=False), environment=environment)
    place = environment_of(project.workspace, environment)
    if action != SHOW:
        kind, who = OrderKind(action), actor or project.actor
        found = order(kind, place, project.workspace, project.ports, actor=who, reason=reason.strip())
        tell_now(project)
        if not as_json:
            print(_said(kind, found))
            return exit_codes.OK
    report = rollout_report(place, project.workspace, project.ports)
    if as_json:
        print_json({"environment": place.name, "rollout": report})
    elif report is None:
        print(_nothing(place.name, project))
    else:
        show_rollout(report)
    return exit_codes.OK


def _said(kind: OrderKind, progress: Progress) -> str:
    """Return what became of an order."""
    who = f"version {progress.challenger} in {progress.environment}"
    if progress.ending is Ending.PROMOTED:
        return f"The rollout of {who} is over: it has all of the traffic."
    if progress.ending is Ending.ABORTED:
        return f"The rollout of {who} is over: version {progress.champion} has all of the traffic."
    words = {
        OrderKind.PAUSE: "holds where it is; what is worse is taken back all the same",
        OrderKind.RESUME: "goes on",
        OrderKind.PROMOTE: "is promoted by the process that drives it",
        OrderKind.ABORT: "is aborted by the process that drives it",
    }
    more = f"; without a service: everfit run --resume --env {progress.environment}"
    return f"The rollout of {who} {words[kind]}{more if kind is OrderKind.RESUME else ''}."


def _nothing(environment: str, project: Opened) -> str:
    if project.ports.rollouts is None:
        return f"AWS moves the traffic of {environment} by itself: everfit status --json shows what it serves."
    return f"Nothing was rolled out step by step in {environment} yet; rollout: in everfit.yaml says how."


def show_rollout(report: Json) -> None:
    """Show how a rollout stands, its plan, and what was decided and wanted."""
    screen = console()
    screen.print(
        f"[bold]version {report['challenger']}[/] in {escaped(report['environment'])}: {escaped(report['words'])}"
    )
    for line in _texts(report["plan"]):
        screen.print(f"  {escaped(line)}")
    for each in objects_of(report["comparisons"]):
        screen.print(f"  {escaped(each['name'])}: {escaped(each['words'])}")
    decided = [
        (row["at"], f"step {row['step']}: {row['verdict']}: {row['reason']}") for row in objects_of(report["decisions"])
    ]
    wanted = [(row["at"], f"{row['order']} by {row['actor']}: {row['reason']}") for row in objects_of(report["orders"])]
    for at, words in sorted([*decided, *wanted], key=lambda row: str(row[0])):
        screen.print(f"  {moment(at)} UTC  {escaped(words)}")


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
