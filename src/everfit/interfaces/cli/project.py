"""``init``, ``down`` and ``completion``."""

import shlex
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from everfit.bootstrap import TEMPLATES, endpoints_beside, write_project
from everfit.domain.errors import ProjectError
from everfit.domain.project import Backend
from everfit.interfaces.cli.options import dry_run_option, json_option, opened_on, print_json, project_option
from everfit.settings import read_settings


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--from", "kind", type=click.Choice(TEMPLATES), default="regression", show_default=True, help="What kind of task."
)
@json_option
def init_command(folder: Path, kind: str, *, as_json: bool) -> None:
    """Write a small working project into FOLDER (default: this one); no file is overwritten."""
    written = write_project(kind, folder)
    if as_json:
        print_json({"folder": str(folder.resolve()), "files": list(written)})
        return
    for name in written:
        print(f"wrote {folder / name}")
    go = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    print(f"Next: {go}everfit check && everfit run")


@click.command("down")
@project_option
@json_option
@dry_run_option
def down_command(folder: Path, *, as_json: bool, dry_run: bool) -> None:
    """Stop the endpoint host; the next run or prediction starts it again with the same state."""
    try:
        # What serves on AWS is nothing to stop, whatever else the project has.
        endpoints = opened_on(Backend.LOCAL, folder).ports.endpoints
    except ProjectError:
        # A file that is being edited does not keep a host from being stopped.
        endpoints = endpoints_beside(folder.resolve(), read_settings())
        if not endpoints.is_running():
            raise
    stopped = endpoints.is_running() if dry_run else endpoints.stop()
    if as_json:
        print_json({"stopped": stopped, "dry_run": dry_run})
    elif dry_run:
        print("The endpoint host would be stopped." if stopped else "No endpoint host runs.")
    else:
        print("The endpoint host is stopped." if stopped else "No endpoint host was running.")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of SHELL; source it in the shell's start-up file."""
    from everfit.interfaces.cli.main import everfit  # noqa: PLC0415 - the group loads this module

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    print(kind(everfit, {}, "everfit", "_EVERFIT_COMPLETE").source())
