"""What a user does with a project, through the command line, from the first model to the way back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import PROJECT, LineProject


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    yield project
    project.down()


def deployed(project: LineProject) -> None:
    project.add_rows("a.csv", slope=1.5)
    assert project.everfit("run").code == 0


def test_the_first_version_is_judged_by_the_absolute_rules_alone_and_answers(project: LineProject) -> None:
    """No champion: the absolute rules alone decide, and the verdict says so."""
    project.add_rows("a.csv")
    run = project.everfit("run", "--json")
    assert run.code == 0
    report = run.json
    assert (report["outcome"], report["version"], report["champion_before"], report["champion_after"]) == (
        "deployed",
        1,
        None,
        1,
    )
    assert report["verdict"] == "approved"
    assert [rule["result"] for rule in report["rules"] if rule["about"] == "model"] == ["pass", "pass"]
    assert "no champion" in json.dumps(report["rules"])
    assert report["metrics"]["champion"] is None
    assert report["endpoint"]["url"].endswith("/endpoints/line/invocations")
    assert [step["outcome"] for step in report["steps"]] == ["done"] * 10
    answer = project.predict(10)
    assert (answer["status"], answer["version"]) == (200, 1)
    assert answer["body"]["predictions"][0] == pytest.approx(20, abs=0.5)


def test_a_better_version_takes_over_and_a_worse_one_is_turned_away(project: LineProject) -> None:
    deployed(project)
    project.add_rows("b.csv", first=100, count=400)
    better = project.everfit("run", "--json")
    assert (better.code, better.json["champion_before"], better.json["champion_after"]) == (0, 1, 2)
    difference = better.json["metrics"]["difference"]["mae"]
    assert difference["low"] <= difference["value"] <= difference["high"] < 0
    project.edit("train.py", "slope = sum(", "slope = 0.2 + sum(")
    worse = project.everfit("run", "--json")
    assert (worse.code, worse.json["outcome"], worse.json["version"]) == (3, "rejected", 3)
    assert worse.json["champion_after"] == 2
    assert "version 2 keeps serving" in worse.json["reason"]
    assert project.predict(10)["version"] == 2


def test_nothing_new_is_skipped_unless_forced(project: LineProject) -> None:
    deployed(project)
    again = project.everfit("run", "--json")
    assert (again.code, again.json["outcome"], again.json["version"]) == (0, "skipped", None)
    assert "nothing new" in again.json["reason"]
    forced = project.everfit("run", "--force", "--json")
    assert (forced.code, forced.json["version"]) == (0, 2)


def test_a_changed_gate_is_no_reason_to_train_again_and_changed_code_is(project: LineProject) -> None:
    deployed(project)
    project.edit("everfit.yaml", "mae <= 5", "mae <= 6")
    assert project.everfit("run", "--json").json["outcome"] == "skipped"
    project.edit("train.py", "rows = []", "rows = []  # the same, written otherwise")
    assert project.everfit("run", "--json").json["version"] == 2


def test_a_rejected_run_does_not_consume_the_data(project: LineProject) -> None:
    """A rejected run does not consume the data."""
    deployed(project)
    project.add_rows("b.csv", first=100, slope=9)
    project.edit("everfit.yaml", "mae <= 5", "mae <= 0.0001")
    assert project.everfit("run", "--json").json["outcome"] == "rejected"
    again = project.everfit("run", "--json").json
    assert (again["outcome"], again["version"]) == ("rejected", 3)


def test_a_dry_run_says_what_would_happen_and_changes_nothing(project: LineProject) -> None:
    project.add_rows("a.csv")
    plan = project.everfit("run", "--dry-run", "--json").json
    assert (plan["would"], plan["champion"], plan["files"]) == ("train", None, 1)
    assert project.everfit("runs", "--json").json == []
    deployed(project)
    assert project.everfit("run", "--dry-run", "--json").json["would"] == "skip"
    project.add_rows("b.csv", first=100, count=300)
    assert project.everfit("run").code == 0
    assert project.everfit("rollback", "--dry-run", "--json").json["to"] == 1
    assert project.predict(1)["version"] == 2


def test_rollback_goes_to_the_last_version_that_served(project: LineProject) -> None:
    """It goes to the last version that *served*, not the newest archived one."""
    deployed(project)
    project.add_rows("b.csv", first=100, count=300)
    assert project.everfit("run").code == 0
    project.edit("train.py", "slope = sum(", "slope = 3 + sum(")
    assert project.everfit("run").code == 3
    back = project.everfit("rollback", "--reason", "users complained", "--json")
    assert (back.code, back.json["from"], back.json["to"]) == (0, 2, 1)
    assert project.predict(1)["version"] == 1
    newest, *_ = project.everfit("history", "--json").json
    assert (newest["version"], newest["to"], newest["reason"], newest["actor"]) == (
        1,
        None,
        "users complained",
        "tester",
    )
    refused = project.everfit("rollback")
    assert refused.code == 1
    assert "only one that has served well" in refused.err


def test_a_rollback_before_anything_served_is_refused(project: LineProject) -> None:
    refused = project.everfit("rollback")
    assert refused.code == 1
    assert "nothing to go back from" in refused.err


def test_a_rollback_to_a_rejected_version_is_refused(project: LineProject) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to passing digests."""
    deployed(project)
    project.edit("train.py", "slope = sum(", "slope = 30 + sum(")
    assert project.everfit("run").code == 3
    refused = project.everfit("rollback", "--to", "2")
    assert refused.code == 1
    assert "never served" in refused.err
    assert project.predict(1)["version"] == 1


