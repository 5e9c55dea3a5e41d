import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from everfit.domain.errors import RequestError
from everfit.domain.gate import About, ApprovalPolicy, Result, VerdictOutcome, decide, parse_rule, scores_from_json
from everfit.jobs.evaluate import evaluate
from everfit.jobs.request_log import Request, read_replies, write_request
from everfit.jobs.score import main as score_main
from everfit.serving.launch import command

ROWS = 60
JSON = dict[str, Any]


def model(folder: Path, body: str) -> JSON:
    """Write a model whose handlers are *body*, and return it as a side of the evaluation."""
    (folder / "code").mkdir(parents=True)
    head = "import json, os\ndef model_fn(folder): return None\n"
    (folder / "code/inference.py").write_text(head + body)
    return {"model": str(folder), "python": sys.executable, "script": "inference.py", "version": None}


def predicting(expression: str) -> str:
    """Return handlers that answer each row with *expression* of ``row``."""
    return (
        "def input_fn(body, kind): return json.loads(body)['instances']\n"
        f"def predict_fn(rows, model): return [{expression} for row in rows]\n"
        "def output_fn(answer, accept): return json.dumps({'predictions': answer}), accept\n"
    )


def table(folder: Path, rows: list[Mapping[str, object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def numbers(folder: Path) -> Path:
    return table(
        folder,
        [
            {"x": i, "zip": f"0{i % 9}1", "region": "north" if i % 3 else "south", "y": 2 * i + i % 2}
            for i in range(ROWS)
        ],
    )


def given(parameters: JSON) -> JSON:
    return {
        "format": "csv",
        "task": "regression",
        "target": "y",
        "time": None,
        "id": None,
        "content_type": "application/json",
        "labels": None,
        "champion": None,
        "evaluate": None,
        "python": sys.executable,
        "slices": [],
        "comparisons": [],
        "resamples": 200,
        "confidence": 0.95,
        "seed": 1,
    } | parameters


def run(folder: Path, **parameters: object) -> tuple[int, str]:
    """Run the job as a program."""
    config = folder / "ml/input/config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "parameters.json").write_text(json.dumps(given(parameters)))
    ended = subprocess.run(
        command(sys.executable, "everfit.jobs.evaluate"),
        env=os.environ | {"SAGEMAKER_BASE_DIR": str(folder / "ml")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def evaluated(folder: Path, **parameters: object) -> JSON:
    """Evaluate in this process; the versions are still scored in processes of their own."""
    result: JSON = json.loads(json.dumps(evaluate(given(parameters), folder), allow_nan=False))
    return result


def test_both_versions_are_scored_on_the_same_rows_through_their_own_serving_code(tmp_path: Path) -> None:
    """Champion and challenger are scored on the same rows."""
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        challenger=model(tmp_path / "new", predicting("row['x'] * 2")),
        champion=model(tmp_path / "old", predicting("row['x'] * 2 + 5")) | {"version": 3},
        comparisons=[{"metric": "mae", "factor": 1.0, "offset": 0.0, "slice": None}],
    )
    assert result["rows"] == ROWS
    assert result["challenger"]["metrics"]["mae"]["value"] == pytest.approx(0.5)
    assert result["champion"]["metrics"]["mae"]["value"] == pytest.approx(4.5)
    assert result["difference"]["mae"]["value"] == pytest.approx(-4.0)
    assert result["comparisons"][0]["high"] < -3.5
    assert result["challenger"]["latency"]["samples"] == ROWS
    assert 0 < result["challenger"]["latency"]["p50"] <= result["challenger"]["latency"]["p99"]
    assert result["champion"]["latency"]["samples"] == 0
    scores = scores_from_json(result, size=10, claims={})
    about = About(artifact="a", snapshot="b", policy="c", champion=3)
    rules = [parse_rule("mae <= champion"), parse_rule("r2 >= 0.9"), parse_rule("latency_p99 < 10s")]
    assert decide(rules, ApprovalPolicy(), scores, about).outcome is VerdictOutcome.APPROVED


def test_the_same_model_passes_a_rule_with_a_margin_and_one_without(tmp_path: Path) -> None:
    holdout, body = numbers(tmp_path / "holdout"), predicting("row['x'] * 2")
    rules = [{"metric": "rmse", "factor": factor, "offset": 0.0, "slice": None} for factor in (1.0, 1.02)]
    result = evaluated(
        tmp_path,
        holdout=str(holdout),
        challenger=model(tmp_path / "new", body),
        champion=model(tmp_path / "old", body),
        comparisons=rules,
    )
    assert [entry["high"] <= 0 for entry in result["comparisons"]] == [True, True]


def test_models_see_what_a_client_would_send_and_never_the_target(tmp_path: Path) -> None:
    seen = tmp_path / "seen.jsonl"
    body = (
        "def input_fn(body, kind):\n"
        f"    with open({str(seen)!r}, 'a') as file: file.write(kind + ' ' + str(body).strip() + '\\n')\n"
        "    return [0] * (len(json.loads(body)['instances']) if 'json' in kind else body.count('\\n') - 1)\n"
        "def predict_fn(rows, model): return rows\n"
    )
    rows: list[Mapping[str, object]] = [
        {"x": "1.50", "zip": "01234", "open": "True", "note": "", "y": 1},
        {"x": "2", "zip": "11111", "open": "False", "note": "NA", "y": 2},
    ]
    holdout = str(table(tmp_path / "holdout", rows))
    evaluated(tmp_path, holdout=holdout, challenger=model(tmp_path / "one", body))
    kind, _, sent = seen.read_text().splitlines()[0].partition(" ")
    assert kind == "application/json"
    assert json.loads(sent)["instances"] == [
        {"x": 1.5, "zip": "01234", "open": True, "note": None},
        {"x": 2, "zip": "11111", "open": False, "note": None},
    ]
    seen.unlink()
    evaluated(tmp_path, holdout=holdout, challenger=model(tmp_path / "two", body), content_type="text/csv")
    assert seen.read_text().startswith("text/csv x,zip,open,note\n1.50,01234,True,\n2,11111,False,NA\n")


def test_the_types_that_prepare_found_are_the_ones_that_are_sent(tmp_path: Path) -> None:
    body = predicting("1 if isinstance(row['x'], str) else 2")
    columns = [{"name": "x", "type": "text"}, {"name": "y", "type": "integer"}]
    result = evaluated(
        tmp_path, holdout=str(numbers(tmp_path / "holdout")), challenger=model(tmp_path / "m", body), columns=columns
    )
    without = evaluated(tmp_path, holdout=str(tmp_path / "holdout"), challenger=model(tmp_path / "n", body))
    assert result["challenger"]["metrics"]["bias"]["value"] == without["challenger"]["metrics"]["bias"]["value"] - 1


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("float('nan')", "60 of its 60 predictions are not finite numbers, first row 1: "),
        ("float('inf') if row['x'] == 7 else 1.0", "1 of its 60 predictions are not finite numbers, first row 8: "),
        ("'12.5'", '60 of its 60 predictions are not finite numbers, first row 1: "12.5"'),
        ("None", "60 of its 60 predictions are not finite numbers, first row 1: null or NaN"),
        ("True", "60 of its 60 predictions are not finite numbers, first row 1: true"),
        ("[1, 2]", "60 of its 60 predictions are not finite numbers, first row 1: [1, 2]"),
        ("1 / (row['x'] - 9)", "the model failed on rows 1 to 60 of the holdout: ZeroDivisionError"),
        ("1 for row in rows for _ in (1, 2)][:59] + [1 for _ in range(0)", "it gave 59 predictions instead of 60"),
    ],
)
def test_answers_that_cannot_be_judged_leave_no_figure_but_a_reason(
    tmp_path: Path, expression: str, reason: str
) -> None:
    body = (
        "def input_fn(body, kind): return json.loads(body)['instances']\n"
        f"def predict_fn(rows, model): return [{expression} for row in rows]\n"
        "def output_fn(answer, accept): return json.dumps(answer), accept\n"
    )
    side = evaluated(tmp_path, holdout=str(numbers(tmp_path / "holdout")), challenger=model(tmp_path / "m", body))[
        "challenger"
    ]
    assert reason in side["error"]
    assert side["metrics"]["rmse"] == {"value": None, "reason": side["error"], "rows": ROWS}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("def model_fn(folder): raise ValueError('no weights')\n", "the model does not load"),
        ("def model_fn(folder): os._exit(5)\n", "its process ended with exit code 5"),
        ("def model_fn(folder): os.kill(os.getpid(), 9)\n", "its process was ended by SIGKILL"),
        ("import nowhere\n", "the model does not load"),
        ("def transform_fn(model, data, kind, accept): return 'no json', accept\n", "not readable as predictions"),
        ("def transform_fn(model, data, kind, accept): return '{}', accept\n", "no list of predictions"),
    ],
)
def test_a_version_that_cannot_be_asked_is_a_result_and_the_job_goes_on(tmp_path: Path, body: str, reason: str) -> None:
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        challenger=model(tmp_path / "new", predicting("row['x'] * 2")),
        champion=model(tmp_path / "old", body) | {"version": 1},
        comparisons=[{"metric": "rmse", "factor": 1.02, "offset": 0.0, "slice": None}],
    )
    assert reason in result["champion"]["error"]
    assert result["challenger"]["metrics"]["rmse"]["value"] is not None
    about = About(artifact="a", snapshot="b", policy="c", champion=1)
    verdict = decide(
        [parse_rule("rmse <= champion * 1.02")], ApprovalPolicy(), scores_from_json(result, size=1, claims={}), about
    )
    assert verdict.findings[0].result is Result.INCONCLUSIVE
    assert reason in verdict.findings[0].reason


