"""The file that holds the desired state: read by the host, replaced atomically by the control plane."""

import json
from contextlib import suppress
from pathlib import Path

from everfit.domain.errors import StateError
from everfit.serving.desired import DesiredState, from_document, to_document
from everfit.serving.state_files import replace_file

NAME = "desired.json"
SPARE = "spare"
SPARE_SIZE = 256 * 1024
"""Bytes that are kept taken, and let go when the disk is full: the way back needs room for this file."""


def read_desired(folder: Path) -> DesiredState:
    """Return what the file in *folder* says; before there is one, nothing is desired."""
    path = folder / NAME
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return DesiredState()
    except ValueError as error:
        raise StateError(f"{path} is damaged ({error}); restore it from a backup.") from error
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error}.") from error
    return from_document(document)


def write_desired(folder: Path, state: DesiredState) -> None:
    """Replace the file; whoever reads it sees the old state or the new one."""
    document = to_document(state)
    try:
        replace_file(folder / NAME, document)
    except StateError:
        if not (folder / SPARE).is_file():
            raise
        (folder / SPARE).unlink()
        replace_file(folder / NAME, document)
    _keep_spare(folder / SPARE)


def _keep_spare(path: Path) -> None:
    """Take the spare room unless it is taken; a disk without that much stays as it is."""
    if path.is_file():
        return
    try:
        path.write_bytes(bytes(SPARE_SIZE))
    except OSError:
        with suppress(OSError):
            path.unlink(missing_ok=True)
