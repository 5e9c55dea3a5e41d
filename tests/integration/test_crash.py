"""A run is killed with SIGKILL at each of its writes and acts; the next command takes it to the same end, once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from everfit.bootstrap import open_ports, open_workspace
from everfit.domain.trigger import EventEnd
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.kept import events_of
from tests.projects import TRAIN, LineProject

ROOT = Path(__file__).parents[2]
STEPS = ("snapshot", "prepare", "check", "train", "evaluate", "gate", "register", "approve", "deploy", "record")

POINTS = [
    ("store", "reserve", "after", 1),
    ("inbox", "accept", "after", 1),
    ("inbox", "start", "after", 1),
    ("store", "claim", "after", 1),
    ("data", "freeze", "after", 1),
    ("jobs", "start", "after", 1),
    ("jobs", "start", "before", 2),
    ("jobs", "start", "after", 2),
    ("jobs", "start", "after", 3),
    ("artifacts", "pack", "after", 1),
    ("registry", "register", "after", 1),
    ("store", "note_version", "after", 1),
    ("endpoints", "stage", "before", 1),
    ("endpoints", "stage", "after", 1),
    ("endpoints", "shift", "after", 1),
    ("registry", "served", "after", 1),
    ("endpoints", "settle", "after", 1),
    ("store", "end", "after", 1),
]
BETWEEN = [
    ("inbox", "accept", "before", 1),
    ("inbox", "start", "before", 1),
    ("jobs", "start", "before", 1),
    ("artifacts", "pack", "before", 1),
    ("registry", "register", "before", 1),
    ("endpoints", "shift", "before", 1),
    ("registry", "served", "before", 1),
    ("endpoints", "settle", "before", 1),
    ("store", "end", "before", 1),
    *(("store", "begin_step", "after", number) for number in range(1, len(STEPS) + 1)),
]
"""Nothing is done between each of these and one of the points, but that a step is begun or has ended."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    counted = f"open({str(tmp_path / 'trained')!r}, 'a').write('x')\n"
    project.write("train.py", TRAIN + counted)
    project.add_rows("a.csv")
    yield project
    project.down()


@pytest.mark.parametrize(
    ("port", "call", "when", "nth"),
    [*POINTS, *(pytest.param(*each, marks=pytest.mark.soak) for each in BETWEEN)],
    ids=str,
)
def test_a_run_killed_anywhere_goes_on_and_deploys_once(
    project: LineProject, tmp_path: Path, port: str, call: str, when: str, nth: int
) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    killed = subprocess.run(
        [sys.executable, "-m", "tests.crashing", str(project.folder), port, call, when, str(nth)],
        cwd=ROOT,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = project.everfit("run", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["version"] in (1, None)
    assert project.predict(3.0)["version"] == 1
    assert (tmp_path / "trained").read_text() == "x"
    _check_ends(project)


def _check_ends(project: LineProject) -> None:
    settings = Settings(home=None, port=None, variables={}, actor="tester")
    workspace = open_workspace(project.folder, settings)
    ports = open_ports(workspace, settings, Silence())
    runs = ports.store.runs("line")
    assert [run.ended is not None for run in runs] == [True] * len(runs)
    # A step that is added without a kill of its own is noticed here.
    assert {step.name for run in runs for step in ports.store.steps(run.id)} == set(STEPS)
    events = events_of(ports.inbox, "line", "production")
    assert all(event.end in (EventEnd.RAN, EventEnd.SKIPPED, EventEnd.MERGED) for event in events)
    assert len(ports.registry.versions("line")) == 1
    served = ports.registry.history("line")
    assert [(one.version, one.until) for one in served] == [(1, None)]