def test_a_version_is_judged_with_as_many_threads_as_it_is_served_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = predicting("row['x'] * 2 + int(os.environ['OMP_NUM_THREADS'])")
    holdout = table(tmp_path / "holdout", [{"x": x, "y": 2 * x + 1} for x in range(ROWS)])
    result = evaluated(tmp_path, holdout=str(holdout), challenger=model(tmp_path / "m", threads))
    assert result["challenger"]["metrics"]["mae"]["value"] == 0


def test_a_version_that_hangs_is_stopped(tmp_path: Path) -> None:
    side = model(tmp_path / "m", "import signal\ndef model_fn(folder): signal.pause()\n")
    result = evaluated(tmp_path, holdout=str(numbers(tmp_path / "holdout")), challenger=side, timeout=0.5)
    assert "was stopped" in result["challenger"]["error"]


def test_a_champion_whose_artifact_is_damaged_is_not_tried(tmp_path: Path) -> None:
    champion = {"model": "", "python": "", "script": None, "version": 1, "error": "its bytes are not those of sha256:1"}
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        challenger=model(tmp_path / "new", predicting("row['x'] * 2")),
        champion=champion,
    )
    assert result["champion"]["error"] == "its bytes are not those of sha256:1"


def test_slices_are_judged_by_themselves_and_an_empty_one_says_so(tmp_path: Path) -> None:
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        challenger=model(tmp_path / "new", predicting("row['x'] * 2 if row['region'] == 'north' else 0")),
        champion=model(tmp_path / "old", predicting("row['x'] * 2")),
        slices=[{"column": "region", "values": ["north", "south", "west"]}, {"column": "x", "values": ["7"]}],
        comparisons=[
            {"metric": "mae", "factor": 1.0, "offset": 0.0, "slice": f"region={value}"} for value in ("south", "west")
        ],
    )
    slices = result["challenger"]["slices"]
    assert slices["region=north"]["mae"]["value"] == pytest.approx(0.5)
    assert slices["region=south"]["mae"]["value"] > 10
    assert slices["region=west"]["mae"] == {"value": None, "reason": "no row of the holdout has region=west", "rows": 0}
    assert slices["x=7"]["mae"]["rows"] == 1
    assert result["comparisons"][0]["low"] > 0
    assert result["comparisons"][1]["value"] is None


