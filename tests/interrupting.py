"""A run that is interrupted from the keyboard when a step starts: ``python -m tests.interrupting FOLDER STEP``."""

import signal
import sys
from pathlib import Path

from everfit.application.retraining import Request, retrain
from everfit.bootstrap import open_ports, open_workspace
from everfit.interfaces.cli.progress import Silence
from everfit.settings import read_settings


class Interrupting(Silence):
    """Raises SIGINT in this process as soon as the step has started."""

    def __init__(self, step: str) -> None:
        self._step = step

    def step_started(self, name: str, attempt: int) -> None:
        if name == self._step:
            signal.raise_signal(signal.SIGINT)


def main() -> None:
    folder, step = Path(sys.argv[1]), sys.argv[2]
    settings = read_settings()
    workspace = open_workspace(folder, settings)
    try:
        retrain(Request(actor="tester"), workspace, open_ports(workspace, settings, Interrupting(step)))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
