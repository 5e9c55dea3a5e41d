"""``alerts``: what was told to whom, and whether the channels work."""

from collections.abc import Sequence
from pathlib import Path

import click

from everfit.application.alert_list import delivery_row, send_test
from everfit.domain.amounts import moment
from everfit.domain.delivery import DeliveryState
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import json_option, opened, print_json, print_list, project_option
from everfit.interfaces.cli.render import Json, console, escaped, shortened, styled, table
from everfit.interfaces.cli.telling import tell_now


@click.group("alerts", invoke_without_command=True)
@project_option
@json_option
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]), help="Only those.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.pass_context
def alerts_command(context: click.Context, folder: Path, state: str | None, limit: int, *, as_json: bool) -> None:
    """List what was told through which channel, newest first, and what could not be told."""
    if context.invoked_subcommand is not None:
        context.obj = folder
        return
    project = opened(folder)
    found = project.ports.outbox.deliveries(
        model=project.workspace.model, state=None if state is None else DeliveryState(state), limit=limit
    )
    rows = [delivery_row(each) for each in found]
    print_list(rows) if as_json else _show(rows)


@alerts_command.command("test")
@project_option
@json_option
@click.option("--channel", help="Only this one, such as slack or email-2; default: every channel.")
@click.pass_obj
def test(above: Path, folder: Path, channel: str | None, *, as_json: bool) -> int:
    """Send a test through each channel now, and say what came of it."""
    project = opened(_named(above, folder), trains=True)
    found = [(each.key, words) for each, words in send_test(project.workspace, project.ports, channel)]
    is_well = all(words is None for _, words in found)
    if as_json:
        rows = [{"channel": key, "delivered": words is None, "error": words} for key, words in sorted(found)]
        print_json({"ok": is_well, "channels": rows})
    else:
        for key, words in sorted(found):
            print(f"{key}: delivered" if words is None else f"{key}: not delivered: {words}")
    return exit_codes.OK if is_well else exit_codes.FAILED


@alerts_command.command("retry")
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**62))
@project_option
@json_option
@click.pass_obj
def retry(above: Path, number: int, folder: Path, *, as_json: bool) -> int:
    """Try alert ID, which has not arrived, anew from now on."""
    project = opened(_named(above, folder))
    project.ports.outbox.retry(number)
    tell_now(project)
    after = next(each for each in project.ports.outbox.deliveries(before=number + 1, limit=1))
    if as_json:
        print_json(delivery_row(after))
    else:
        print(f"Alert {number} to {after.channel}: {after.state.value}.")
    return exit_codes.OK


def _named(above: Path, folder: Path) -> Path:
    """Return the project folder that was named, before the name of the subcommand or after it."""
    return above if folder == Path() else folder


def _show(rows: Sequence[Json]) -> None:
    if not rows:
        console().print("Nothing was told yet. See whether the channels work: everfit alerts test")
        return
    shown = table("id", "at (UTC)", "what", "channel", "state", "tries", "error, and when next")
    for row in rows:
        about = row["kind"] if row["environment"] is None else f"{row['kind']} in {row['environment']}"
        if row["more"]:
            about = f"{about}, {row['more']} more"
        shown.add_row(
            str(row["id"]),
            moment(row["at"]),
            escaped(about),
            escaped(row["channel"]),
            styled(row["state"]),
            str(row["attempts"]),
            escaped(shortened(_told(row))),
        )
    console().print(shown)


def _told(row: Json) -> str | None:
    """Return what went wrong, and when it is tried or told next: what repeats its cause is held for hours."""
    due = f"due {moment(row['due'])}" if row["state"] == DeliveryState.WAITING.value and row["due"] else None
    return "; ".join(str(words) for words in (row["error"], due) if words) or None
