"""Two services that share one Postgres and one folder for the files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import LineProject
from tests.service import RunningService, until

WAITING = """\
import os, pathlib, time
folder = pathlib.Path({folder!r})
with (folder / "trainings").open("a") as file:
    file.write("one\\n")
while not (folder / "go").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def variables(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    return {"EVERFIT_DATABASE": postgres_url, "EVERFIT_HOME": str(tmp_path / "home")}


@pytest.fixture
def project(tmp_path: Path, variables: dict[str, str]) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    project.add_rows("a.csv")
    text = (project.folder / "train.py").read_text()
    project.write("train.py", WAITING.format(folder=str(project.folder.parent)) + text)
    yield project
    project.everfit("down", **variables)


def test_what_a_killed_service_had_in_hand_is_taken_up_by_the_other_one(
    project: LineProject, variables: dict[str, str]
) -> None:
    trainings = project.folder.parent / "trainings"
    with RunningService(project.folder, **variables) as one:
        assert one.post("/v1/triggers", {"model": "line"}).status == 202
        until(trainings.exists)
        with RunningService(project.folder, **variables) as other:
            assert other.post("/v1/triggers", {"model": "line", "id": "later"}).status == 202
            one.kill()
            (project.folder.parent / "go").touch()
            until(lambda: {row["end"] for row in other.get("/v1/triggers")["triggers"]} == {"ran", "skipped"})
            assert [row["outcome"] for row in other.get("/v1/runs")["runs"]] == ["skipped", "deployed"]
            history = other.get("/v1/models/line/history")["history"]
    assert ([row["version"] for row in history], trainings.read_text()) == ([1], "one\n")


def test_an_event_that_is_delivered_to_both_is_one(project: LineProject, variables: dict[str, str]) -> None:
    (project.folder.parent / "go").touch()
    with RunningService(project.folder, **variables) as one, RunningService(project.folder, **variables) as other:
        for service in (one, other, one, other):
            assert service.post("/v1/triggers", {"model": "line", "id": "same"}).status == 202
        until(lambda: [row["end"] for row in one.get("/v1/triggers")["triggers"]] == ["ran"])
        assert [row["outcome"] for row in other.get("/v1/runs")["runs"]] == ["deployed"]
