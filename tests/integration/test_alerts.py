"""Alerts and approvals as people meet them: on the command line, and from a service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.listening import Heard, silent_server, web_server
from tests.projects import PROJECT, LineProject
from tests.service import RunningService, until

ALERTS = """\
environments:
  production:
    approval: {when: mae >= 0.1, approvers: [grace], four_eyes: true, expires: 14d}
alerts:
  - webhook: ${HOOK}
"""


@pytest.fixture
def web() -> Iterator[Heard]:
    with web_server() as heard:
        yield heard


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    made = LineProject(tmp_path / "line")
    made.write("everfit.yaml", PROJECT + ALERTS)
    made.add_rows("a.csv")
    yield made
    made.down()


def told(web: Heard) -> list[dict[str, Any]]:
    return [json.loads(body) for body in web.bodies]


def test_a_command_tells_what_it_has_brought_about(project: LineProject, web: Heard) -> None:
    hook = f"http://127.0.0.1:{web.port}/s3cret-hook"
    assert project.everfit("run", HOOK=hook).code == 4
    assert [each["kind"] for each in told(web)] == ["needs approval"]
    refused = project.everfit("approve", "--as", "mallory", "--reason", "x", HOOK=hook)
    assert (refused.code, "grace may" in refused.err) == (1, True)
    assert project.everfit("approve", "--as", "Grace", "--reason", "x", HOOK=hook).code == 0
    assert [each["kind"] for each in told(web)] == ["needs approval", "deployed"]
    rows = project.everfit("alerts", "--json", HOOK=hook)
    assert [(row["kind"], row["state"]) for row in rows.json] == [
        ("deployed", "delivered"),
        ("needs approval", "delivered"),
    ]
    database = (project.folder / ".everfit" / "state.db").read_bytes()
    assert b"s3cret-hook" not in database + rows.out.encode()


def test_a_channel_that_is_down_changes_no_exit_code_and_is_shown(project: LineProject) -> None:
    result = project.everfit("run", HOOK="http://127.0.0.1:1/s3cret-hook")
    assert result.code == 4
    assert "It is kept and tried again" in result.err
    assert "s3cret" not in result.err
    (row,) = project.everfit("alerts", "--json", "--state", "waiting").json
    assert (row["channel"], row["attempts"]) == ("webhook", 1)
    doctor = project.everfit("doctor", HOOK="https://unused")
    assert "alert 1 waits for webhook" in doctor.out


def test_a_test_says_for_each_channel_what_came_of_it(project: LineProject, web: Heard) -> None:
    project.edit("everfit.yaml", "alerts:\n", "alerts:\n  - email: team@example.com\n")
    hook = f"http://127.0.0.1:{web.port}/"
    both = project.everfit("alerts", "test", HOOK=hook)
    assert both.code == 1
    assert "webhook: delivered" in both.out
    assert "email: not delivered: Nobody has said which mail server to use" in both.out
    one = project.everfit("alerts", "test", "--channel", "webhook", "--json", HOOK=hook)
    assert (one.code, one.json["ok"]) == (0, True)
    wrong = project.everfit("alerts", "test", "--channel", "webhok", HOOK=hook)
    assert (wrong.code, "did you mean webhook?" in wrong.err) == (2, True)
    assert [each["kind"] for each in told(web)] == ["test", "test"]


def test_an_alert_that_is_not_there_or_has_arrived_is_not_tried_again(project: LineProject, web: Heard) -> None:
    hook = f"http://127.0.0.1:{web.port}/"
    project.everfit("run", HOOK=hook)
    for number, words in (("9", "There is no delivery 9"), ("1", "was delivered"), ("x", "not a valid integer")):
        result = project.everfit("alerts", "retry", number, HOOK=hook)
        assert (result.code, words in result.err) == (2, True), result.err


def test_mistakes_in_who_is_told_what_are_named_with_their_line(project: LineProject) -> None:
    project.write(
        "everfit.yaml",
        PROJECT + "alerts:\n  - slack: https://x\n    on: [deplyoed]\n"
        "  - {webhook: 'http://example.com/', environments: [prod]}\n  - {template: threshold}\n",
    )
    result = project.everfit("check")
    assert result.code == 2
    for words in ("did you mean deployed?", "https://, or http:// on this machine", "names no environment", "one kind"):
        assert words in result.err


def test_a_service_tells_what_its_runs_bring_about_while_a_channel_hangs(project: LineProject, web: Heard) -> None:
    with silent_server() as silent:
        project.edit(
            "everfit.yaml",
            "  - webhook: ${HOOK}\n",
            f"  - webhook: http://127.0.0.1:{silent}/\n  - webhook: ${{HOOK}}\n",
        )
        with RunningService(project.folder, HOOK=f"http://127.0.0.1:{web.port}/"):
            assert project.everfit("trigger", HOOK="https://unused").code == 0
            until(lambda: [each["kind"] for each in told(web)] == ["needs approval"])
            decided = project.everfit("approve", "--as", "grace", "--reason", "x", HOOK="https://unused")
            assert decided.code == 0
            until(lambda: [each["kind"] for each in told(web)] == ["needs approval", "deployed"])
