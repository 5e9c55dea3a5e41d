"""Where the state of a project lies: one state folder for each installation."""

from pathlib import Path
from typing import Final

FOLDER: Final = ".everfit"
FILE: Final = "state.db"


def home_of(folder: Path) -> Path:
    """Return the nearest state folder at or above the project that is in use, else the project's own."""
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        home = place / FOLDER
        if (home / FILE).is_file():
            return home
    return folder / FOLDER
