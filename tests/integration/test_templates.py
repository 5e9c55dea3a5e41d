import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from everfit.adapters.local.project_file import read_project
from everfit.adapters.local.project_template import KINDS, write_template
from everfit.domain.errors import RequestError
from everfit.domain.project import Task

ROOT = Path(__file__).parents[2]
EXAMPLES = {"solar-table": "make_data.py", "ticket-forecast": "data.py"}
"""Examples, and what makes the data of each."""

ASK = """
import json, sys
from everfit.serving.handlers import load
model = load(sys.argv[1], "inference.py")
requests = json.loads(sys.argv[2])
json.dump([model.invoke(body.encode(), kind, "application/json")[0].decode() for kind, body in requests], sys.stdout)
"""


REFUSED = """
import json, sys
import inference
from everfit.serving.replies import reply_for
for kind, body in json.loads(sys.argv[1]):
    try:
        inference.input_fn(body.encode(), kind)
    except Exception as error:
        print(reply_for(error).status, error)
"""


def a_project(name: str, folder: Path) -> Path:
    """Return a new project: a template, or a copy of an example with its data."""
    if name in KINDS:
        write_template(name, folder)
    else:
        shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("data", ".everfit"))
        subprocess.run([sys.executable, EXAMPLES[folder.name]], cwd=folder, check=True)
    return folder


def trained(folder: Path) -> str:
    """Train in script mode, put model and code together as they are shipped, and return what was printed."""
    parameters = read_project(folder, {}).train.hyperparameters
    model = folder / "model"
    channels = {"SM_CHANNEL_TRAIN": str(folder / "data"), "SM_CHANNEL_VALIDATION": str(folder / "data")}
    arguments = [str(part) for name, value in parameters.items() for part in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "train.py", *arguments, "--of-a-newer-release", "1"],
        cwd=folder,
        env={**os.environ, "SM_MODEL_DIR": str(model), **channels},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder, model / "code", ignore=shutil.ignore_patterns("model", "data"))
    return done.stdout


def asked(folder: Path, requests: list[tuple[str, str]]) -> list[dict[str, list[object]]]:
    """Return the answers to *requests*, each a content type and a body, from one process."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder / "model"), json.dumps(requests)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(answer) for answer in json.loads(done.stdout)]


def requests_for(folder: Path) -> list[tuple[str, str]]:
    rows = some_rows(folder)
    table = "".join(",".join(line) + "\n" for line in [list(rows[0]), *(row.values() for row in rows)])
    return [("application/json", json.dumps({"instances": rows})), ("text/csv", table)]


def some_rows(folder: Path) -> list[dict[str, str]]:
    target = read_project(folder, {}).data.target
    with next((folder / "data").glob("*.csv")).open(newline="") as file:
        rows = list(csv.DictReader(file))[12:17]
    return [{name: value for name, value in row.items() if name != target} for row in rows]


@pytest.mark.parametrize("name", ["regression", "classification", "forecast", *EXAMPLES])
def test_a_project_trains_and_answers_each_row_under_the_contract_of_sagemaker(name: str, tmp_path: Path) -> None:
    folder = a_project(name, tmp_path / name)
    assert "trained on" in trained(folder)
    answer, of_csv = asked(folder, requests_for(folder))
    assert len(answer["predictions"]) == 5
    assert of_csv == answer
    if "labels" in answer:
        assert len(answer["probabilities"]) == 5


def test_the_custom_template_is_scored_by_its_own_script_and_answers(tmp_path: Path) -> None:
    folder = a_project("custom", tmp_path / "custom")
    trained(folder)
    arguments = ["--model", str(folder / "model"), "--holdout", str(folder / "data"), "--output", str(tmp_path)]
    subprocess.run([sys.executable, "evaluate.py", *arguments], cwd=folder, check=True)
    figure = json.loads((tmp_path / "evaluation.json").read_text())["metrics"]["hit_rate_at_2"]
    assert 0.7 <= figure["value"] <= 1
    assert len(asked(folder, requests_for(folder)[:1])[0]["predictions"]) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_of_a_caller_is_not_held_against_the_model_of_a_template(kind: str, tmp_path: Path) -> None:
    write_template(kind, tmp_path)
    bodies = ["{", "[]", '{"instances": 1}', '{"instances": [{"strange": 1}]}', '{"instances": [7]}']
    requests = [("application/json", body) for body in bodies]
    if kind != "custom":
        requests.append(("text/csv", "strange\n1\n"))
    told = subprocess.run(
        [sys.executable, "-c", REFUSED, json.dumps(requests)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert all(line.startswith("400 The request cannot be read (") for line in told), told
    assert len(told) == len(requests)


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_a_project_that_acts_on_every_key_it_has(kind: str, tmp_path: Path) -> None:
    names = write_template(kind, tmp_path / "My first_model")
    project = read_project(tmp_path / "My first_model", {})
    assert (project.task, project.model, project.later) == (Task(kind), "My-first-model", ())
    assert all((tmp_path / "My first_model" / name).is_file() for name in names)
    assert {project.train.script, project.train.requirements, project.serve.script, ".gitignore"} <= set(names)
    assert ".everfit/" in (tmp_path / "My first_model" / ".gitignore").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_the_same_every_time(kind: str, tmp_path: Path) -> None:
    for place in ("a", "b"):
        write_template(kind, tmp_path / place / "project")
    first, second = (
        {path.relative_to(tmp_path / place): path.read_bytes() for path in (tmp_path / place).rglob("*.*")}
        for place in ("a", "b")
    )
    assert first == second


def test_no_file_is_overwritten_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("mine")
    with pytest.raises(RequestError, match=r"train\.py is already there"):
        write_template("regression", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]
    assert (tmp_path / "train.py").read_text() == "mine"


def test_an_unknown_kind_names_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Did you mean regression"):
        write_template("regresion", tmp_path)


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError, match="cannot be written"):
        write_template("regression", tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["---", "日本", "a" * 100])
def test_a_folder_whose_name_is_no_model_name_gets_one_that_is(name: str, tmp_path: Path) -> None:
    write_template("forecast", tmp_path / name)
    assert read_project(tmp_path / name, {}).model


@pytest.mark.parametrize(("name", "later"), [("solar-table", ()), ("ticket-forecast", ("monitor.drift",))])
def test_an_example_acts_on_every_key_that_its_backends_act_on(name: str, later: tuple[str, ...]) -> None:
    assert read_project(ROOT / "examples" / name, {}).later == later


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_data_of_an_example_is_the_same_every_time_and_grows_by_appending(name: str, tmp_path: Path) -> None:
    """Newer data leaves older months as they are, so what was a holdout row stays what it was."""
    longer = {"solar-table": "2024-07", "ticket-forecast": "2024-01-31"}[name]
    script = ROOT / "examples" / name / EXAMPLES[name]
    subprocess.run([sys.executable, str(script), "--folder", str(tmp_path / "a")], check=True)
    subprocess.run([sys.executable, str(script), "--folder", str(tmp_path / "b"), "--until", longer], check=True)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    after = {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert before.items() < after.items()