def test_a_rollback_whose_archive_is_tampered_with_moves_nothing(project: LineProject) -> None:
    """`rollback` verifies that the old version exists, has the right digest and loads, before it moves anything."""
    deployed(project)
    project.add_rows("b.csv", first=100, count=300)
    assert project.everfit("run").code == 0
    first = project.everfit("why", "1", "--json").json["artifact"].partition(":")[2]
    archive = project.folder / ".everfit" / "artifacts" / f"{first}.tar.gz"
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    refused = project.everfit("rollback")
    assert refused.code == 1
    assert "is not what it was" in refused.err
    assert project.predict(1)["version"] == 2
    assert project.everfit("doctor").code == 1


@pytest.fixture
def careful(project: LineProject) -> LineProject:
    """A project whose production wants a person's word."""
    project.write(
        "everfit.yaml",
        PROJECT + "environments:\n  production:\n    endpoint: line\n    approval: manual\n",
    )
    return project


def test_a_version_that_needs_approval_waits_and_is_deployed_once(careful: LineProject) -> None:
    """Approving a pending version deploys exactly that version, once, however often the approval arrives."""
    careful.add_rows("a.csv")
    waiting = careful.everfit("run", "--json")
    assert (waiting.code, waiting.json["outcome"], waiting.json["champion_after"]) == (4, "needs approval", None)
    assert careful.everfit("status", "--json").json["environments"][0]["waits_for_approval"] == [1]
    again = careful.everfit("run", "--json")
    assert (again.code, again.json["outcome"]) == (0, "skipped")
    assert "version 1, which waits for approval" in again.json["reason"]
    approved = careful.everfit("approve", "v1", "--as", "ada", "--reason", "looks right", "--json")
    assert (approved.code, approved.json["outcome"]) == (0, "deployed")
    again = careful.everfit("approve", "1", "--as", "ada", "--reason", "looks right")
    assert again.code == 0
    assert len(careful.everfit("history", "--json").json) == 1
    (placement,) = careful.everfit("why", "1", "--json").json["environments"]
    assert (placement["approval"]["actor"], placement["approval"]["reason"]) == ("ada", "looks right")
    assert placement["approval"]["verdict"].startswith("sha256:")


def test_approving_an_old_version_deploys_its_own_bytes_after_a_warning(careful: LineProject) -> None:
    """Approving v3 after v7 exists deploys v3's bytes."""
    careful.add_rows("a.csv")
    assert careful.everfit("run").code == 4
    careful.add_rows("b.csv", first=100, count=300)
    assert careful.everfit("run").code == 4
    assert careful.everfit("approve", "2", "--reason", "newer").code == 0
    older = careful.everfit("approve", "1", "--reason", "the older one after all")
    assert older.code == 0
    assert "Warning: version 2 serves and is newer" in older.err
    assert careful.predict(1)["version"] == 1


def test_a_version_that_a_person_rejects_can_never_serve(careful: LineProject) -> None:
    """Pending and rejected events deploy nothing."""
    careful.add_rows("a.csv")
    assert careful.everfit("run").code == 4
    assert careful.everfit("reject", "1", "--reason", "odd").code == 0
    assert careful.everfit("approve", "1", "--reason", "changed my mind").code != 0
    assert careful.everfit("history", "--json").json == []
    (run,) = careful.everfit("runs", "--json").json
    assert run["outcome"] == "rejected"