def letters(folder: Path) -> Path:
    return table(folder, [{"x": i, "y": "abc"[i % 3]} for i in range(ROWS)])


def test_labels_and_probabilities_are_understood_in_every_documented_form(tmp_path: Path) -> None:
    forms = {
        "labels": "'abc'[row['x'] % 3]",
        "objects": "{'label': 'abc'[row['x'] % 3], 'probabilities': {k: 0.8 if k == 'abc'[row['x'] % 3] else 0.1 "
        "for k in 'cab'}}",
        "scores": "[0.8 if k == row['x'] % 3 else 0.1 for k in range(3)]",
    }
    holdout = str(letters(tmp_path / "holdout"))
    for name, expression in forms.items():
        figures = evaluated(
            tmp_path,
            holdout=holdout,
            task="classification",
            labels=["a", "b", "c"],
            challenger=model(tmp_path / name, predicting(expression)),
        )["challenger"]["metrics"]
        assert figures["accuracy"]["value"] == 1.0
        if name == "labels":
            assert figures["roc_auc"]["reason"] == "the model gives no probabilities"
        else:
            assert figures["roc_auc"]["value"] == 1.0
            assert figures["brier"]["value"] == pytest.approx(0.04 + 0.01 + 0.01)


def test_parallel_probabilities_are_put_into_the_label_order(tmp_path: Path) -> None:
    body = (
        "def input_fn(body, kind): return json.loads(body)['instances']\n"
        "def predict_fn(rows, model): return {'predictions': ['abc'[r['x'] % 3] for r in rows], 'labels': list('cba'),"
        " 'probabilities': [[0.8 if k == 'abc'[r['x'] % 3] else 0.1 for k in 'cba'] for r in rows]}\n"
    )
    figures = evaluated(
        tmp_path,
        holdout=str(letters(tmp_path / "holdout")),
        task="classification",
        challenger=model(tmp_path / "m", body),
    )["challenger"]["metrics"]
    assert figures["roc_auc"]["value"] == 1.0
    assert figures["accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("'z'", '60 of its 60 predictions are none of the labels a, b, c; first row 1: "z"'),
        ("1", "60 of its 60 predictions are none of the labels"),
        ("[3.0, -1.0, 'x']", "are none of the labels"),
    ],
)
def test_unknown_labels_are_named(tmp_path: Path, expression: str, reason: str) -> None:
    side = evaluated(
        tmp_path,
        holdout=str(letters(tmp_path / "holdout")),
        task="classification",
        labels=["a", "b", "c"],
        challenger=model(tmp_path / "m", predicting(expression)),
    )["challenger"]
    assert reason in side["error"]
    assert side["metrics"]["accuracy"]["value"] is None


