"""A project on this machine and its stack on the bench."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from everfit.adapters.aws.packages import Package, build_package
from everfit.adapters.aws.wheels import InstalledPackages
from everfit.application.ports.stack import Stack
from everfit.bootstrap import open_workspace
from everfit.bootstrap_aws.stack import open_stack
from everfit.domain.cost import Usage
from everfit.domain.stack_plan import StackPlan
from everfit.settings import read_settings
from tests.aws.bench import strict
from tests.aws.bench.client import Bench
from tests.aws.blueprints import PLAIN

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


STACK, BASE, BUCKET = "everfit-churn-production", "everfit-everfit-bench", "everfit-bench"


class StackWorld:
    """A project folder, and what is on the bench."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.said: list[str] = []

    def project(self, text: str = PLAIN) -> None:
        write(self.folder, text)

    def apply(self, text: str | None = None) -> int:
        if text is not None:
            self.project(text)
        return opened(self.folder).apply(self.said.append).changed

    def plan(self) -> StackPlan:
        return opened(self.folder).plan(None, Usage(), self.said.append)

    def status(self, name: str = STACK) -> str | None:
        stacks = self.bench.client("cloudformation").describe_stacks()["Stacks"]
        return next((str(each["StackStatus"]) for each in stacks if each["StackName"] == name), None)

    def stored(self) -> list[str]:
        found = self.bench.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in found]

    def in_force(self) -> Mapping[str, Any]:
        answer = self.bench.client("s3").get_object(Bucket=BUCKET, Key="everfit/projects/churn/production.json")
        read: Mapping[str, Any] = json.loads(answer["Body"].read())
        return read

    def make_bucket(self, text: str = PLAIN) -> None:
        """Make the stack of the bucket alone, which takes a tenth of the time of all."""
        self.project(text)
        opened(self.folder)._apply_base(self.said.append)  # type: ignore[attr-defined]
