"""Which interpreter a job runs in: Everfit's own when it has what is asked for, else a cached virtual environment."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from everfit.jobs.supervision import installation


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An interpreter, and how to make it when it does not exist yet.

    Args:
        folder: of the virtual environment; None for Everfit's own interpreter.
        requirements: to install in the folder; the job's supervisor does it, as a part of the job.
    """

    python: str
    folder: str | None = None
    requirements: str | None = None


class Environments:
    """The cached virtual environments below one folder, named by the digest of what they hold."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def choose(self, requirements: str | None, code: str | None = None) -> Environment:
        """Return the environment for the text of a ``requirements.txt``.

        Args:
            requirements: None asks for nothing.
            code: folder of frozen code; its content counts where the requirements point to files.
        """
        if requirements is None:
            return Environment(python=sys.executable)
        from everfit.adapters.local import requirements as wanted  # noqa: PLC0415 - slow to import, and often not needed

        if wanted.is_satisfied(requirements):
            return Environment(python=sys.executable)
        lines = "\n".join(wanted.lines_of(requirements))
        key = [lines, sys.version, sys.platform, code or "" if wanted.points_to_files(requirements) else ""]
        folder = str(self._folder / hashlib.sha256("\0".join(key).encode()).hexdigest()[:32])
        return Environment(python=installation.python_of(folder), folder=folder, requirements=requirements)
