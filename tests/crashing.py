"""A run that kills its own process at one call of one port: ``python -m tests.crashing FOLDER PORT CALL WHEN NTH``."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from everfit.application.retraining import Request, retrain
from everfit.bootstrap import open_ports, open_workspace
from everfit.interfaces.cli.progress import Silence
from everfit.settings import read_settings


class Crashing:
    """Passes every call on, and dies at one of them."""

    def __init__(self, port: Any, call: str, when: str, nth: int) -> None:
        self._port, self._call, self._when, self._left = port, call, when, nth

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._dying(found) if name == self._call else found

    def _dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments, **named)
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return dying


def main() -> None:
    folder, port, call, when, nth = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
    settings = read_settings()
    workspace = open_workspace(folder, settings)
    ports = open_ports(workspace, settings, Silence())
    crashing: dict[str, Any] = {port: Crashing(getattr(ports, port), call, when, nth)}
    ports = replace(ports, **crashing)
    retrain(Request(actor="tester"), workspace, ports)


if __name__ == "__main__":
    main()
