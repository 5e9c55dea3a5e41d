"""A controller that lets a project come as far as it can: ``python -m tests.aws.settling FOLDER``."""

import sys
from pathlib import Path

from everfit.adapters.aws.clients import Clients
from everfit.bootstrap import open_ports, open_workspace
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.aws.stages_made import ControllerStage, hurried
from tests.aws_bench import REGION


def main() -> None:
    folder, clients = Path(sys.argv[1]), Clients(REGION)
    settings = Settings(home=folder / ".everfit", port=None, variables={}, actor="tester")
    workspace = open_workspace(folder, settings)
    ports = hurried(open_ports(workspace, settings, Silence()), workspace, clients)
    ControllerStage(workspace, ports, folder, clients).settle()


if __name__ == "__main__":
    main()
