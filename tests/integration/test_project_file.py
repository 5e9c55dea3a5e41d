import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import jsonschema  # type: ignore[import-untyped]
import pytest

from everfit.adapters.local.project_file import read_project
from everfit.adapters.local.project_template import KINDS, write_template
from everfit.adapters.local.yaml_document import read_document
from everfit.domain.document import Reading, plain_data
from everfit.domain.errors import Problem, ProjectError
from everfit.domain.project_schema import json_schema
from tests.project_example import EXAMPLE, SHORTEST, VARIABLES, problems_of, with_keys

ROOT = Path(__file__).parents[2]

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{now}: &{now} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, now in zip("abcdefg", "bcdefgh", strict=True)
)


def written(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "everfit.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def problems_in(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(ProjectError) as refused:
        read_project(folder, VARIABLES)
    return refused.value.problems


def test_the_example_is_read_from_its_file(tmp_path: Path) -> None:
    assert read_project(written(tmp_path, EXAMPLE), VARIABLES).model == "solar-power"


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode()
    assert read_project(written(tmp_path, content), VARIABLES).model == "solar-power"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the file is empty"),
        ("# nothing but a comment\n", 1, "the file is empty"),
        ("---\n", 1, "the file is empty"),
        ("just words\n", 1, "not keys with values"),
        ("- a\n- b\n", 1, "not keys with values"),
        ("model: a\n\tdata: x\n", 2, "a tab stands where the line is indented"),
        ("model: 'a\n", 2, "this is not YAML"),
        ("model: a\n data: b: c\n", 2, "this is not YAML"),
        ("approval: when: mape >= 20\n", 1, 'a value with ": " in quotes'),
        ("model: [a\n", 2, "this is not YAML"),
        ("model: a\nmodel: b\n", 2, "stands twice, first in line 1"),
        ("train: {a: 1, a: 2}\n", 1, "stands twice"),
        ("model: a\n---\nmodel: b\n", 2, "a second document"),
        ("base: &b {a: 1}\ntrain:\n  <<: *b\n", 3, "<< does not merge keys"),
        ("model: !!python/object:os.system x\n", 1, "tags mean nothing here"),
        ("model: !secret x\n", 1, "tags mean nothing here"),
        ("? [a]\n: b\n", 1, "a key must be a word"),
        ("a: &a [*a]\n", 1, "repeats no value that ended before it"),
        ("a: *nothing\n", 1, "repeats no value"),
        ("a: \x01\n", 1, "a control character"),
        (BOMB, 4, "more than 20,000 values"),
        ("[" * 5000, 1, "more than 40 deep"),
        ("a: " + "x" * 1_000_001, None, "larger than a project file can be"),
    ],
)
def test_a_file_that_is_no_project_is_one_clear_problem(text: str, line: int | None, words: str) -> None:
    problems = problems_of(text)
    assert any(words in str(problem) and problem.line == line for problem in problems), list(map(str, problems))


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"model: a\ntask: \xff\n", 2), ("model: é\n".encode("latin-1"), 1), ("model: a\n".encode("utf-16"), 1)],
)
def test_text_in_another_encoding_is_told_with_its_line(content: bytes, line: int) -> None:
    (problem,) = problems_of(content)
    assert (problem.line, problem.message) == (line, "the file is not UTF-8 text")


def test_a_missing_file_is_a_problem_that_says_what_to_do(tmp_path: Path) -> None:
    (problem,) = problems_in(tmp_path)
    assert "there is no everfit.yaml" in problem.message
    assert "everfit init" in str(problem)


def test_a_file_with_nearly_the_right_name_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "everfit.yml").write_text(EXAMPLE)
    assert "everfit.yml" in str(problems_in(tmp_path)[0])


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    assert "there is no folder" in problems_in(tmp_path / "nowhere")[0].message


def test_a_folder_instead_of_the_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "everfit.yaml").mkdir()
    assert "is a folder" in problems_in(tmp_path)[0].message


def test_a_file_instead_of_the_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("x")
    assert problems_in(tmp_path / "project")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    # Not even root may read the first page of a process's memory.
    (tmp_path / "everfit.yaml").symlink_to("/proc/self/mem")
    assert "cannot be read" in problems_in(tmp_path)[0].message


