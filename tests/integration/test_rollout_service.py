"""A service that leaves a rollout where it is, goes on with it, and watches what serves."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host_client import Client
from tests.projects import INFERENCE, LineProject
from tests.service import RunningService, until

ENVIRONMENTS = """\
environments:
  production:
    endpoint: line
    rollout: {strategy: canary, steps: [20%], bake: 1s, minimum_requests: 40}
    watch: {for: 1h, roll_back_when: [error_rate > 5%]}
"""
# It does well until it is told to fail, as a version may that meets other data than it was judged by.
TURNING = INFERENCE.replace(
    "    return [row",
    "    if Path(FLAG).exists():\n        raise ValueError('other data')\n    return [row",
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    project.edit("everfit.yaml", "  - mae <= champion * 1.01\n", ENVIRONMENTS)
    project.add_rows("a.csv")
    yield project
    project.down()


def send(project: LineProject, count: int) -> None:
    client = Client(project.folder / ".everfit")
    with closing(client.connection):
        for number in range(count):
            body = json.dumps({"instances": [{"x": number, "id": 1}]})
            client.send("POST", "/endpoints/line/invocations", body, content_type="application/json")


def shown(service: RunningService) -> Any:
    return service.get("/v1/models/line")["environments"][0]


def step(found: Any) -> Any:
    rollout = found["rollout"]
    return rollout and (rollout["challenger"], rollout["step"])


def test_a_rollout_outlives_the_service_and_the_watch_takes_back_what_turns_bad(
    project: LineProject, tmp_path: Path
) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once.

    Breach of the watch leads back to the last good version, with an alert, and triggers do not bring the bad one back.
    """
    assert project.everfit("run", "--json").json["outcome"] == "deployed"
    flag = tmp_path / "turned"
    project.write("inference.py", TURNING.replace("FLAG", repr(str(flag))))
    service = RunningService(project.folder)
    with service:
        assert project.everfit("trigger").code == 0
        until(lambda: step(shown(service)) == (2, 1))
        assert project.everfit("rollout", "pause", "--reason", "lunch").code == 0
        send(project, 250)
        assert service.end() == 0
    found = project.everfit("status", "--json").json["environments"][0]
    assert (step(found), found["endpoint"]["weights"]) == ((2, 1), {"1": 0.8, "2": 0.2})
    with service:
        assert project.everfit("rollout", "resume", "--reason", "back").code == 0
        until(lambda: step(shown(service)) == (2, 2))
        send(project, 50)
        until(lambda: shown(service)["champion"] == 2)
        flag.touch()
        send(project, 60)
        until(lambda: shown(service)["champion"] == 1)
        assert project.everfit("trigger").code == 0
        until(lambda: shown(service)["last_run"]["outcome"] == "skipped")
    history = project.everfit("history", "--json").json
    assert [(row["version"], row["actor"]) for row in history] == [(1, "watch"), (2, "tester"), (1, "tester")]
    assert "error_rate > 5%" in history[0]["reason"]