def test_numeric_labels_are_the_same_however_they_are_spelt(tmp_path: Path) -> None:
    holdout = table(tmp_path / "holdout", [{"x": i, "y": i % 2} for i in range(ROWS)])
    for number, expression in enumerate(("row['x'] % 2", "float(row['x'] % 2)", "str(row['x'] % 2)", "[row['x'] % 2]")):
        figures = evaluated(
            tmp_path,
            holdout=str(holdout),
            task="classification",
            labels=["0", "1"],
            challenger=model(tmp_path / str(number), predicting(expression)),
        )["challenger"]["metrics"]
        assert figures["f1"]["value"] == 1.0


def test_a_forecast_is_asked_for_as_a_whole_and_compared_in_blocks_of_time(tmp_path: Path) -> None:
    rows = [{"day": f"{i % 28 + 1:02d}/{i // 28 + 1:02d}/2025", "y": i} for i in range(600)]
    body = (
        "def input_fn(body, kind): return json.loads(body)['instances']\n"
        "def predict_fn(rows, model): return [float(len(rows))] * len(rows)\n"
    )
    result = evaluated(
        tmp_path,
        holdout=str(table(tmp_path / "holdout", [*rows])),
        task="forecast",
        time="day",
        challenger=model(tmp_path / "new", body),
        champion=model(tmp_path / "old", body),
    )
    assert result["challenger"]["metrics"]["bias"]["value"] == pytest.approx(600 - 299.5)
    assert result["difference"]["mae"] == {"value": 0.0, "low": 0.0, "high": 0.0, "reason": None}


def test_images_are_sent_one_by_one_and_named_by_their_folder(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "holdout" / ("cat" if number % 2 else "dog") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number % 2]) * 3)
    body = (
        "def input_fn(body, kind):\n    assert kind == 'image/png'\n    return body\n"
        "def predict_fn(image, model): return 'cat' if image == bytes([1]) * 3 else 'dog'\n"
    )
    result = evaluated(
        tmp_path,
        holdout=str(tmp_path / "holdout"),
        format="images",
        target=None,
        task="classification",
        challenger=model(tmp_path / "m", body),
    )
    assert result["rows"] == 12
    assert result["challenger"]["metrics"]["accuracy"]["value"] == 1.0
    assert result["challenger"]["latency"]["samples"] == 12


@pytest.mark.parametrize(("patience", "timed"), [(60, 30), (1e-9, 20), (0, 0)])
def test_a_slow_model_is_not_timed_longer_than_it_takes_to_know(tmp_path: Path, patience: float, timed: int) -> None:
    requests, replies = tmp_path / "requests", tmp_path / "replies"
    with requests.open("wb") as file:
        for number in range(31):
            body = json.dumps({"instances": [{"x": number}]}).encode()
            write_request(file, Request(body=body, content_type="application/json", rows=1, timed=number > 0))
    side = model(tmp_path / "m", predicting("row['x']"))
    score_main([side["model"], "inference.py", str(requests), str(replies), str(tmp_path / "error"), str(patience)])
    assert [reply.timed for reply in read_replies(replies)] == [False] + [True] * timed


