"""A run goes through its pipeline whoever dies and whatever fails: there is one execution, and each job once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.jobs import SageMakerJobs
from everfit.application.steps.train import script_job
from everfit.domain.aws import AwsPlace, aws_place
from everfit.domain.job import JobSpec, JobState
from tests.aws.bench.client import Bench, until
from tests.aws.killing import Killed, Moment, dying
from tests.aws.working import PATIENCE, TRAIN_PY, Works, evaluate_spec, prepare_spec, rows_of, side, table
from tests.aws_bench import BUCKET, REGION

SERVICES = ("s3", "sagemaker", "sqs", "logs")
RUN = "20261121-170000-killed"
LOOKING = {"GetObject", "HeadObject", "ListObjectsV2"}


class Deaths:
    """Come at the first call of each kind on each thing, one life after the other."""

    def __init__(self, moment: Moment) -> None:
        self.died: set[tuple[str, str]] = set()
        self._moment = moment
        self._last = ("", "")

    def before(self, model: Any, **given: Any) -> None:
        params: Mapping[str, Any] = given["params"]
        body = params.get("body", b"")
        about = str(params.get("url_path", "")) if model.service_model.service_name == "s3" else ""
        gate = about or (str(len(body)) if model.name.startswith("SendPipeline") else "")
        self._last = (model.name, gate)
        self._meet("before")

    def after(self, model: Any, **given: Any) -> None:
        del model, given
        self._meet("after")

    def _meet(self, moment: Moment) -> None:
        if moment == self._moment and self._last[0] not in LOOKING and self._last not in self.died:
            self.died.add(self._last)
            raise Killed


@pytest.fixture
def place() -> AwsPlace:
    own = {"region": REGION, "bucket": BUCKET, "names": {"pipeline": "line-pipeline"}}
    return aws_place("line", "production", {}, own)


@dataclass(frozen=True, kw_only=True)
class Life:
    """What the steps of the loop do, from the first one on: what is done is found done."""

    works: Works
    jobs: SageMakerJobs
    code: str
    location: Mapping[str, object]
    champion: str | None

    def live(self) -> None:
        prepared = self.followed(prepare_spec(RUN, self.location))
        output = str(self.jobs.observe(prepared).output)
        project, environment = self.works.project(), self.works.environment()
        self.followed(script_job(project, environment, run=RUN, code=self.code, requirements=None, output=output))
        sides = {"challenger": side(self.works.predicting("row['x'] * 2"))}
        if self.champion is not None:
            sides["champion"] = side(self.champion, version=1)
        evaluated = self.followed(evaluate_spec(RUN, output, self.jobs.report(prepared, "report.json"), sides))
        assert self.jobs.report(evaluated, "evaluation.json")["challenger"]

    def followed(self, spec: JobSpec) -> str:
        if self.jobs.observe(spec.name).state is JobState.UNKNOWN:
            self.jobs.start(spec)
        status = self.jobs.wait(spec.name, PATIENCE)
        assert (status.state, status.message) == (JobState.SUCCEEDED, None)
        return spec.name


@pytest.mark.parametrize(("moment", "has_champion"), [("before", False), ("after", True)])
def test_a_run_survives_whoever_takes_it_through_its_pipeline(
    moment: Moment, *, has_champion: bool, bench: Bench, aws_clients: Clients, place: AwsPlace
) -> None:
    works = Works(bench=bench, clients=aws_clients, place=place)
    location = works.snapshot({"a.csv": table(rows_of(80))})
    code = works.code({"train.py": TRAIN_PY})
    champion = works.predicting("row['x']") if has_champion else None
    deaths = Deaths(moment)
    while True:
        life = Life(works=works, jobs=works.jobs(place=place), code=code, location=location, champion=champion)
        try:
            with dying(works.clients, SERVICES, deaths):
                life.live()
            break
        except Killed:
            continue
    operations = {operation for operation, _ in deaths.died}
    assert operations >= {"CreateQueue", "CreatePipeline", "StartPipelineExecution", "ReceiveMessage", "DeleteMessage"}
    assert len([each for each in deaths.died if each[0] == "SendPipelineExecutionStepSuccess"]) > 1
    sm = works.clients("sagemaker")
    (execution,) = executions(sm)
    until(lambda: status_of(sm, execution) == "Succeeded", "the end of the execution")
    assert len(sm.list_training_jobs()["TrainingJobSummaries"]) == 1
    assert len(sm.list_processing_jobs()["ProcessingJobSummaries"]) == (4 if has_champion else 3)


def test_what_a_dead_process_or_a_hand_has_left_ends_when_the_next_run_starts(
    bench: Bench, aws_clients: Clients, place: AwsPlace
) -> None:
    works = Works(bench=bench, clients=aws_clients, place=place)
    location = works.snapshot({"a.csv": table(rows_of(80))})
    sm = works.clients("sagemaker")
    first, second = works.jobs(place=place), works.jobs(place=place)
    life = Life(works=works, jobs=first, code="", location=location, champion=None)
    life.followed(prepare_spec("r1", location))
    (left,) = executions(sm)
    told = sm.list_pipeline_parameters_for_execution(PipelineExecutionArn=left)["PipelineParameters"]
    by_hand = sm.start_pipeline_execution(PipelineName="line-pipeline", PipelineParameters=told)["PipelineExecutionArn"]
    until(lambda: all("Check" in steps_of(sm, each) for each in (left, by_hand)), "callbacks that wait")
    second.start(prepare_spec("r2", location))
    until(lambda: {status_of(sm, each) for each in (left, by_hand)} <= {"Failed", "Stopped"}, "executions that end")
    assert status_of(sm, next(iter(set(executions(sm)) - {left, by_hand}))) == "Executing"


def test_a_run_goes_on_by_itself_where_its_execution_fails(bench: Bench, aws_clients: Clients, place: AwsPlace) -> None:
    works = Works(bench=bench, clients=aws_clients, place=place)
    location = works.snapshot({"a.csv": table(rows_of(80))})
    code = works.code({"train.py": TRAIN_PY})
    # The first processing job prepares the data, the second one would ask the challenger.
    bench.fault("sagemaker", "CreateProcessingJob", code="ResourceLimitExceeded", skip=1, times=1)
    Life(works=works, jobs=works.jobs(place=place), code=code, location=location, champion=None).live()
    sm = works.clients("sagemaker")
    (execution,) = executions(sm)
    assert status_of(sm, execution) == "Failed"
    assert steps_of(sm, execution)[0] == "ScoreChallenger"
    assert len(sm.list_training_jobs()["TrainingJobSummaries"]) == 1


def executions(sm: Any) -> list[str]:
    told = sm.list_pipeline_executions(PipelineName="line-pipeline")["PipelineExecutionSummaries"]
    return [each["PipelineExecutionArn"] for each in told]


def steps_of(sm: Any, execution: str) -> list[str]:
    told = sm.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    return [each["StepName"] for each in told]


def status_of(sm: Any, execution: str) -> str:
    return str(sm.describe_pipeline_execution(PipelineExecutionArn=execution)["PipelineExecutionStatus"])
