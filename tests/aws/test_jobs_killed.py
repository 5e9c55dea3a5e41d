"""Whoever starts and follows jobs may die at any call: the next one goes on, and each job was started once."""

import json
from dataclasses import replace
from itertools import count

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.domain.job import JobSpec, JobState, JobStatus
from tests.aws.bench.client import Bench
from tests.aws.killing import Death, Killed, dying
from tests.aws.working import PATIENCE, Works, evaluate_spec, rows_of, side, table, train_spec

SERVICES = ("s3", "sagemaker", "logs")
CHANGING = ("PutObject", "CreateTrainingJob")
GOOD = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('m')"


@pytest.fixture
def works(bench: Bench, aws_clients: Clients) -> Works:
    works = Works(bench=bench, clients=aws_clients)
    works.put("data/output/train/a.csv", b"x,y\n1,2\n")
    works.put("everfit/runs/r1/r1-prepare/output/holdout/a.csv", table(rows_of(20)))
    body = json.dumps({"instances": [{"id": row["id"], "x": row["x"]} for row in rows_of(20)]}).encode()
    head = {"content_type": "application/json", "rows": 20, "timed": False, "bytes": len(body)}
    works.put("everfit/runs/r1/r1-prepare/output/requests/requests", json.dumps(head).encode() + b"\n" + body)
    return works


def training(works: Works, run: str) -> JobSpec:
    spec = train_spec(run, "s3://everfit-bench/data", works.code({"train.py": GOOD}))
    return replace(spec, channels={"train": "s3://everfit-bench/data/output/train"})


def followed(works: Works, spec: JobSpec) -> JobStatus:
    """Do what a step of the loop does, in a process of its own."""
    jobs = works.jobs()
    if jobs.observe(spec.name).state is JobState.UNKNOWN:
        jobs.start(spec)
    return jobs.wait(spec.name, PATIENCE)


def survived(works: Works, spec: JobSpec, at: int) -> bool:
    """Die when one call was accepted and nobody has heard, then go on; False when there was no such call."""
    with dying(works.clients, SERVICES, Death(at, "after", CHANGING)):
        try:
            followed(works, spec)
        except Killed:
            has_died = True
        else:
            has_died = False
    status = followed(works, spec)
    assert (status.state, status.message) == (JobState.SUCCEEDED, None), at
    return has_died


def started(works: Works, kind: str) -> list[str]:
    """Return the names of the jobs that were really started."""
    pages = works.clients("sagemaker").get_paginator(f"list_{kind}_jobs").paginate()
    key = f"{kind.title()}Job"
    return [each[f"{key}Name"] for page in pages for each in page[f"{key}Summaries"]]


def test_a_training_survives_whoever_started_it_and_is_started_once(works: Works) -> None:
    at = next(at for at in count(1) if not survived(works, training(works, f"r{at}"), at))
    # What was asked for, the archive of the code, the job, that it was started, how it ended.
    assert at > 5
    assert len(started(works, "training")) == at


def test_an_evaluation_survives_whoever_looks_at_it_and_starts_each_job_once(works: Works) -> None:
    sides = {
        "challenger": side(works.predicting("row['x'] * 2")),
        "champion": side(works.predicting("row['x']"), version=1),
    }
    spec = evaluate_spec("r9", "s3://everfit-bench/everfit/runs/r1/r1-prepare", {"columns": [], "labels": None}, sides)
    for _ in range(3):
        death = Death(1, "after", ("CreateProcessingJob",))
        with dying(works.clients, SERVICES, death), pytest.raises(Killed):
            followed(works, spec)
    assert followed(works, spec).state is JobState.SUCCEEDED
    assert len(started(works, "processing")) == 3