def test_every_problem_is_told_at_once_with_file_line_found_expected_and_nearest_word() -> None:
    text = EXAMPLE.replace("task: regression", "task: regresion").replace("timeout: 1h", "timeout: 1hour")
    text = text.replace("holdout: 20%", "holdot: 20%").replace("steps: [10%, 50%]", "steps: [50%, 10%]")
    assert [(problem.file, problem.line, problem.nearest) for problem in problems_of(text)] == [
        ("everfit.yaml", 2, "regression"),
        ("everfit.yaml", 9, "holdout"),
        ("everfit.yaml", 19, "1h"),
        ("everfit.yaml", 48, None),
    ]
    assert "found 1hour; expected a duration such as 200ms, 5m, 1h or 7d; did you mean 1h?" in str(problems_of(text)[2])


@pytest.mark.parametrize("text", ["no", "on", "yes", "off", "'false'", "0", "1", "'0'"])
def test_booleans_are_parsed_strictly(text: str) -> None:
    """Booleans are parsed strictly: "0", "false" and "False" never mean yes."""
    assert "neither true nor false" in str(problems_of(EXAMPLE.replace("spot: true", f"spot: {text}"))[0])


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("False", False)])
def test_only_true_is_true(text: str, value: bool, tmp_path: Path) -> None:
    """Booleans are parsed strictly: "0", "false" and "False" never mean yes."""
    project = read_project(written(tmp_path, EXAMPLE.replace("spot: true", f"spot: {text}")), VARIABLES)
    assert project.train.sagemaker["spot"] is value


def test_hyperparameters_keep_the_types_of_yaml_1_2(tmp_path: Path) -> None:
    text = (
        "{a: no, b: 012, c: 0o17, d: 1e3, e: '1', f: [1, {g: true}], h: 1_000, i: 2024-01-01, j: 1:30, k: ~, l: 0x1F}"
    )
    project = read_project(
        written(tmp_path, EXAMPLE.replace("{epochs: 20, model_type: neural_network}", text)), VARIABLES
    )
    values = {"a": "no", "b": 12, "c": 15, "d": 1000.0, "e": "1", "f": (1, {"g": True}), "h": "1_000"}
    assert dict(project.train.hyperparameters) == {**values, "i": "2024-01-01", "j": "1:30", "k": None, "l": 31}


def test_environment_variables_of_the_script_are_texts_as_they_were_written(tmp_path: Path) -> None:
    text = EXAMPLE.replace("timeout: 1h", "environment: {A: 007, B: true, C: 1.10, D: '${TOKEN}'}")
    project = read_project(written(tmp_path, text), VARIABLES | {"TOKEN": "s3cr3t-value"})
    assert dict(project.train.environment) == {"A": "007", "B": "true", "C": "1.10", "D": "s3cr3t-value"}
    assert "s3cr3t-value" in project.secrets


def test_an_unset_variable_is_named_with_its_line() -> None:
    (problem,) = problems_of(EXAMPLE, {})
    assert "SLACK_WEBHOOK is not set" in problem.message
    assert problem.line == EXAMPLE[: EXAMPLE.index("${SLACK_WEBHOOK}")].count("\n") + 1


@pytest.mark.parametrize("key", ["timeout: 1h", "- mape < 20", "- rows >= 1000", "capture: 100%"])
def test_no_problem_shows_the_value_of_a_variable(key: str) -> None:
    """Secrets appear in no log, event, page or artifact."""
    name = key.split(":", maxsplit=1)[0] + ": " if ":" in key else "- "
    problems = problems_of(EXAMPLE.replace(key, f"{name}${{TOKEN}}"), VARIABLES | {"TOKEN": "hunter2-value"})
    assert problems
    assert "hunter2-value" not in "".join(map(str, problems))


def test_a_variable_can_be_part_of_a_text_and_a_dollar_can_be_written(tmp_path: Path) -> None:
    text = EXAMPLE.replace("source: data/", "source: s3://${BUCKET}/$${x}/")
    project = read_project(written(tmp_path, text), VARIABLES | {"BUCKET": "b1"})
    assert project.data.source == "s3://b1/${x}/"
    assert "b1" not in project.secrets


