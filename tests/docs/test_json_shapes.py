"""What ``--json`` prints has the keys that the reference shows."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.projects import EVERFIT, PROJECT, LineProject

PAGE = ROOT / "docs" / "reference" / "json.md"
ENVIRONMENTS = """environments:
  staging: {}
  production: {promote_from: staging, approval: manual}
alerts:
  - webhook: http://127.0.0.1:1/
"""
NAMED_BY_THE_USER = ("challenger", "champion", "difference", "packages", "weights", "claims", "slices")
"""Objects whose keys are names of metrics, packages … and not part of the shape."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    project = LineProject(tmp_path_factory.mktemp("json") / "line")
    project.write("everfit.yaml", PROJECT + ENVIRONMENTS)
    try:
        yield dict(outputs(project))
    finally:
        project.down()


def outputs(project: LineProject) -> Iterator[tuple[str, Any]]:
    """Yield what each command prints, under the heading of the page and the number of its example there."""
    staging = ("--env", "staging", "--json")
    reason = ("--reason", "seen", "--json")
    body = json.dumps({"instances": [{"x": 3, "id": 0}]})
    project.add_rows("a.csv", slope=1.5)
    yield "check, doctor 0", project.everfit("check", *staging).json
    yield "run --dry-run, promote --dry-run 0", project.everfit("run", "--dry-run", *staging).json
    project.everfit("run", *staging)
    project.add_rows("b.csv", first=100, count=400)
    yield "run, promote, approve, reject, and why RUN 0", project.everfit("run", *staging).json
    yield "alerts 0", project.everfit("alerts", "--json").json
    yield "alerts 1", project.everfit("alerts", "test", "--json").json
    yield "runs 0", project.everfit("runs", "--json").json
    yield "history 0", project.everfit("history", "--json").json
    yield "why VERSION 0", project.everfit("why", "2", "--json").json
    yield from paused(project, staging)
    project.everfit("run", *staging)
    yield "status 0", project.everfit("status", "--json").json
    project.everfit("promote", "--to", "production", "--json")
    yield "run --dry-run, promote --dry-run 1", project.everfit("approve", "--dry-run", *reason).json
    project.everfit("approve", *reason)
    yield "run, promote, approve, reject, and why RUN 1", project.everfit("approve", "2", *reason).json
    yield "predict 0", project.everfit("predict", *staging, stdin=body).json
    yield "rollback 0", project.everfit("rollback", *staging).json
    yield "The schema version 0", project.everfit("rollback", "--env", "nowhere", "--json").json
    yield "doctor", project.everfit("doctor", "--json").json
    yield "down 0", project.everfit("down", "--json").json
    yield "init 0", initialised(project)


def paused(project: LineProject, staging: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    project.everfit("pause", *staging, "--reason", "seen")
    yield "trigger 0", project.everfit("trigger", *staging, "--id", "monday", "--reason", "new labels").json
    yield "triggers 0", project.everfit("triggers", *staging, "--end", "pending").json
    yield "pause, resume, cancel 0", project.everfit("pause", *staging, "--reason", "seen").json
    yield "pause, resume, cancel 1", project.everfit("resume", *staging).json


def initialised(project: LineProject) -> Any:
    """Return what ``init`` prints, which takes no ``-C``."""
    command = [str(EVERFIT), "init", str(project.folder / "new"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=project.environment(), check=True)
    return json.loads(done.stdout)


def documented() -> dict[str, Any]:
    """Return the examples of the page by heading and number."""
    found: dict[str, Any] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading = section.split("\n", 1)[0]
        for number, block in enumerate(section.split("```json\n")[1:]):
            found[f"{heading} {number}"] = json.loads(block.split("```")[0])
    return found


def shape(value: Any, name: str = "") -> Any:
    """Return the keys of a value, and those below; of a list, those of its first entry; None for what is empty."""
    if isinstance(value, list):
        return [shape(value[0], name)] if value else None
    if not isinstance(value, dict) or not value:
        return None
    is_of_metrics = name == "metrics" and any(isinstance(each, dict) and "rows" in each for each in value.values())
    if name in NAMED_BY_THE_USER or is_of_metrics:
        return {"*": shape(next(iter(value.values())))}
    return {key: shape(below, key) for key, below in value.items()}


def differences(shown: Any, real: Any, at: str = "") -> Iterator[str]:
    """Yield where two shapes differ; what is empty on one side says nothing about the other."""
    if isinstance(shown, list) and isinstance(real, list):
        yield from differences(shown[0], real[0], f"{at}[]")
    elif isinstance(shown, dict) and isinstance(real, dict):
        yield from (f"{at}.{key} is not printed" for key in shown.keys() - real.keys())
        yield from (f"{at}.{key} is not documented" for key in real.keys() - shown.keys())
        for key in shown.keys() & real.keys():
            yield from differences(shown[key], real[key], f"{at}.{key}")
    elif None not in (shown, real):
        yield f"{at} is of another kind"


def test_every_example_has_the_keys_that_are_printed(printed: dict[str, Any]) -> None:
    examples = documented()
    assert examples.keys() <= printed.keys()
    for heading, example in examples.items():
        assert list(differences(shape(example), shape(printed[heading]), heading)) == []


def test_doctor_prints_what_check_prints(printed: dict[str, Any]) -> None:
    assert printed["doctor"].keys() == printed["check, doctor 0"].keys()


def test_every_object_names_its_schema_version(printed: dict[str, Any]) -> None:
    objects = {heading: value for heading, value in printed.items() if isinstance(value, dict)}
    assert {heading for heading, value in objects.items() if value.get("schema") != 1} == set()
