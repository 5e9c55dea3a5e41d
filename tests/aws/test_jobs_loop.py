"""The jobs of a run, one after the other, in containers of the bench."""

import json
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.artifacts import S3Artifacts
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.code import S3Code
from everfit.adapters.aws.data_source import S3DataSource
from everfit.adapters.local.code import LocalCode
from everfit.domain.job import JobState
from tests.aws.bench.client import Bench
from tests.aws.working import (
    INFERENCE,
    SKLEARN,
    TRAIN_PY,
    Works,
    done,
    evaluate_spec,
    prepare_spec,
    rows_of,
    side,
    table,
    train_spec,
)


@pytest.fixture
def works(bench: Bench, aws_clients: Clients) -> Works:
    return Works(bench=bench, clients=aws_clients)


def frozen_code(works: Works, folder: Path) -> str:
    project = folder / "project"
    project.mkdir()
    (project / "train.py").write_text(TRAIN_PY)
    (project / "inference.py").write_text(INFERENCE.replace("PREDICTION", "row['x'] * 2"))
    code = S3Code(works.clients, works.place, LocalCode(folder / "home"), folder / "code")
    return code.freeze(str(project)).folder


def test_data_is_frozen_and_prepared_a_model_trained_and_packed_and_both_versions_judged(
    works: Works, tmp_path: Path
) -> None:
    """The steps of a run over the adapters that it has on AWS."""
    works.put("raw/a.csv", table(rows_of(60)))
    works.put("raw/b/c.csv", table(rows_of(120)[60:]))
    data = S3DataSource(works.clients, works.place, tmp_path / "data")
    artifacts = S3Artifacts(works.clients, works.place, tmp_path / "artifacts")
    jobs = works.jobs()
    location = data.location(data.freeze("s3://everfit-bench/raw/").id)
    prepared = done(jobs, prepare_spec("r1", location))
    assert (prepared.state, prepared.message) == (JobState.SUCCEEDED, None)
    report: Any = jobs.report("r1-prepare", "report.json")
    assert report["rows"]["total"] == 120
    code = frozen_code(works, tmp_path)
    spec = train_spec("r1", str(prepared.output), code, metric_definitions={"mae": "validation_mae=([0-9.]+)"})
    trained = done(jobs, spec)
    assert (trained.state, trained.message, trained.python) == (JobState.SUCCEEDED, None, SKLEARN)
    assert trained.claims == {"mae": 0.95}
    packed = artifacts.pack(f"{trained.output}/model", code, None)
    sides = {
        "challenger": side(artifacts.unpacked(packed.digest)),
        "champion": side(works.predicting("row['x'] * 2 + 5"), version=3),
    }
    judged = done(jobs, evaluate_spec("r1", str(prepared.output), report, sides))
    assert (judged.state, judged.message) == (JobState.SUCCEEDED, None)
    evaluation = json.loads(json.dumps(jobs.report("r1-evaluate", "evaluation.json")))
    assert evaluation["challenger"]["error"] is None
    assert evaluation["rows"] == report["rows"]["holdout"]
    assert evaluation["difference"]["mae"]["value"] < 0
    assert evaluation["challenger"]["latency"]["samples"] >= 20
    assert evaluation["champion"]["latency"]["samples"] == 0
