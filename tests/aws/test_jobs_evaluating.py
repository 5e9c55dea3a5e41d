"""The evaluation on SageMaker: what a version does is a result, what AWS does a failure, and nothing is done twice."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.job_calls import Seen, Service
from everfit.adapters.aws.job_ends import failed, is_about_image, stopped
from everfit.adapters.aws.job_requests import sagemaker_name
from everfit.adapters.aws.job_work import Side, trouble_of
from everfit.domain.errors import RequestError
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus
from everfit.domain.project import Task
from tests.aws.bench.client import Bench, until
from tests.aws.working import (
    LOOK,
    PATIENCE,
    SKLEARN,
    Works,
    done,
    evaluate_spec,
    prepare_spec,
    rows_of,
    side,
    table,
)

OTHER = SKLEARN.replace("1.4-2", "1.2-1")
OUTPUT = "s3://everfit-bench/everfit/runs/r1/r1-prepare"
REPORT: Mapping[str, Any] = {"columns": [{"name": "id", "type": "integer"}], "labels": None}


@pytest.fixture
def works(bench: Bench, aws_clients: Clients) -> Works:
    bench.set(grace=0.1)
    return Works(bench=bench, clients=aws_clients)


def holdout(works: Works) -> None:
    """Leave what a prepare job leaves."""
    works.put("everfit/runs/r1/r1-prepare/output/holdout/a.csv", table(rows_of(40)))
    rows = [{"id": row["id"], "x": row["x"]} for row in rows_of(40)]
    body = json.dumps({"instances": rows}).encode()
    head = {"content_type": "application/json", "rows": 40, "timed": False, "bytes": len(body)}
    works.put("everfit/runs/r1/r1-prepare/output/requests/requests", json.dumps(head).encode() + b"\n" + body)


def spec(works: Works, champion: object = None, **given: Any) -> JobSpec:
    sides = {"challenger": side(works.predicting("row['x'] * 2")), "champion": champion}
    return evaluate_spec("r1", OUTPUT, REPORT, sides, **given)


def walked(works: Works, job: str) -> Iterator[JobStatus]:
    """Look at the job as processes do that live for one look."""
    while True:
        status = works.jobs().wait(job, LOOK)
        yield status
        if status.state is not JobState.RUNNING:
            return


def test_whoever_looks_goes_on_and_a_quota_for_one_job_is_enough(works: Works) -> None:
    holdout(works)
    works.bench.set(quotas={"ml.m5.large for processing job usage": 1})
    asked = spec(works, side(works.predicting("row['x'] * 2 + 5"), version=3))
    works.jobs().start(asked)
    *_, status = walked(works, asked.name)
    assert (status.state, status.message) == (JobState.SUCCEEDED, None)
    evaluation = works.jobs().report(asked.name, "evaluation.json")
    assert json.loads(json.dumps(evaluation))["difference"]["mae"]["value"] < 0
    made = [shown["ProcessingJobName"] for shown in summaries(works)]
    assert len(made) == 3
    log = b"".join(works.jobs().log(asked.name))
    assert log.count(b"Serving on") == 2


def summaries(works: Works) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = works.clients("sagemaker").list_processing_jobs()["ProcessingJobSummaries"]
    return found


def test_a_version_that_cannot_be_scored_is_a_result(works: Works) -> None:
    holdout(works)
    works.bench.set(images_missing=[OTHER])
    asked = spec(works, side(works.predicting("row['x']"), python=OTHER, version=3))
    broken = replace(asked, parameters={**asked.parameters, "challenger": side(works.predicting("row['nothing']"))})
    status = done(works.jobs(), broken)
    assert status.state is JobState.SUCCEEDED
    evaluation: Any = works.jobs().report(broken.name, "evaluation.json")
    assert evaluation["challenger"]["error"].startswith(
        "the model failed on rows 1 to 40 of the holdout: it answered 500"
    )
    assert "Look at the image" in evaluation["champion"]["error"]
    assert evaluation["challenger"]["metrics"]["mae"]["value"] is None


def test_a_version_that_was_made_on_a_machine_has_no_image_to_be_scored_in() -> None:
    on_machine = Side(name="champion", archive="s3://b/a", image="/usr/bin/python3", script=None)
    assert "it was made on a machine, by /usr/bin/python3" in str(trouble_of(on_machine))
    assert trouble_of(Side(name="champion", archive="s3://b/a", image=SKLEARN, script=None)) is None


def test_the_users_own_scorer_scores_each_version_where_it_was_trained(works: Works) -> None:
    holdout(works)
    script = (
        "import argparse, json, os\n"
        "p = argparse.ArgumentParser()\n"
        "[p.add_argument(f'--{n}') for n in ('model', 'holdout', 'output')]\n"
        "a = p.parse_args()\n"
        "score = json.load(open(a.model + '/model.json'))\n"
        "assert os.environ['TOKEN'] == 'hush', 'no token'\n"
        "open(a.output + '/evaluation.json', 'w').write(json.dumps({'ndcg': score}))\n"
    )
    sides = {
        "challenger": side(works.artifact({"model.json": "0.8", "code/inference.py": "x = 1"})),
        "champion": side(works.artifact({"model.json": "0.5"}), version=3),
    }
    asked = evaluate_spec(
        "r1",
        OUTPUT,
        REPORT,
        sides,
        task="custom",
        evaluate=f"{works.code({'evaluate.py': script})}/evaluate.py",
        environment={"TOKEN": "hush"},
        secrets=frozenset({"TOKEN"}),
    )
    works.clients("s3").delete_object(Bucket="everfit-bench", Key="everfit/runs/r1/r1-prepare/output/requests/requests")
    status = done(works.jobs(works.project(task=Task.CUSTOM)), replace(asked, kind=JobKind.EVALUATE))
    assert (status.state, status.message) == (JobState.SUCCEEDED, None)
    evaluation: Any = works.jobs().report("r1-evaluate", "evaluation.json")
    assert evaluation["challenger"]["metrics"]["ndcg"]["value"] == 0.8
    assert evaluation["champion"]["metrics"]["ndcg"]["value"] == 0.5


def test_a_holdout_that_cannot_be_asked_fails_as_it_does_on_a_machine(works: Works) -> None:
    works.put("everfit/runs/r1/r1-prepare/output/holdout/a.csv", table(rows_of(40)))
    status = done(works.jobs(), spec(works, content_type="application/x-own"))
    assert status.failure is JobFailure.EXIT
    assert "The evaluation cannot send rows as 'application/x-own'" in str(status.message)


def test_an_evaluation_that_is_stopped_starts_nothing_more(works: Works) -> None:
    holdout(works)
    jobs, asked = works.jobs(), spec(works)
    jobs.start(asked)
    jobs.stop(asked.name)
    assert jobs.wait(asked.name, PATIENCE).failure is JobFailure.STOPPED
    assert len(summaries(works)) == 1


def test_a_run_that_is_trimmed_or_forgotten_starts_nothing(works: Works) -> None:
    holdout(works)
    jobs, asked = works.jobs(), spec(works, side(works.predicting("1"), version=3))
    works.bench.fault("sagemaker", "CreateProcessingJob", code="AccessDeniedException", message="no", skip=1)
    with pytest.raises(RequestError, match="may not call CreateProcessingJob"):
        jobs.start(asked)
    until(lambda: summaries(works)[0]["ProcessingJobStatus"] == "Completed", "the challenger's answers")
    jobs.trim("r1")
    jobs.forget("r1")
    assert len(summaries(works)) == 1


def test_without_any_room_for_a_job_the_evaluation_is_not_begun(works: Works) -> None:
    holdout(works)
    works.bench.set(quotas={"ml.m5.large for processing job usage": 0})
    with pytest.raises(RequestError, match="Service Quotas"):
        works.jobs().start(spec(works))
    assert works.jobs().observe("r1-evaluate").state is JobState.UNKNOWN


def test_a_lost_answer_makes_no_second_job(works: Works) -> None:
    holdout(works)
    works.bench.lose_answer("sagemaker", "CreateProcessingJob")
    works.jobs().start(spec(works))
    assert len(summaries(works)) == 1
    works.jobs().stop("r1-evaluate")


def test_data_that_changed_after_it_was_frozen_fails_the_preparation_in_words(works: Works) -> None:
    location = works.snapshot({"a.csv": table(rows_of(40))})
    works.put("raw/a.csv", table(rows_of(39)))
    status = done(works.jobs(), prepare_spec("r1", location))
    assert status.failure is JobFailure.EXIT
    assert "s3://everfit-bench/raw/a.csv was changed or removed after it was frozen" in str(status.message)


def test_modules_are_looked_for_where_the_training_will_run(works: Works) -> None:
    asked = JobSpec(
        name="r1-check",
        kind=JobKind.PREPARE,
        run="r1",
        program="everfit.jobs.find_modules",
        parameters={"modules": ["json", "no_such_module"]},
    )
    jobs = works.jobs()
    assert done(jobs, asked).state is JobState.SUCCEEDED
    assert jobs.report("r1-check", "modules.json") == {"missing": ["no_such_module"]}
    name = sagemaker_name(works.place, "r1-check")
    shown = works.clients("sagemaker").describe_processing_job(ProcessingJobName=name)
    assert shown["AppSpecification"]["ImageUri"] == SKLEARN


def seen(reason: str, **given: Any) -> Seen:
    values: dict[str, Any] = {"name": "job", "status": "Failed", "reason": reason, "seconds": 12.0}
    return Seen(**(values | given))


@pytest.mark.parametrize(
    ("reason", "failure", "words"),
    [
        ("InternalServerError: We encountered an internal error.", JobFailure.LOST, "SageMaker itself failed"),
        (
            "CapacityError: Unable to provision requested ML compute capacity.",
            JobFailure.EXIT,
            "no ml.m5.large free now",
        ),
        ("ClientError: Data download failed:AccessDenied", JobFailure.EXIT, "could not set up its training job"),
        ("AlgorithmError: , exit code: 137", JobFailure.OUT_OF_MEMORY, "ran out of memory"),
        (
            "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage",
            JobFailure.EXIT,
            "exit code 1 after 12.0 s",
        ),
        (
            "AlgorithmError: InstallRequirementsError: pip, exit code: 1",
            JobFailure.REQUIREMENTS,
            "could not be installed",
        ),
    ],
)
def test_each_reason_of_sagemaker_is_told_apart(reason: str, failure: JobFailure, words: str) -> None:
    status = failed(seen(reason, instance="ml.m5.large"), Service.TRAINING, "train.py", ["last line"])
    assert status.failure is failure
    assert words in str(status.message)


def test_what_aws_did_is_never_held_against_a_version() -> None:
    assert is_about_image(seen("AlgorithmError: , exit code: 1"))
    assert is_about_image(seen("ClientError: Please use a valid image"))
    for reason in ("InternalServerError: x", "CapacityError: image", "ClientError: Data download failed"):
        assert not is_about_image(seen(reason))


def test_a_processing_job_that_ran_too_long_is_told_from_one_that_was_stopped() -> None:
    late = seen("ClientError: The job ran longer than MaxRuntimeInSeconds", status="Stopped")
    assert stopped(late, "prepare", 60, []).failure is JobFailure.TIMED_OUT
    assert stopped(seen("", status="Stopped", ran=60.0), "prepare", 60, []).failure is JobFailure.TIMED_OUT
    assert stopped(seen("", status="Stopped", ran=59.0), "prepare", 60, []).failure is JobFailure.STOPPED
