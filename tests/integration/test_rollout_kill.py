"""A real canary under real traffic: whoever drives it is killed in each of its phases, and no request fails."""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host_client import Client
from tests.projects import INFERENCE, LineProject

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = """\
environments:
  production:
    endpoint: line
    rollout: {strategy: canary, steps: [20%, 50%], bake: 0s, minimum_requests: 30}
"""
# In the first step, on the way to the next one, and behind the last one.
POINTS = [
    ("traffic", "split", "after", 1),
    ("rollouts", "keep", "before", 4),
    ("registry", "served", "before", 1),
]
PICKY = INFERENCE.replace(
    "    return [row",
    '    if any(row["x"] > 100 for row in rows):\n        raise ValueError("far out")\n    return [row',
)


class Callers:
    """Send one request after the other until they are told to stop."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stop = threading.Event()
        self.answers: Counter[tuple[int, str]] = Counter()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _send(self) -> None:
        client = Client(self._home)
        body = json.dumps({"instances": [{"x": 500, "id": 1}]})
        while not self._stop.wait(0.002):
            got = client.send("POST", "/endpoints/line/invocations", body, content_type="application/json")
            self.answers[got.status, got.headers.get("x-everfit-version", "")] += 1


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    project.edit("everfit.yaml", "  - mae <= champion * 1.01\n", ENVIRONMENTS)
    project.add_rows("a.csv")
    yield project
    project.down()


def killed(project: LineProject, *point: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashing", str(project.folder), *map(str, point)],
        cwd=ROOT,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_canary_killed_in_each_phase_fails_no_request_and_comes_to_its_end(project: LineProject) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    assert project.everfit("run", "--json").json["outcome"] == "deployed"
    callers = Callers(project.folder / ".everfit")
    try:
        for number, point in enumerate(POINTS, 2):
            project.add_rows(f"{number}.csv", first=100 * number)
            killed(project, *point)
            resumed = project.everfit("run", "--json")
            assert resumed.code == 0, resumed.err
            assert project.everfit("status", "--json").json["environments"][0]["champion"] == number
        well = Counter(callers.answers)
        newest = len(POINTS) + 1
        project.write("inference.py", PICKY)
        failed = project.everfit("run", "--json")
    finally:
        callers.stop()
    assert {status for status, _ in well} == {200}, well
    assert {version for _, version in well} == {str(number) for number in range(1, newest + 1)}
    assert failed.json["outcome"] == "failed"
    assert f"version {newest + 1} was taken back in step 1 of 3" in failed.json["reason"]
    later = callers.answers - well
    assert {version for status, version in later if status != 200} == {str(newest + 1)}
    shown = project.everfit("status", "--json").json["environments"][0]
    assert (shown["champion"], shown["endpoint"]["weights"]) == (newest, {str(newest): 1.0})
    again = project.everfit("run", "--json").json
    assert again["outcome"] == "skipped"
    assert "which was rolled back" in again["reason"]