def test_production_takes_the_very_bytes_that_staging_tested(project: LineProject) -> None:
    project.write(
        "everfit.yaml",
        PROJECT
        + "environments:\n"
        + "  staging: {endpoint: line-staging}\n"
        + "  production: {endpoint: line, promote_from: staging, gate: [mae <= 5]}\n",
    )
    project.add_rows("a.csv", slope=1.5)
    nothing = project.everfit("promote", "--to", "production")
    assert nothing.code == 1
    assert "everfit run --env staging" in nothing.err
    assert project.everfit("run", "--env", "staging").code == 0
    promoted = project.everfit("promote", "--to", "production", "--json")
    assert (promoted.code, promoted.json["outcome"], promoted.json["version"]) == (0, "deployed", 1)
    project.edit("everfit.yaml", "gate: [mae <= 5]", "gate: [mae <= 0.000001]")
    project.add_rows("b.csv", first=100, count=300)
    assert project.everfit("run", "--env", "staging").code == 0
    turned_away = project.everfit("run", "--env", "production", "--json")
    assert (turned_away.code, turned_away.json["champion_after"]) == (3, 1)
    history = project.everfit("history", "--json").json
    assert [(row["environment"], row["version"]) for row in history if row["to"] is None] == [
        ("staging", 2),
        ("production", 1),
    ]


def test_what_was_stopped_answers_again_with_the_same_state(project: LineProject) -> None:
    deployed(project)
    assert "is stopped" in project.everfit("down").out
    assert "no endpoint host was running" in project.everfit("down").out.lower()
    assert project.predict(1)["version"] == 1


def test_logs_hold_what_the_script_printed_and_claims_are_kept_apart(project: LineProject) -> None:
    deployed(project)
    assert "slope=1.4" in project.everfit("logs").out
    version = project.everfit("why", "1", "--json").json
    assert version["claims"]["slope"] == pytest.approx(1.5, abs=0.01)
    assert "slope" not in version["metrics"]["metrics"]


def test_check_rehearses_without_leaving_a_trace(project: LineProject) -> None:
    project.add_rows("a.csv", count=200)
    checked = project.everfit("check", "--json")
    assert checked.code == 0, checked.out
    assert checked.json["ok"]
    assert project.everfit("runs", "--json").json == []
    assert list((project.folder / ".everfit" / "artifacts").glob("*.tar.gz")) == []


def test_doctor_finds_an_installation_well(project: LineProject) -> None:
    deployed(project)
    examined = project.everfit("doctor", "--json")
    assert (examined.code, examined.json["ok"]) == (0, True)


def test_a_secret_appears_nowhere(project: LineProject) -> None:
    """Secrets appear in no log, event, page or artifact."""
    secret = "hunter2-and-more"
    project.add_rows("a.csv")
    project.edit(
        "everfit.yaml", "  script: train.py", "  script: train.py\n  environment: {URL: 'db://me:${PASSWORD}@host'}"
    )
    project.edit("train.py", "rows = []", "rows = []\nprint(os.environ['URL'], flush=True)\n")
    run = project.everfit("run", PASSWORD=secret)
    assert run.code == 0, run.err
    assert "***" in run.err
    project.edit("train.py", "rows = []", "rows = []\nraise SystemExit(os.environ['URL'])\n")
    failed = project.everfit("run", "--json", PASSWORD=secret)
    assert failed.code == 1
    shown = run.out + run.err + failed.out + failed.err
    kept = [file for file in (project.folder / ".everfit").rglob("*") if file.is_file()]
    assert secret not in shown
    assert [file for file in kept if secret.encode() in file.read_bytes()] == []
    assert project.everfit("status").code == 0
    missing = project.everfit("run")
    assert missing.code == 2
    assert "PASSWORD" in missing.err


def test_a_new_shape_of_the_data_is_learnt_only_when_a_person_says_so(project: LineProject) -> None:
    deployed(project)
    table = project.folder / "data" / "a.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},z", *(f"{line},1" for line in lines[1:])]) + "\n")
    refused = project.everfit("run", "--json").json
    assert refused["outcome"] == "rejected"
    assert "everfit run --accept-schema" in refused["reason"]
    assert project.everfit("run", "--accept-schema", "--json").json["outcome"] in ("deployed", "rejected")
    table.write_text(table.read_text().replace(",1\n", ",2\n"))
    assert "schema" not in project.everfit("run", "--json").json["reason"]


def test_older_runs_keep_their_logs_and_give_back_their_space(project: LineProject) -> None:
    deployed(project)
    for number in (1, 2):
        project.add_rows(f"more-{number}.csv", first=100 * number, count=100)
        assert project.everfit("run").code in (0, 3)
    oldest = project.everfit("runs", "--json").json[-1]["run"]
    assert "slope=" in project.everfit("logs", oldest).out
    runs = project.folder / ".everfit" / "runs"
    assert not [*(runs / oldest).glob("*/ml/input"), *(runs / oldest).glob("*/ml/model")]
    assert len(list((runs / oldest).glob("*-prepare/ml/output/profile.json"))) == 1
    assert len(list(runs.glob("*/*-train/ml/input"))) == 2