@pytest.mark.parametrize("text", ["${}", "${A B}", "${", "${1A}"])
def test_a_half_written_variable_is_refused(text: str) -> None:
    problems = problems_of(EXAMPLE.replace("source: data/", f"source: 'x{text}'"))
    assert "expected ${NAME}" in str(problems[0])


def test_an_anchor_can_be_used_twice(tmp_path: Path) -> None:
    text = EXAMPLE.replace(
        "sagemaker: {instance: ml.m5.large, count: 1, s", "sagemaker: {instance: &i ml.m5.large, count: 1, s"
    )
    text = text.replace("{instance: ml.m5.large, count: 1, a", "{instance: *i, count: 1, a")
    assert read_project(written(tmp_path, text), VARIABLES).serve.sagemaker["instance"] == "ml.m5.large"


def test_the_example_of_the_design_is_read_but_for_its_rule_of_another_task() -> None:
    """An accuracy of a regression is an impossible rule; everything else of the design's example is read."""
    (problem,) = problems_of(EXAMPLE.replace("r2 >= 0.9 for", "accuracy >= 0.9 for"))
    assert "no metric of a regression task" in problem.message


def as_json(text: str) -> object:
    """Return the YAML in *text* as an editor's JSON Schema sees it."""
    return json.loads(json.dumps(plain_data(read_document(text.encode(), Reading(file="x")))))


def is_accepted(document: object) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(document))


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("document", [as_json(EXAMPLE), dict(SHORTEST)])
def test_the_schema_accepts_the_examples(document: object) -> None:
    assert is_accepted(document)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_accepts_each_template(kind: str, tmp_path: Path) -> None:
    write_template(kind, tmp_path)
    assert is_accepted(as_json((tmp_path / "everfit.yaml").read_text()))


@pytest.mark.parametrize(
    "keys",
    [
        {"task": "regresion"},
        {"model": "a b"},
        {"model": None},
        {"data": {"holdout": "20 percent"}},
        {"data": {"holdout": 20}},
        {"data": {"format": "xlsx"}},
        {"data": {"sorce": "x"}},
        {"data": []},
        {"train": {"timeout": "60"}},
        {"train": {"timeout": 60}},
        {"train": {"sagemaker": {"spot": "yes"}}},
        {"train": {"sagemaker": {"count": 0}}},
        {"train": {"sagemaker": {"version": "1"}}},
        {"train": {"sagemaker": {"image": "x", "framework": "sklearn"}}},
        {"train": {"environment": {"SM_X": "1"}}},
        {"gate": []},
        {"gate": "r2 >= 0.8"},
        {"triggers": [{"timezone": "UTC"}]},
        {"triggers": [{"data": {}, "drift": {}}]},
        {"triggers": [{"data": {}, "timezone": "UTC"}]},
        {"environments": {}},
        {"environments": {"a b": {}}},
        {"environments": {"a": {"backend": "aws"}}},
        {"environments": {"a": {"approval": "maybe"}}},
        {"environments": {"a": {"rollout": {"strategy": "canry"}}}},
        {"environments": {"a": {"watch": {"for": "7d"}}}},
        {"alerts": [{"mail": "a@b.c"}]},
        {"alerts": [{"slack": "http://x"}]},
        {"no_success_for": "nine days"},
        {"unknown": 1},
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(keys: dict[str, object]) -> None:
    project = with_keys(**keys)
    assert not is_accepted(project)
    assert problems_of(json.dumps(project))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_schema_and_the_reference_page_are_up_to_date() -> None:
    for path, text in generator().generated().items():
        assert path.read_text(encoding="utf-8") == text, f"run docs/generate.py: {path} is out of date"


def test_every_key_has_a_sentence_in_the_reference() -> None:
    rows = re.findall(r"^\| `\w+` \|.*\| (.*) \|$", generator().reference(), re.MULTILINE)
    assert len(rows) > 80
    assert all(doc[0].isupper() and doc.rstrip("*").endswith(".") for doc in rows)
