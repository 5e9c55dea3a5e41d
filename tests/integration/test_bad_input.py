"""What a user can get wrong, through the command line: one clear sentence, an exit code, nothing lost."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import INFERENCE, PROJECT, TRAIN, LineProject
from tests.small_disk import mounted

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    yield project
    project.down()


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path: Path) -> None:
    project = LineProject(tmp_path / "line")
    (project.folder / "everfit.yaml").unlink()
    result = project.everfit("run")
    assert result.code == 2
    assert "there is no everfit.yaml" in result.err
    assert "everfit init" in result.err


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("target: y", "targte: y", 5, "target"),
        ("timeout: 1m", "timeout: 1 fortnight", 9, "1h"),
        ("mae <= 5", "maee <= 5", 15, "mae"),
        ("task: regression", "task: regresion", 2, "regression"),
    ],
)
def test_a_wrong_word_is_named_with_its_line_and_the_right_one(
    project: LineProject, old: str, new: str, line: int, words: str
) -> None:
    project.edit("everfit.yaml", old, new)
    result = project.everfit("run")
    assert result.code == 2
    assert f"everfit.yaml:{line}" in result.err
    assert words in result.err


def test_a_missing_script_is_found_before_anything_runs(project: LineProject) -> None:
    """A wrong path is found before training costs anything."""
    project.add_rows("a.csv")
    (project.folder / "train.py").unlink()
    result = project.everfit("run", "--json")
    assert (result.code, result.json["outcome"]) == (1, "failed")
    assert "no file train.py" in result.json["error"]
    assert [step["name"] for step in result.json["steps"]] == ["snapshot"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("train.py", "import os\ndef broken(:\n", "train.py, line 2"),
        ("train.py", "import a_package_nobody_has\n", "train.py imports a_package_nobody_has"),
        ("inference.py", "x = 1\n", "holds no handler"),
        ("inference.py", INFERENCE + "\n\ndef transform_fn(model, body, kind, accept): ...\n", "keep one or the other"),
    ],
)
def test_a_script_that_cannot_run_is_found_before_training(
    project: LineProject, name: str, text: str, words: str
) -> None:
    """An unloadable script or missing package is found before training costs anything."""
    project.add_rows("a.csv")
    project.write(name, text)
    result = project.everfit("run", "--json")
    assert (result.code, result.json["outcome"]) == (1, "failed")
    assert words in result.json["error"]
    assert "train" not in [step["name"] for step in result.json["steps"]]
    assert project.everfit("check").code == 1


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_data_that_is_not_there_is_an_error_and_never_no_new_data(project: LineProject, how: str) -> None:
    """ "Storage unreachable" is an error; it is never "no new data"."""
    if how == "missing":
        (project.folder / "data").rmdir()
    result = project.everfit("run", "--json")
    assert (result.code, result.json["outcome"]) == (1, "failed")
    assert "data" in result.json["error"]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_rows_are_turned_away(project: LineProject, count: int) -> None:
    project.add_rows("a.csv", count=count)
    result = project.everfit("run", "--json")
    assert (result.code, result.json["outcome"]) == (3, "rejected")
    assert "row" in result.json["reason"]


def test_a_schema_break_stops_the_run_before_training(project: LineProject, tmp_path: Path) -> None:
    """A schema break stops the run before training, with the column and the figures."""
    project.write("train.py", TRAIN + f"open({str(tmp_path / 'trained')!r}, 'a').write('x')\n")
    project.add_rows("a.csv")
    assert project.everfit("run").code == 0
    table = project.folder / "data" / "a.csv"
    table.write_text(table.read_text().replace("id,x,y", "id,ex,y"))
    result = project.everfit("run", "--json")
    assert (result.code, result.json["champion_after"]) == (3, 1)
    assert "ex" in result.json["reason"]
    assert (tmp_path / "trained").read_text() == "x"
    assert project.predict(2)["version"] == 1


def test_a_script_that_exits_without_a_model_is_a_failed_run(project: LineProject) -> None:
    """A training script that exits 0 without a model is a failed run."""
    project.add_rows("a.csv")
    project.write("train.py", "print('all is well')\n")
    result = project.everfit("run", "--json")
    assert (result.code, result.json["outcome"]) == (1, "failed")
    assert "model" in result.json["error"]
    assert "all is well" in result.json["error"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("[row['x'] * slope for row in rows][1:]", "row"),
        ("[float('nan') for row in rows]", "NaN"),
        ("['many' for row in rows]", "many"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_model_whose_answers_cannot_be_judged_never_serves(project: LineProject, answer: str, words: str) -> None:
    """NaN, infinity, a missing metric is inconclusive: it never approves."""
    project.add_rows("a.csv")
    project.edit("inference.py", '[row["x"] * slope for row in rows]', answer)
    result = project.everfit("run", "--json")
    assert (result.code, result.json["outcome"], result.json["champion_after"]) == (3, "rejected", None)
    assert words in str(result.json["rules"])
    assert project.everfit("history", "--json").json == []


def test_a_newer_state_is_refused(project: LineProject) -> None:
    project.add_rows("a.csv")
    assert project.everfit("run").code == 0
    with sqlite3.connect(project.folder / ".everfit" / "state.db") as database:
        database.execute("update schema_version set version = version + 100")
    database.close()
    result = project.everfit("status")
    assert result.code == 1
    assert "newer" in result.err


def test_a_state_folder_that_cannot_be_written_is_named(project: LineProject) -> None:
    project.add_rows("a.csv")
    result = project.everfit("run", EVERFIT_HOME="/proc/everfit")
    assert result.code == 1
    assert "/proc/everfit" in result.err


def test_a_taken_port_leaves_the_deployment_owed(project: LineProject) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    project.add_rows("a.csv")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = project.everfit("run", EVERFIT_PORT=port)
        assert result.code == 1
        assert port in result.err
    assert project.everfit("run").code == 0
    assert project.predict(1)["version"] == 1
    assert len(project.everfit("runs", "--json").json) == 1


def test_two_command_lines_at_once_make_one_run(project: LineProject, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    project.add_rows("a.csv")
    project.write("train.py", f"open({str(fifo)!r}).read()\n" + TRAIN)
    first = project.start("run", "--json")
    with fifo.open("w") as go:
        second = project.everfit("run")
        assert second.code == 1
        assert str(first.pid) in second.err
        go.write("go")
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert '"deployed"' in out
    assert len(project.everfit("runs", "--json").json) == 1


def test_a_rollback_waits_for_no_run_and_the_run_is_judged_anew(project: LineProject, tmp_path: Path) -> None:
    """One step back to the last good version at any time."""
    project.add_rows("a.csv", slope=1.5)
    assert project.everfit("run").code == 0
    project.add_rows("b.csv", first=100, count=300)
    assert project.everfit("run").code == 0
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    project.write("train.py", f"open({str(fifo)!r}).read()\n" + TRAIN)
    running = project.start("run", "--json")
    with fifo.open("w") as go:
        assert project.everfit("rollback").code == 0
        assert project.predict(1)["version"] == 1
        go.write("go")
    running.communicate(timeout=60)
    resumed = project.everfit("run", "--resume", "--json")
    assert resumed.code in (0, 3), resumed.err
    rows = project.everfit("history", "--json").json
    assert sum(row["to"] is None for row in rows) == 1


@pytest.mark.parametrize(
    "step",
    [
        "train",
        "approve",
        # Nothing more is at stake in these than in the two.
        *(
            pytest.param(step, marks=pytest.mark.soak)
            for step in ("snapshot", "prepare", "check", "evaluate", "gate", "register")
        ),
    ],
)
def test_ctrl_c_before_the_deployment_ends_the_run_and_changes_nothing(project: LineProject, step: str) -> None:
    project.add_rows("a.csv")
    interrupt(project, step)
    (run,) = project.everfit("runs", "--json").json
    assert run["outcome"] == "failed"
    assert "keyboard" in run["reason"]
    assert project.everfit("history", "--json").json == []


@pytest.mark.parametrize("step", ["deploy", "record"])
def test_ctrl_c_in_the_deployment_leaves_it_owed(project: LineProject, step: str) -> None:
    project.add_rows("a.csv")
    interrupt(project, step)
    assert project.everfit("run", "--resume").code == 0
    assert project.predict(1)["version"] == 1
    assert len(project.everfit("history", "--json").json) == 1


def interrupt(project: LineProject, step: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.interrupting", str(project.folder), step],
        cwd=ROOT,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr


def test_ctrl_c_stops_the_training_itself(project: LineProject, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    project.add_rows("a.csv")
    project.write("train.py", f"open({str(fifo)!r}, 'w').write(str(__import__('os').getpid()))\nwhile True: pass\n")
    running = project.start("run")
    script = int(fifo.read_text())
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    log = project.everfit("logs", "--follow")
    assert log.code == 0
    with pytest.raises(ProcessLookupError):
        os.kill(script, 0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    with mounted(tmp_path / "small", "3m") as place:
        yield place


def test_a_full_disk_is_said_and_nothing_serves(project: LineProject, small_disk: Path) -> None:
    project.add_rows("a.csv", count=60)
    (project.folder / "data" / "b.csv").write_text("id,x,y\n" + "".join(f"{n},1,2\n" for n in range(100, 500_000)))
    result = project.everfit("run", EVERFIT_HOME=str(small_disk))
    assert result.code == 1
    assert "space" in result.err or "full" in result.err


def test_later_keys_are_named_by_check(project: LineProject) -> None:
    project.add_rows("a.csv", count=200)
    project.write("everfit.yaml", PROJECT + "monitor: {drift: {every: 1d}}\n")
    result = project.everfit("check")
    assert result.code == 0, result.out
    assert "does not act on" in result.out
