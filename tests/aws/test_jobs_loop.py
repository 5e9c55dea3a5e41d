"""The jobs of a run, one after the other, in containers of the bench."""

import json

import pytest

from everfit.adapters.aws.clients import Clients
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


def test_data_is_prepared_a_model_trained_and_both_versions_judged(works: Works) -> None:
    jobs = works.jobs()
    location = works.snapshot({"a.csv": table(rows_of(60)), "b/c.csv": table(rows_of(120)[60:])})
    prepared = done(jobs, prepare_spec("r1", location))
    assert (prepared.state, prepared.message) == (JobState.SUCCEEDED, None)
    report = jobs.report("r1-prepare", "report.json")
    code = works.code({"train.py": TRAIN_PY, "inference.py": INFERENCE.replace("PREDICTION", "row['x'] * 2")})
    spec = train_spec("r1", str(prepared.output), code, metric_definitions={"mae": "validation_mae=([0-9.]+)"})
    trained = done(jobs, spec)
    assert (trained.state, trained.message, trained.python) == (JobState.SUCCEEDED, None, SKLEARN)
    assert trained.claims == {"mae": 0.95}
    assert works.get(f"{trained.output}/model.tar.gz")
    sides = {
        "challenger": side(works.predicting("row['x'] * 2")),
        "champion": side(works.predicting("row['x'] * 2 + 5"), version=3),
    }
    judged = done(jobs, evaluate_spec("r1", str(prepared.output), report, sides))
    assert (judged.state, judged.message) == (JobState.SUCCEEDED, None)
    evaluation = json.loads(json.dumps(jobs.report("r1-evaluate", "evaluation.json")))
    assert evaluation["challenger"]["error"] is None
    assert evaluation["difference"]["mae"]["value"] < 0
    assert evaluation["challenger"]["latency"]["samples"] >= 20
    assert evaluation["champion"]["latency"]["samples"] == 0
