"""Tells people what a command has brought about, when no service is up that does it."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

from everfit.application.alerting import tell
from everfit.bootstrap import open_workspace, service_of
from everfit.domain.errors import EverfitError
from everfit.interfaces.cli.options import Opened
from everfit.settings import read_settings

PATIENCE: Final = timedelta(seconds=10)
"""A command waits no longer for its alerts; what is not delivered by then is kept for later."""


def tell_now(project: Opened) -> None:
    """Deliver what is due, for a bounded time; nothing that goes wrong here changes how the command ends."""
    folder, settings = Path(project.workspace.folder), read_settings()
    try:
        if service_of(folder, settings) is not None:
            return
        # A command may have been read without the variables that channels need.
        workspace = open_workspace(folder, settings)
        found = tell({workspace.model: workspace}, project.ports, PATIENCE)
    except EverfitError as error:
        _warn(f"Alerts were not delivered: {error}")
        return
    for number, words in sorted(found.items()):
        if words is not None:
            _warn(f"Alert {number} was not delivered yet: {words}. It is kept and tried again; see `everfit alerts`.")


def _warn(words: str) -> None:
    print(words, file=sys.stderr)
