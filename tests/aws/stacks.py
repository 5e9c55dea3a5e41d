"""A project on this machine and its stack on the bench."""

from functools import cache
from pathlib import Path

from everfit.adapters.aws.packages import Package, build_package
from everfit.adapters.aws.wheels import InstalledPackages
from everfit.application.ports.stack import Stack
from everfit.bootstrap import open_workspace
from everfit.bootstrap_aws.stack import open_stack
from everfit.settings import read_settings
from tests.aws.bench import strict

TRAIN = "print('trained')\n"


@cache
def package() -> Package:
    """Return the package of this Everfit, packed once: a stack is opened in every test."""
    return build_package(InstalledPackages())


def write(folder: Path, text: str) -> Path:
    """Write the project into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "everfit.yaml").write_text(text)
    (folder / "train.py").write_text(TRAIN)
    return folder


def opened(folder: Path, environment: str = "production") -> Stack:
    """Open the stack of an environment of the project in *folder*."""
    settings = read_settings({"USER": "somebody", "EVERFIT_HOME": str(folder / ".everfit")})
    workspace = open_workspace(folder, settings)
    return open_stack(
        workspace,
        workspace.project.environments[environment],
        settings,
        package=package(),
        prepare=strict.install,
        interval=0.02,
    )
