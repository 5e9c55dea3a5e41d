"""The file that holds the desired state: read by the host, replaced atomically by the control plane."""

import json
from pathlib import Path

from everfit.domain.errors import StateError
from everfit.serving.desired import DesiredState, from_document, to_document
from everfit.serving.state_files import replace_file

NAME = "desired.json"


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
    replace_file(folder / NAME, to_document(state))
