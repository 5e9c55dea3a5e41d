"""What every command promises to whoever types it, and to whatever reads it."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from everfit.interfaces.cli.exit_codes import NEEDS_APPROVAL, USAGE
from everfit.interfaces.cli.main import COMMANDS, main
from everfit.interfaces.cli.progress import Whole
from tests.projects import EVERFIT, PROJECT, LineProject

WITH_PROJECT = sorted(set(COMMANDS) - {"init", "demo", "completion", "up"})
ENVIRONMENTS = """
environments:
  staging: {endpoint: line-staging}
  production: {endpoint: line, promote_from: staging, approval: {when: mae >= 0}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    made = LineProject(tmp_path / "a söngle folder")
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineProject]:
    """A project whose one version serves, and whose last run found nothing new."""
    made = LineProject(tmp_path_factory.mktemp("cli") / "line")
    try:
        made.add_rows("a.csv")
        assert made.everfit("run").code == 0
        assert made.everfit("run").code == 0
        yield made
    finally:
        made.down()


def everfit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(EVERFIT), *arguments], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("command", WITH_PROJECT)
def test_outside_a_project_every_command_answers_asked_for_json_with_one_document(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: an interpreter for each command would do nothing but start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["everfit", command, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == USAGE
    assert json.loads(printed.out).keys() == {"schema", "error"}
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("wyh",), ("why",), ("runs", "--limit", "0"), ("predict", "no-such-file")])
def test_a_command_line_that_cannot_be_read_is_an_answer_in_json_too(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = everfit(tmp_path, *arguments, "--json")
    assert done.returncode == USAGE
    assert json.loads(done.stdout)["error"] in done.stderr


def test_resuming_nothing_says_so_in_json_too(served: LineProject) -> None:
    assert served.everfit("run", "--resume", "--json").json["run"] is None


def test_a_dry_run_speaks_in_words_unless_json_is_asked_for(served: LineProject) -> None:
    before = served.everfit("runs", "--json").json
    words = served.everfit("run", "--dry-run")
    assert "would skip" in words.out
    assert served.everfit("run", "--dry-run", "--json").json["would"] == "skip"
    assert served.everfit("runs", "--json").json == before


def test_runs_can_be_read_in_a_window_of_eighty_columns(served: LineProject) -> None:
    shown = served.everfit("runs", COLUMNS="80").out
    for run in served.everfit("runs", "--json").json:
        assert run["run"] in shown
        assert run["outcome"] in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_history_says_when_in_one_piece(served: LineProject) -> None:
    since = served.everfit("history", "--json").json[0]["from"]
    assert since[:19].replace("T", " ") in served.everfit("history", COLUMNS="80").out


def test_logs_without_a_run_are_those_of_the_newest_that_has_some(served: LineProject) -> None:
    """The newest run was skipped and has trained nothing."""
    assert "slope=" in served.everfit("logs").out


def test_nothing_answers_is_not_called_serving(served: LineProject) -> None:
    served.everfit("down")
    status = served.everfit("status").out
    assert "nothing answers" in status
    assert "answers at" not in status


def test_a_request_that_the_model_cannot_answer_is_told_in_one_sentence(served: LineProject) -> None:
    answer = served.everfit("predict", stdin='{"instances": [{"z": 1}]}')
    assert answer.code == 1
    assert answer.err.strip() == "status 424: version 1 could not answer this request: KeyError: 'x'"


@pytest.mark.parametrize("command", ["status", "runs", "history", "why"])
def test_a_terminal_without_unicode_is_no_reason_to_fail(command: str, served: LineProject) -> None:
    arguments = (command, "1") if command == "why" else (command,)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert served.everfit(*arguments, **plain).code == 0


def test_output_that_cannot_be_written_is_one_sentence(served: LineProject) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            served.command("status", "--json"), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("The operating system says: No space left on device")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_who_has_read_enough_is_not_told_off(served: LineProject) -> None:
    """``everfit runs | head -1``."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(served.command("runs"), stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""


def test_a_run_that_trains_for_new_code_says_that_it_does(project: LineProject) -> None:
    project.add_rows("a.csv")
    assert project.everfit("run").code == 0
    project.write("train.py", (project.folder / "train.py").read_text() + "\n# another\n")
    plan = project.everfit("run", "--dry-run", "--json").json
    assert (plan["change"]["code_is_new"], plan["change"]["config_is_new"]) == (True, False)
    assert "new: code" in project.everfit("run", "--dry-run").out


def test_a_version_that_waits_is_asked_about_once_with_the_reason(project: LineProject) -> None:
    """Approving a pending version deploys exactly that version, once, however often the approval arrives."""
    project.write("everfit.yaml", PROJECT + ENVIRONMENTS)
    project.add_rows("a.csv")
    assert project.everfit("run", "--env", "staging").code == 0
    asked = project.everfit("promote", "--to", "production", "--json")
    assert asked.code == NEEDS_APPROVAL
    assert "mae >= 0 holds" in asked.json["reason"]
    again = project.everfit("promote", "1", "--to", "production", "--json").json
    assert (again["outcome"], again["reason"]) == ("skipped", "version 1 waits for approval already")
    assert project.everfit("approve", "--reason", "seen").code == 0
    assert len(project.everfit("history", "--env", "production", "--json").json) == 1


def test_a_run_that_failed_at_once_names_what_served_before_and_after(project: LineProject) -> None:
    project.add_rows("a.csv")
    assert project.everfit("run").code == 0
    (project.folder / "data" / "a.csv").unlink()
    failed = project.everfit("run", "--json").json
    assert (failed["outcome"], failed["champion_before"], failed["champion_after"]) == ("failed", 1, 1)


def test_init_names_a_command_that_can_be_pasted(tmp_path: Path) -> None:
    assert "cd 'my model' && everfit check" in everfit(tmp_path, "init", "my model").stdout


def test_two_projects_of_one_name_in_one_state_folder_are_warned_of(project: LineProject, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    project.add_rows("a.csv")
    assert "Warning" not in project.everfit("run", "--dry-run", EVERFIT_HOME=home).err
    other = LineProject(tmp_path / "other")
    other.add_rows("a.csv")
    assert str(project.folder) in other.everfit("run", "--dry-run", EVERFIT_HOME=home).err
    (project.folder / "everfit.yaml").rename(project.folder / "moved.yaml")
    assert "Warning" not in other.everfit("run", "--dry-run", EVERFIT_HOME=home).err


@pytest.mark.parametrize(
    ("words", "completed"),
    [(("ru",), ["run", "runs"]), (("init", "--from", "cl"), ["classification"]), (("logs", "--st"), ["--step"])],
)
def test_bash_completes(words: tuple[str, ...], completed: list[str], tmp_path: Path) -> None:
    line = " ".join(f"'{word}'" for word in ("everfit", *words))
    script = (
        f"source <(everfit completion bash); COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        '_everfit_completion everfit; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = {**os.environ, "PATH": f"{EVERFIT.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=path, cwd=tmp_path, check=True
    )
    assert done.stdout.split() == completed


def on_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Run *command* on a terminal of 100 columns and return all that was written there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, close_fds=True)
    os.close(slave)
    written = b""
    while select.select([master], [], [], 60)[0]:
        try:
            written += os.read(master, 65536)
        except OSError:
            break
    process.wait(timeout=60)
    os.close(master)
    return written.decode()


def test_on_a_terminal_the_scripts_words_stand_in_lines_of_their_own(project: LineProject) -> None:
    project.add_rows("a.csv")
    project.write("train.py", (project.folder / "train.py").read_text() + "\nprint('[bold]kept[/]', end='')\n")
    written = on_terminal(project.command("run"), project.environment(TERM="xterm"))
    assert "[bold]kept[/]" in written
    assert "✓" in written
    assert written.rstrip().endswith("/invocations")


def test_a_progress_bar_is_drawn_over_and_kept_as_its_last_look() -> None:
    whole = Whole()
    assert list(whole.lines(b"10%\r20%")) == []
    assert whole.under_way == "20%"
    assert list(whole.lines(b"\r30%\r\nd\xc3")) == ["30%"]
    assert list(whole.lines(b"\xb6ne\nno end")) == ["döne"]
    assert list(whole.rest()) == ["no end"]