def test_every_table_format_gives_the_same_figures(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": range(ROWS), "é": ["ä"] * ROWS, "y": [2 * i + i % 2 for i in range(ROWS)]})
    for name in ("jsonl", "parquet", "csv", "semicolon", "gz"):
        (tmp_path / name).mkdir()
    frame.to_json(tmp_path / "jsonl/a.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "parquet/a.parquet")
    frame[:30].to_csv(tmp_path / "csv/a.csv", index=False, encoding="utf-8-sig")
    frame[30:].to_csv(tmp_path / "csv/b.csv", index=False, encoding="utf-8-sig")
    frame.to_csv(tmp_path / "semicolon/a.csv", index=False, encoding="cp1252", sep=";")
    (tmp_path / "gz/a.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    side = model(tmp_path / "m", predicting("row['x'] * 2 if row['é'] == 'ä' else 1e6"))
    found = [
        evaluated(
            tmp_path,
            holdout=str(tmp_path / name),
            format=name if name in ("jsonl", "parquet") else "csv",
            encoding="cp1252" if name == "semicolon" else "utf-8",
            challenger=side,
        )["challenger"]["metrics"]["mae"]
        for name in ("jsonl", "parquet", "csv", "semicolon", "gz")
    ]
    assert found == [{"value": 0.5, "reason": None, "rows": ROWS}] * 5


def test_rows_without_an_actual_value_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"x": i, "y": "" if i % 4 == 0 else i} for i in range(ROWS)]
    result = evaluated(
        tmp_path,
        holdout=str(table(tmp_path / "holdout", [*rows])),
        challenger=model(tmp_path / "m", predicting("row['x']")),
    )
    assert (result["rows"], result["left_out"]) == (45, 15)
    assert result["challenger"]["metrics"]["mae"]["value"] == 0.0


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"x": 1, "z": 2}], "no row with a value of 'y'"),
        ([{"x": 1, "y": ""}], "no row with a value of 'y'"),
        ([{"x": 1, "y": "abc"}], "Row 1 of the holdout has the target 'abc', which is not a finite number"),
        ([{"x": 1, "y": "inf"}], "not a finite number"),
    ],
)
def test_a_holdout_that_nobody_can_judge_is_refused(
    tmp_path: Path, rows: list[Mapping[str, object]], words: str
) -> None:
    side = model(tmp_path / "m", predicting("1"))
    with pytest.raises(RequestError, match=words):
        evaluated(tmp_path, holdout=str(table(tmp_path / "holdout", rows)), challenger=side)


def test_a_refused_evaluation_fails_the_job_in_words_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "holdout").mkdir()
    code, log = run(tmp_path, holdout=str(tmp_path / "holdout"), challenger=model(tmp_path / "m", predicting("1")))
    assert code == 1
    assert "is empty" in log
    assert "Traceback" not in log
    assert "is empty" in (tmp_path / "ml/output/failure").read_text()


def own_scorer(folder: Path, body: str) -> str:
    folder.mkdir(exist_ok=True)
    script = folder / "evaluate.py"
    script.write_text(
        "import argparse, json, os, pathlib\n"
        "parser = argparse.ArgumentParser()\n"
        "for name in ('--model', '--holdout', '--output'): parser.add_argument(name)\n"
        "given = parser.parse_args()\n"
        "assert given.holdout == os.environ['SM_CHANNEL_HOLDOUT']\n"
        "output = pathlib.Path(given.output, 'evaluation.json')\n"
        "assert not list(output.parent.iterdir())\n"
        "weight = float(pathlib.Path(given.model, 'weight').read_text())\n" + body
    )
    return str(script)


def weights(folder: Path, weight: float) -> JSON:
    side = model(folder, predicting("1"))
    (folder / "weight").write_text(str(weight))
    return side


