"""``trigger`` and ``triggers``: ask for a run, and see what became of everything that asked for one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from everfit.application.inventory import trigger_row
from everfit.application.outlook import waiting_rows
from everfit.application.retraining import environment_of
from everfit.application.triggering import Demand, request
from everfit.bootstrap import service_of
from everfit.domain.amounts import moment
from everfit.domain.project import Backend
from everfit.domain.trigger import EventEnd, TriggerKind, Wish
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.listing import waiting_words
from everfit.interfaces.cli.options import (
    because_option,
    environment_option,
    json_option,
    opened,
    print_json,
    project_option,
)
from everfit.interfaces.cli.render import Json, console, escaped, shortened, styled, table
from everfit.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence


_THEN: Final[Mapping[Backend, str]] = {
    Backend.LOCAL: "no service is up here: the next `everfit up` or `everfit run` takes it along",
    Backend.SAGEMAKER: (
        "what `everfit apply` has made starts its run within a minute; without it, the next `everfit up` or "
        "`everfit run` does: everfit triggers"
    ),
}
"""What becomes of an event when no service is seen on this machine."""


@click.command("trigger")
@project_option
@environment_option
@json_option
@click.option("--reason", default="", help="Why, for the records.")
@click.option("--force", is_flag=True, help="Train even when nothing is new, whatever the pace and the budget say.")
@click.option("--hold", is_flag=True, help="Wait for a person before the deployment.")
@click.option("--accept-schema", is_flag=True, help="Learn columns and labels anew.")
@click.option("--id", "key", help="Name of this event: the same name again is the same event. Default: a new one.")
@click.option("--as", "actor", help="Your name, for the records; default: the user who calls.")
@because_option
def trigger_command(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    reason: str,
    key: str | None,
    actor: str | None,
    because: str,
    *,
    as_json: bool,
    force: bool,
    hold: bool,
    accept_schema: bool,
) -> int:
    """Ask the service for a run: write a trigger event down and come back at once."""
    project = opened(folder, environment=environment)
    demand = Demand(
        actor=actor or project.actor,
        id=key,
        environment=environment,
        reason=reason,
        wish=Wish(force=force, hold=hold, accept_schema=accept_schema),
        kind=TriggerKind(because),
    )
    record = request(demand, project.workspace, project.ports)
    service = service_of(folder.resolve(), read_settings())
    if as_json:
        print_json({**trigger_row(record), "service": None if service is None else service.process})
        return exit_codes.OK
    if record.end is not EventEnd.PENDING or record.run is not None:
        print(f"{record.event.id} is known: {record.end.value}, run {record.run or 'none'}.")
        return exit_codes.OK
    then = (
        f"the service ({service.process}) starts its run when it may: everfit triggers"
        if service
        else _THEN[project.ports.backend]
    )
    print(f"{record.event.id} is accepted for {record.event.environment}; {then}")
    return exit_codes.OK


@click.command("triggers")
@project_option
@environment_option
@json_option
@click.option("--end", type=click.Choice([end.value for end in EventEnd]), help="Only events that ended so.")
@click.option("--run", help="Only events of this run.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many events.")
def triggers_command(
    folder: Path, environment: str | None, end: str | None, run: str | None, limit: int, *, as_json: bool
) -> None:
    """Show what waits for a run and for what, then each event, newest first, and how it ended."""
    project = opened(folder, environment=environment)
    name = None if environment is None else environment_of(project.workspace, environment).name
    waiting = [row for row in waiting_rows(project.workspace, project.ports) if name in (None, row["environment"])]
    records = project.ports.inbox.events(
        model=project.workspace.model,
        environment=name,
        end=None if end is None else EventEnd(end),
        run=run,
        limit=limit,
    )
    rows = [trigger_row(record) for record in records]
    if as_json:
        print_json({"waiting": waiting, "triggers": rows})
    else:
        _show(waiting, rows)


def _show(waiting: "Sequence[Json]", rows: "Sequence[Json]") -> None:
    screen = console()
    for row in waiting:
        screen.print(f"  [bold]{escaped(row['environment'])}[/]: {waiting_words(row)}")
    if not rows:
        screen.print("No trigger event yet. Ask for a run: everfit trigger")
        return
    is_several = len({row["environment"] for row in rows}) > 1
    shown = table("accepted (UTC)", "end", "trigger, run, what and why")
    for column in shown.columns[:-1]:
        column.no_wrap = True
    for row in rows:
        words = _trigger(row, is_several=is_several)
        shown.add_row(moment(row["accepted"]), styled(_end(row)), escaped(words))
    screen.print(shown)


def _trigger(row: Json, *, is_several: bool) -> str:
    """Return what came where, and below it what became of it."""
    place = f" in {row['environment']}" if is_several else ""
    words = ": ".join(str(row[name]) for name in ("run", "subject", "reason") if row[name])
    return f"{row['trigger'] or row['kind']}{place}" + (f"\n{shortened(words, 240)}" if words else "")


def _end(row: Json) -> object:
    if row["end"] != EventEnd.PENDING.value:
        return row["end"]
    return "waits" if row["run"] is None else "in a run"
