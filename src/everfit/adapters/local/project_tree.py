"""Finds the projects in and below some folders."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from everfit.adapters.local.project_file import FILE_NAME

PRUNED: Final = frozenset({"node_modules", "__pycache__", "site-packages"})

Stamp = tuple[int, int, int]
"""What tells one state of a file from another without reading it: inode, time of change, size."""


def projects_below(tops: Sequence[Path]) -> Iterator[Path]:
    """Yield each folder with a project file; nothing hidden, nothing within a project, and no link is followed."""
    for top in tops:
        for place, below, files in os.walk(top):
            if FILE_NAME in files:
                yield Path(place)
                below.clear()
            below[:] = sorted(name for name in below if name not in PRUNED and not name.startswith("."))


def stamp_of(folder: Path) -> Stamp | None:
    """Return the stamp of the project file in the folder; None when there is none."""
    try:
        status = os.stat(f"{folder}/{FILE_NAME}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
