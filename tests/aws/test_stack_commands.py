"""``plan``, ``apply`` and ``destroy`` as people and programs use them."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.packages import CARRIED
from everfit.adapters.aws.wheels import JOBS, LAMBDA, OF_JOBS, pinned
from tests.aws.bench.client import ROOT, Bench
from tests.aws.blueprints import PLAIN
from tests.aws.stacks import BASE, STACK, write


def fill(cache: Path) -> None:
    """Lay down the wheels that a command would download: no test reaches for a package index."""
    for target, names in ((LAMBDA, CARRIED), (JOBS, OF_JOBS)):
        for name, version in pinned(names, target).items():
            folder = cache / f"{target.python}-{target.platforms[0]}" / f"{name}-{version}"
            folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{name}/__init__.py", "")


class Terminal:
    """The command line in a project, with nobody at the keyboard."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder, self._variables = folder, variables
        fill(folder / ".everfit" / "aws" / "wheels")

    def run(self, *words: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, **self._variables, "EVERFIT_HOME": str(self.folder / ".everfit"), **more}
        done = subprocess.run(
            [Path(sys.executable).with_name("everfit"), *words],
            cwd=self.folder,
            env={**variables, "PYTHONPATH": f"{ROOT}/src"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.run(*words, "--json").stdout)
        return read


@pytest.fixture
def terminal(bench: Bench, aws_environment: Mapping[str, str], tmp_path: Path) -> Terminal:
    return Terminal(write(tmp_path / "churn", PLAIN), aws_environment)


def stacks(bench: Bench) -> set[str]:
    return {each["StackName"] for each in bench.client("cloudformation").describe_stacks()["Stacks"]}


def test_a_plan_is_in_words_and_changes_nothing(terminal: Terminal, bench: Bench) -> None:
    text = terminal.run("plan").stdout
    assert "churn in production: account 123456789012, us-east-1" in text
    assert "+ added StepFunctions StateMachine Machine" in text
    for heading in ("Not protected:", "Cost, estimated:", "Who may do what", "Next: everfit apply"):
        assert heading in text
    assert stacks(bench) == set()


def test_a_plan_is_one_json_object_with_figures(terminal: Terminal) -> None:
    plan = terminal.json("plan", "--runs", "10")
    assert plan["changes"] is True
    assert [each["name"] for each in plan["stacks"]] == [BASE, STACK]
    assert plan["cost"]["runs"] == 10
    assert plan["cost"]["month"] > plan["cost"]["run"] * 10 > 0
    assert {right["who"] for right in plan["rights"]} >= {"the steps of a run", "EventBridge Scheduler"}


def test_the_template_is_printed_by_itself(terminal: Terminal) -> None:
    template = json.loads(terminal.run("plan", "--show-template").stdout)
    assert template["Resources"]["Machine"]["Type"] == "AWS::StepFunctions::StateMachine"


def test_prices_of_ones_own_are_taken_and_wrong_ones_refused(terminal: Terminal) -> None:
    listed = json.loads((ROOT / "src/everfit/adapters/aws/stack/prices.json").read_text())
    (terminal.folder / "prices.json").write_text(json.dumps({**listed, "currency": "EUR"}))
    assert "EUR a month" in terminal.run("plan", "--prices", "prices.json").stdout
    (terminal.folder / "prices.json").write_text("{")
    assert "is no JSON" in terminal.run("plan", "--prices", "prices.json", code=2).stderr


def test_nothing_is_changed_when_nobody_is_there_to_agree(terminal: Terminal, bench: Bench) -> None:
    for command in ("apply", "destroy"):
        assert f"everfit {command} --yes" in terminal.run(command, code=2).stderr
    assert stacks(bench) == set()


def test_apply_and_destroy_say_what_they_did(terminal: Terminal, bench: Bench) -> None:
    applied = terminal.json("apply", "--yes")
    assert applied["stack"] == STACK
    assert applied["outputs"]["Endpoint"] == "churn"
    assert terminal.json("apply", "--yes")["changed"] == 0
    assert "Nothing would change" in terminal.run("plan").stdout
    assert "would remove the stack" in terminal.run("destroy", code=2).stderr
    text = terminal.run("destroy", "--yes").stdout
    assert f"removed the stack {STACK}" in text
    assert "kept everything below s3://everfit-bench/everfit" in text
    assert stacks(bench) == {BASE}


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--env", "productoin"), "did you mean production"), (("--env", "local"), "is not on AWS: its backend is local")],
)
def test_an_environment_that_has_no_stack_is_refused(terminal: Terminal, words: tuple[str, ...], told: str) -> None:
    write(terminal.folder, PLAIN.replace("environments:", "environments:\n  local: {endpoint: x}"))
    assert told in terminal.run("plan", *words, code=1 if "local" in words else 2).stderr


def test_without_credentials_one_sentence_says_so(terminal: Terminal) -> None:
    found = terminal.run("plan", code=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "there are no AWS credentials" in found.stderr