@pytest.mark.parametrize(
    "written",
    [
        "{'quality': weight}",
        "{'metrics': {'quality': weight}}",
        "{'metrics': {'quality': {'value': weight}}}",
        "{'own_metrics': {'quality': {'value': weight, 'standard_deviation': 'NaN'}, 'curve': [1, 2]}, 'version': '1'}",
    ],
)
def test_the_users_own_scorer_brings_its_own_figures(tmp_path: Path, written: str) -> None:
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        task="custom",
        evaluate=own_scorer(tmp_path / "code", f"output.write_text(json.dumps({written}))\n"),
        challenger=weights(tmp_path / "new", 0.75),
        champion=weights(tmp_path / "old", 0.5),
        comparisons=[{"metric": "quality", "factor": 1.0, "offset": 0.0, "slice": None}],
    )
    assert result["challenger"]["metrics"] == {"quality": {"value": 0.75, "reason": None, "rows": None}}
    assert result["champion"]["metrics"]["quality"]["value"] == 0.5
    assert result["comparisons"][0]["value"] == 0.25
    assert "single values are compared" in result["comparisons"][0]["reason"]
    assert result["challenger"]["latency"]["samples"] == ROWS


def test_standard_errors_of_the_users_own_scorer_give_an_interval_and_slices_work(tmp_path: Path) -> None:
    figure = "{'value': weight, 'standard_error': 0.1, 'rows': 50}"
    slices = f"{{'region=north': {{'quality': {figure}}}}}"
    body = f"output.write_text(json.dumps({{'quality': {figure}, 'slices': {slices}}}))\n"
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        task="custom",
        evaluate=own_scorer(tmp_path / "code", body),
        challenger=weights(tmp_path / "new", 0.75),
        champion=weights(tmp_path / "old", 0.5),
        comparisons=[
            {"metric": "quality", "factor": 1.0, "offset": 0.0, "slice": part} for part in (None, "region=north")
        ],
    )
    for entry in result["comparisons"]:
        assert entry["low"] == pytest.approx(0.25 - 1.96 * 0.1 * 2**0.5, abs=1e-4)
    assert result["challenger"]["slices"]["region=north"]["quality"]["rows"] == 50


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "wrote no evaluation.json"),
        ("output.write_text('nope')\n", "not readable"),
        ("output.write_text('[1]')\n", "holds no object"),
        ('output.write_text(\'{"a": "b"}\')\n', "holds no number"),
        ('output.write_text(\'{"a": 1, "m": {"a": 2}}\')\n', "names a twice"),
        ("raise SystemExit(3)\n", "exit code 3"),
    ],
)
def test_a_scorer_that_gives_nothing_is_a_reason_and_never_an_older_file(
    tmp_path: Path, body: str, reason: str
) -> None:
    """Metrics belong to the run that made them. A stale metrics file of an earlier run is never read."""
    script = own_scorer(tmp_path / "code", body)
    for stale in (tmp_path / "code/evaluation.json", tmp_path / "evaluation.json"):
        stale.parent.mkdir(parents=True, exist_ok=True)
        stale.write_text('{"quality": 1.0}')
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        task="custom",
        evaluate=script,
        challenger=weights(tmp_path / "new", 0.75),
    )
    assert reason in result["challenger"]["error"]
    assert result["challenger"]["metrics"] == {}


def test_a_figure_of_the_users_own_scorer_that_is_not_finite_has_a_reason(tmp_path: Path) -> None:
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        task="custom",
        evaluate=own_scorer(tmp_path / "code", "output.write_text(json.dumps({'quality': float('nan')}))\n"),
        challenger=weights(tmp_path / "new", 0.75),
    )
    assert result["challenger"]["metrics"]["quality"] == {"value": None, "reason": "evaluate.py gave nan", "rows": None}


def test_the_job_leaves_its_evaluation_and_nothing_temporary(tmp_path: Path) -> None:
    side = model(tmp_path / "m", predicting("row['x']"))
    code, log = run(tmp_path, holdout=str(numbers(tmp_path / "holdout")), challenger=side)
    assert code == 0, log
    assert json.loads((tmp_path / "ml/output/evaluation.json").read_text())["rows"] == ROWS
    assert sorted(path.name for path in (tmp_path / "ml").iterdir()) == ["input", "output"]
    assert [path.name for path in (tmp_path / "ml/output").iterdir()] == ["evaluation.json"]


def test_the_scorer_needs_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, everfit.jobs.score; print(sorted({'numpy', 'duckdb', 'pandas', 'blake3'} & set(sys.modules)))"
    )
    source = str(Path(__file__).parents[2] / "src")
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
