"""The service that is killed and started again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from everfit.domain.errors import BackendError

_COMMAND: Final = (sys.executable, "-c", "from everfit.interfaces.cli.main import main; main()")


class Victim:
    """A service over a tree of projects, in a process of its own.

    Args:
        surroundings: environment of the process.
    """

    def __init__(self, tree: Path, port: int, surroundings: Mapping[str, str]) -> None:
        self._tree, self._port, self._surroundings = tree, port, surroundings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it is ready."""
        with (self._tree / "service.err").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*_COMMAND, "up", str(self._tree), "--port", str(self._port), "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(self._surroundings),
            )
        self._process = process
        line = process.stdout.readline() if process.stdout else b""
        if not line or not json.loads(line).get("ready"):
            raise BackendError(f"The service does not start; see {log.name}.")

    def kill(self) -> None:
        """Kill it at once."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Have it end in good order."""
        self._signal(signal.SIGTERM)

    def stop_host(self) -> None:
        """Stop what answers for the models."""
        project = next(self._tree.glob("*/everfit.yaml")).parent
        subprocess.run(  # noqa: S603 - our own command
            [*_COMMAND, "down", "-C", str(project)],
            env=dict(self._surroundings),
            capture_output=True,
            check=False,
        )

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        os.kill(self._process.pid, number)
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._process = None
