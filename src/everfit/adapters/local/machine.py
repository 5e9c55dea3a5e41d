"""What can be said of this machine: Python, space, and whether the state folder can be written."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from everfit.adapters.sql.database import Database
from everfit.domain.errors import BackendError

ENOUGH_BYTES = 1_000_000_000


class LocalMachine:
    """The machine on which this process runs."""

    def __init__(self, home: Path, database: Database) -> None:
        self._home = home
        self._database = database

    def free_bytes(self) -> int:
        """Return the free space on the state folder's disk."""
        place = next(folder for folder in (self._home, *self._home.parents) if folder.exists())
        return shutil.disk_usage(place).free

    def findings(self) -> Sequence[tuple[str, bool, str]]:
        """Examine Python, the disk and the state folder."""
        free = self.free_bytes()
        return (
            ("python", sys.version_info >= (3, 11), f"{platform.python_version()} at {sys.executable}"),
            ("disk", free > ENOUGH_BYTES, f"{free / 1e9:.1f} GB are free where the state lies"),
            self._state_folder(),
            self._state(),
        )

    def _state(self) -> tuple[str, bool, str]:
        try:
            return ("database", True, self._database.examined())
        except BackendError as error:
            return ("database", False, str(error))

    def _state_folder(self) -> tuple[str, bool, str]:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._home):
                return ("state folder", True, f"{self._home} can be written")
        except OSError as error:
            return (
                "state folder",
                False,
                f"{self._home} cannot be written: {error.strerror}; choose another EVERFIT_HOME",
            )
