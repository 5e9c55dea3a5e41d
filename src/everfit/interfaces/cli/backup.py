"""``backup`` and ``restore``: the whole installation as one file."""

from pathlib import Path

import click

from everfit.bootstrap import back_up, restore
from everfit.interfaces.cli.options import json_option, print_json, project_option
from everfit.settings import read_settings


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@project_option
@json_option
def backup_command(file: Path, folder: Path, *, as_json: bool) -> None:
    """Write the installation into the new FILE, while it goes on working."""
    made = back_up(folder, file, read_settings())
    if as_json:
        print_json(
            {
                "file": str(made.path),
                "bytes": made.size,
                "rows": made.rows,
                "files": made.files,
                "left_out": list(made.left_out),
            }
        )
        return
    print(f"{made.path}: {made.rows:,} rows and {made.files:,} files in {made.size:,} bytes")
    for name in made.left_out:
        print(f"left out, because it may not be read: {name}")
    print(f"Prove it: everfit restore {made.path} --into AN_EMPTY_FOLDER")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--into", type=click.Path(path_type=Path), default=None, help="State folder; default: the project's own.")
@project_option
@json_option
def restore_command(file: Path, into: Path | None, folder: Path, *, as_json: bool) -> None:
    """Make the installation again that FILE holds; nothing is ever written over."""
    made = restore(folder, file, into, read_settings())
    if as_json:
        print_json(
            {
                "home": str(made.home),
                "database": made.database,
                "backed_up": made.created,
                "was": made.was,
                "rows": made.rows,
            }
        )
        return
    print(f"{made.home} is as {made.was} was at {made.created}: {made.rows:,} rows in {made.database}")
    print(f"Next: EVERFIT_HOME={made.home} everfit status")
