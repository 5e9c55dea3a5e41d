"""A workflow says what has started it, and people are told."""

import json
from pathlib import Path

import pytest

from tests.listening import web_server
from tests.projects import PROJECT, LineProject


def test_an_alert_names_what_started_the_workflow(tmp_path: Path) -> None:
    project = LineProject(tmp_path / "line")
    project.add_rows("a.csv")
    try:
        with web_server() as heard:
            project.write("everfit.yaml", f"{PROJECT}alerts:\n  - webhook: http://127.0.0.1:{heard.port}/\n")
            assert project.everfit("run", "--because", "tag").code == 0
            (message,) = map(json.loads, heard.bodies)
            assert (message["trigger"], "Trigger: Version Tag\n" in message["body"]) == ("tag", True)
    finally:
        project.down()


@pytest.mark.parametrize("because", ["schedule", "data", "push", "api"])
def test_an_event_keeps_why_it_was_asked_for(tmp_path: Path, because: str) -> None:
    project = LineProject(tmp_path / "line")
    assert project.everfit("trigger", "--because", because).code == 0
    (event,) = project.everfit("triggers", "--json").json["triggers"]
    assert (event["kind"], event["trigger"]) == (because, "api")


def test_a_reason_that_there_is_not_is_refused(tmp_path: Path) -> None:
    project = LineProject(tmp_path / "line")
    refused = project.everfit("run", "--because", "mood")
    assert (refused.code, "'mood' is not one of" in refused.err) == (2, True)
