"""``everfit check``: find what is wrong before it costs anything."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from everfit.application.preflight import Examined, preflight
from everfit.application.retraining import environment_of
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import environment_option, json_option, opened, print_json, project_option
from everfit.interfaces.cli.progress import Bar, Silence

MARKS = {True: "ok", False: "WRONG", None: "note"}


@click.command("check")
@project_option
@environment_option
@json_option
def check_command(folder: Path, environment: str | None, *, as_json: bool) -> int:
    """Verify config, data, scripts, requirements and disk, and rehearse a training on 1 % of the rows."""
    progress = Bar(with_output=False) if sys.stderr.isatty() and not as_json else Silence()
    project = opened(folder, progress, trains=True, environment=environment)
    place = environment_of(project.workspace, environment)
    found: list[Examined] = []
    with progress if isinstance(progress, Bar) else nullcontext():
        for examined in preflight(project.workspace, place, project.ports):
            found.append(examined)
            if not as_json:
                print(f"{MARKS[examined.is_well]:<6} {examined.name:<9} {examined.words}", flush=True)
    is_well = all(examined.is_well is not False for examined in found)
    if as_json:
        rows = [{"name": each.name, "result": MARKS[each.is_well].lower(), "words": each.words} for each in found]
        print_json({"ok": is_well, "examined": rows})
    elif is_well:
        print("All is well. Next: everfit run")
    return exit_codes.OK if is_well else exit_codes.FAILED
