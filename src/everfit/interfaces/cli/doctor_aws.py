"""``everfit doctor --aws``: what an account lacks, before it costs anything."""

from collections.abc import Sequence
from pathlib import Path

from everfit.application.preflight import Examined
from everfit.application.retraining import environment_of
from everfit.application.workspace import Workspace
from everfit.bootstrap import open_workspace
from everfit.domain.errors import RequestError
from everfit.domain.project import Backend, Environment
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.check import MARKS
from everfit.interfaces.cli.options import print_json
from everfit.settings import read_settings


def examine_aws(folder: Path, environment: str | None, *, as_json: bool) -> int:
    """Print what was found in each environment that is meant; the exit code is 1 when something is missing."""
    try:
        from everfit.bootstrap_aws.examining import examine_on_aws  # noqa: PLC0415 - boto3 is an extra, and takes a while
    except ImportError as error:
        raise RequestError("AWS needs the package boto3: pip install 'everfit[aws]'.") from error
    workspace = open_workspace(folder, read_settings(), needs_variables=False)
    is_well, rows = True, list[dict[str, object]]()
    for each in _meant(workspace, environment):
        found: list[Examined] = []
        for one in examine_on_aws(workspace, each):
            found.append(one)
            if not as_json:
                print(f"{MARKS[one.is_well]:<6} {each.name:<12} {one.name:<13} {one.words}", flush=True)
        is_well = is_well and all(one.is_well is not False for one in found)
        rows += [
            {"environment": each.name, "name": one.name, "result": MARKS[one.is_well].lower(), "words": one.words}
            for one in found
        ]
    if as_json:
        print_json({"ok": is_well, "examined": rows})
    return exit_codes.OK if is_well else exit_codes.FAILED


def _meant(workspace: Workspace, name: str | None) -> Sequence[Environment]:
    if name is not None:
        return [environment_of(workspace, name)]
    found = [each for each in workspace.project.environments.values() if each.backend is Backend.SAGEMAKER]
    if not found:
        raise RequestError(
            "No environment of everfit.yaml has backend: sagemaker, so there is nothing to examine on AWS."
        )
    return found
