"""The workflows of the example projects, written in every way, and the programs that check such files."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from everfit.adapters.local.project_file import read_ci_project
from everfit.domain.ci.generated import GeneratedFile
from everfit.domain.ci.github import github_workflows
from everfit.domain.ci.gitlab import gitlab_pipeline
from everfit.domain.ci.options import CiOptions, Credentials

ROOT = Path(__file__).parents[3]
EXAMPLES = ("plant-doctor", "solar-power", "ticket-forecast", "mask-recommender", "sentiment")
PACKAGE = "everfit[aws]==1.0.0"
PROGRAMS = Path(sys.executable).parent


def ways() -> Iterator[CiOptions]:
    """Yield every way in which the files can be wanted."""
    for credentials, serverless in product(Credentials, (False, True)):
        yield CiOptions(package=PACKAGE, credentials=credentials, serverless=serverless)


def written(top: Path, files: Sequence[GeneratedFile]) -> list[Path]:
    """Write the files below *top*."""
    for file in files:
        (top / file.path).parent.mkdir(parents=True, exist_ok=True)
        (top / file.path).write_text(file.text)
    return [top / file.path for file in files]


def of_github(folder: Path) -> list[Path]:
    """Write the workflows of every example below *folder*."""
    return [
        path
        for number, options in enumerate(ways())
        for name in EXAMPLES
        for path in written(
            folder / f"{name}-{number}", github_workflows(read_ci_project(ROOT / "examples" / name), options).files
        )
    ]


def of_gitlab(folder: Path) -> list[Path]:
    """Write the pipelines of every example below *folder*."""
    return [
        path
        for number, options in enumerate(ways())
        for name in EXAMPLES
        for path in written(
            folder / f"{name}-{number}", (gitlab_pipeline(read_ci_project(ROOT / "examples" / name), options),)
        )
    ]


def checked(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a checker that is installed beside Python; what it says is in both of its streams."""
    return subprocess.run([str(PROGRAMS / program), *arguments], capture_output=True, text=True, check=False)
