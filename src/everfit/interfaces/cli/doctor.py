"""``everfit doctor``: what is well and what to mend."""

from pathlib import Path

import click

from everfit.application.examination import examine
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.check import MARKS
from everfit.interfaces.cli.options import json_option, opened, print_json, project_option


@click.command("doctor")
@project_option
@json_option
def doctor_command(folder: Path, *, as_json: bool) -> int:
    """Examine Python, disk, state, what serves and the way back; change nothing."""
    project = opened(folder)
    found = list(examine(project.workspace, project.ports))
    is_well = all(each.is_well is not False for each in found)
    if as_json:
        rows = [{"name": each.name, "result": MARKS[each.is_well].lower(), "words": each.words} for each in found]
        print_json({"ok": is_well, "examined": rows})
    else:
        for each in found:
            print(f"{MARKS[each.is_well]:<6} {each.name:<13} {each.words}")
    return exit_codes.OK if is_well else exit_codes.FAILED
