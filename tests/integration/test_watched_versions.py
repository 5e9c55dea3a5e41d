"""What is kept and watched follows the version that serves, through a deployment and a way back."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from everfit.serving.capture_keeper import keep
from tests.integration.captured import rows_of
from tests.integration.host_client import Client, eventually
from tests.projects import LineProject

WATCHED = """\
environments:
  production:
    endpoint: line
    watch: {for: 1h, roll_back_when: [error_rate > 5%]}
monitor: {capture: 100%}
"""
EACH = 12


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    project.edit("everfit.yaml", "  - mae <= champion * 1.01\n", WATCHED)
    yield project
    project.down()


def test_capture_and_watch_follow_the_version_that_serves(project: LineProject) -> None:
    """Capture, baselines and alarms follow the version that serves; a deployment never leaves it unwatched."""
    answered: list[tuple[str, int]] = []

    def ask() -> None:
        client = Client(project.folder / ".everfit")
        with closing(client.connection):
            for _ in range(EACH):
                name = f"order-{len(answered)}"
                got = client.send(
                    "POST",
                    "/endpoints/line/invocations",
                    json.dumps({"instances": [{"x": 1.0, "id": 1}]}),
                    content_type="application/json",
                    x_amzn_sagemaker_inference_id=name,
                )
                answered.append((name, int(got.headers["x-everfit-version"])))

    def watched() -> int:
        watch = project.everfit("status", "--json").json["environments"][0]["watch"]
        assert [rule["rule"] for rule in watch["rules"]] == ["error_rate > 5%"]
        return int(watch["version"])

    for number, name in enumerate(("a.csv", "b.csv"), start=1):
        project.add_rows(name)
        assert project.everfit("run", "--json").json["outcome"] == "deployed"
        ask()
        assert watched() == number
    assert project.everfit("rollback", "--json").json["to"] == 1
    ask()
    assert watched() == 1
    assert [version for _, version in answered] == [1] * EACH + [2] * EACH + [1] * EACH
    project.down()

    def kept() -> list[Any]:
        # One that the host started may still be at it, and then this one leaves it to that.
        host = project.folder / ".everfit" / "host"
        keep(host, time.time())
        rows = rows_of(host, "inference_id, version", "line")
        return rows if len(rows) >= len(answered) else []

    assert sorted(eventually(kept, "all requests became Parquet")) == sorted(answered)
