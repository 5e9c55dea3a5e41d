"""Asking for runs, holding them back and stopping them, as a person does in a terminal."""

import json
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from everfit.interfaces.cli import exit_codes
from tests.projects import PROJECT, LineProject

ENDLESS = """\
import os, time
from pathlib import Path

print("training has begun", flush=True)
Path(os.environ["BEGUN"]).write_text("begun")
time.sleep(1000)
"""
TWO = """environments:
  staging: {}
  production: {promote_from: staging}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    made = LineProject(tmp_path / "line")
    made.add_rows("a.csv")
    yield made
    made.down()


def test_what_was_asked_for_waits_and_joins_the_next_run(project: LineProject) -> None:
    asked = project.everfit("trigger", "--id", "monday", "--reason", "new labels", "--as", "ada")
    assert (asked.code, "no service is up here" in asked.out) == (exit_codes.OK, True)
    assert project.everfit("trigger", "--id", "monday", "--json").json["actor"] == "ada"
    status = project.everfit("status", "--json").json["environments"][0]
    assert (status["waiting"]["events"], status["paused"]) == (1, None)
    run = project.everfit("run", "-q", "--json").json
    ended = {row["id"]: (row["end"], row["run"]) for row in project.everfit("triggers", "--json").json["triggers"]}
    assert ended == {"api:monday": ("ran", run["run"]), f"api:{run['run']}": ("merged", run["run"])}
    again = project.everfit("trigger", "--id", "monday")
    assert again.out == f"api:monday is known: ran, run {run['run']}.\n"


def test_a_held_run_waits_for_a_person_and_can_be_cancelled(project: LineProject) -> None:
    project.everfit("trigger", "--hold")
    run = project.everfit("run", "-q", "--json")
    assert run.code == exit_codes.NEEDS_APPROVAL
    cancelled = project.everfit("cancel", run.json["run"], "--reason", "wrong data", "--json")
    assert (cancelled.code, cancelled.json["outcome"]) == (exit_codes.OK, "cancelled")
    assert cancelled.json["reason"] == "cancelled by tester: wrong data"
    assert project.everfit("approve", "1", "--reason", "late").code != exit_codes.OK
    ends = {row["end"] for row in project.everfit("triggers", "--json").json["triggers"]}
    assert ends == {"skipped"}


def test_a_training_under_way_is_stopped_by_another_terminal(project: LineProject, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    project.write("train.py", ENDLESS)
    project.edit("everfit.yaml", "timeout: 1m", "timeout: 10m\n  environment: {BEGUN: " + f"{begun}" + "}")
    running = project.start("run", "--json")
    with open(os.open(begun, os.O_RDONLY | os.O_NONBLOCK)) as told:
        assert select.select([told], [], [], 60)[0], "the training never began"
    name = project.everfit("runs", "--json").json[0]["run"]
    asked = project.everfit("cancel", name, "--reason", "wrong data")
    assert (asked.code, "is asked to stop" in asked.out) == (exit_codes.OK, True)
    out, _ = running.communicate(timeout=60)
    assert (running.returncode, json.loads(out)["outcome"]) == (exit_codes.FAILED, "cancelled")


def test_a_pause_says_who_why_and_how_to_go_on(project: LineProject) -> None:
    paused = project.everfit("pause", "--reason", "holiday", "--as", "ada")
    assert paused.out.startswith("line is paused in every environment. Triggers are kept;")
    project.everfit("trigger")
    shown = project.everfit("triggers").out
    assert "waits" in shown
    assert "paused by ada: holiday" in project.everfit("status").out
    assert "another pause holds: everfit resume" in project.everfit("resume", "--env", "production").out
    assert project.everfit("resume").out == "The pause of line in every environment is over.\n"
    assert project.everfit("resume").out == "There is no pause of line in every environment; nothing was changed.\n"


@pytest.mark.parametrize("command", [("pause",), ("cancel", "run-1"), ("approve", "1"), ("reject", "1")])
def test_a_reason_that_says_nothing_is_refused(project: LineProject, command: tuple[str, ...]) -> None:
    done = project.everfit(*command, "--reason", "  ")
    assert (done.code, "say in a few words why" in done.err) == (exit_codes.USAGE, True)


def test_events_of_several_environments_can_be_read_in_a_narrow_terminal(project: LineProject) -> None:
    project.write("everfit.yaml", PROJECT + TWO.replace("{promote_from: staging}", "{}"))
    reason = "the labels of march were wrong"
    for environment in ("staging", "production"):
        project.everfit("trigger", "--env", environment, "--reason", reason)
    lines = project.everfit("triggers", COLUMNS="80").out.splitlines()
    assert sum(reason in line for line in lines) == 2
    assert max(len(line) for line in lines if reason in line) <= 80


def test_what_cannot_be_promoted_leaves_nothing_waiting(project: LineProject) -> None:
    project.write("everfit.yaml", PROJECT + TWO)
    project.everfit("trigger", "--env", "production")
    refused = project.everfit("run", "--env", "production")
    assert (refused.code, "There is nothing to promote" in refused.err) == (exit_codes.FAILED, True)
    project.add_rows("b.csv", first=100)
    assert project.everfit("run", "-q", "--env", "staging").code == exit_codes.OK
    assert project.everfit("run", "-q", "--env", "production").code == exit_codes.OK


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("trigger", "--env", "produktion"), exit_codes.USAGE, "did you mean production?"),
        (("trigger", "--id", ""), exit_codes.USAGE, "1 to 200 printable characters"),
        (("trigger", "--id", "a\nb"), exit_codes.USAGE, "1 to 200 printable characters"),
        (("trigger", "--id", "x" * 201), exit_codes.USAGE, "1 to 200 printable characters"),
        (("trigger", "--reason", "x" * 4_001), exit_codes.USAGE, "at most 4,000 characters"),
        (("triggers", "--end", "never"), exit_codes.USAGE, "'never' is not one of"),
        (("triggers", "--env", "produktion"), exit_codes.USAGE, "did you mean production?"),
        (("triggers", "--limit", "0"), exit_codes.USAGE, "0 is not in the range"),
        (("pause",), exit_codes.USAGE, "Missing option '--reason'"),
        (("pause", "--env", "produktion", "--reason", "x"), exit_codes.USAGE, "did you mean production?"),
        (("resume", "--env", "produktion"), exit_codes.USAGE, "did you mean production?"),
        (("cancel", "nix", "--reason", "x"), exit_codes.USAGE, "There is no run nix"),
        (("cancel", "--reason", "x"), exit_codes.USAGE, "Missing argument 'RUN'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(project: LineProject, words: tuple[str, ...], code: int, told: str) -> None:
    result = project.everfit(*words)
    assert (result.code, told in result.err) == (code, True), result.err


def test_a_run_that_has_ended_cannot_be_cancelled(project: LineProject) -> None:
    run = project.everfit("run", "-q", "--json").json["run"]
    late = project.everfit("cancel", run, "--reason", "x")
    assert (late.code, "there is nothing to cancel" in late.err) == (exit_codes.USAGE, True)
