import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

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


def run(folder: Path, **parameters: object) -> tuple[int, str]:
    config = folder / "ml/input/config"
    config.mkdir(parents=True, exist_ok=True)
    given = {
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
    (config / "parameters.json").write_text(json.dumps(given))
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
    code, log = run(folder, **parameters)
    assert code == 0, log
    result: JSON = json.loads((folder / "ml/output/evaluation.json").read_text())
    return result


def test_both_versions_are_scored_on_the_same_rows_through_their_own_serving_code(tmp_path: Path) -> None:
    """Champion and challenger are scored on the same rows."""
    result = evaluated(
        tmp_path,
        holdout=str(numbers(tmp_path / "holdout")),
        challenger=model(tmp_path / "new", predicting("row['x'] * 2")),
        champion=model(tmp_path / "old", predicting("row['x'] * 2 + 5")),
        comparisons=[{"metric": "mae", "factor": 1.0, "offset": 0.0, "slice": None}],
    )
    assert result["rows"] == ROWS
    assert result["challenger"]["metrics"]["mae"]["value"] == pytest.approx(0.5)
    assert result["champion"]["metrics"]["mae"]["value"] == pytest.approx(4.5)
    assert result["comparisons"][0]["high"] < -3.5
    assert result["challenger"]["latency"]["samples"] == ROWS
