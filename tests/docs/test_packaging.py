"""The unit for systemd and the container file start what there is, and stop it without taking the models along."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from everfit.interfaces.cli.main import everfit
from everfit.interfaces.cli.up import up_command
from tests.docs.pages import ROOT

PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(PACKAGING / "everfit.service")
    return parser


def instructions() -> list[tuple[str, str]]:
    text = (PACKAGING / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_unit_calls_the_command_with_options_that_it_has(unit: configparser.ConfigParser) -> None:
    program, command, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert (Path(program).name, command) == ("everfit", "up")
    up_command.make_context("up", arguments)


def test_a_stop_of_the_unit_leaves_models_and_trainings_alone(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert (service["KillMode"], service["KillSignal"], service["OOMPolicy"]) == ("process", "SIGTERM", "continue")


def test_the_unit_waits_longer_than_the_service_takes_to_drain(unit: configparser.ConfigParser) -> None:
    arguments = shlex.split(unit["Service"]["ExecStart"])
    assert float(unit["Service"]["TimeoutStopSec"]) > float(arguments[arguments.index("--grace") + 1])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = (PACKAGING / "everfit.service").read_text()
    command = Path(sys.executable).parent / "everfit"
    (tmp_path / "everfit.service").write_text(text.replace("/opt/everfit/bin/everfit", str(command)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "everfit.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_container_starts_a_command_that_there_is() -> None:
    found = dict(instructions())
    entry, given = (re.findall(r'"([^"]+)"', found[name]) for name in ("ENTRYPOINT", "CMD"))
    assert entry[-1] in PROJECT["scripts"]
    assert given[0] in everfit.list_commands(everfit.make_context("everfit", [], resilient_parsing=True))


def test_the_container_copies_files_that_there_are_and_installs_extras_that_there_are() -> None:
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert all((ROOT / word).exists() for word in copied)
    (extras,) = re.findall(r"/src\[([a-z,]+)\]", (PACKAGING / "Containerfile").read_text())
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_container_runs_as_an_account_of_its_own_and_keeps_its_state_outside() -> None:
    found = dict(instructions())
    assert found["USER"] == "everfit"
    assert "/var/lib/everfit" in found["VOLUME"]
    assert "EVERFIT_HOME=/var/lib/everfit" in found["ENV"]
