"""A run as one execution of a pipeline: the same decisions and bytes as without, each job once, and an end to all."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.permissions import Role, role_name
from everfit.bootstrap import open_workspace
from everfit.bootstrap_aws.account import place_of
from everfit.bootstrap_aws.ports import open_aws
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.aws.bench.client import Bench, until
from tests.aws.endings import ENVIRONMENT
from tests.aws.stages_made import SCRIPTS, ControllerStage, here, hurried, project_text
from tests.aws.stories import Story, better, broken_data, cancelled, failing_script, first_model

PIPELINE = "line-retraining"
START = ("Prepare", "Check", "Train", "Pack", "ScoreChallenger", "Champion", "HasChampion")
GOING = {"Executing", "Stopping"}


def pipelined(text: str) -> str:
    return text.replace("bucket: everfit-bench", f"bucket: everfit-bench, names: {{pipeline: {PIPELINE}}}")


@contextmanager
def by_pipeline(story: Story, folder: Path, bench: Bench, clients: Clients) -> Generator[ControllerStage]:
    """Give a stage whose runs are executions of a pipeline."""
    (folder / "data").mkdir(parents=True)
    (folder / "everfit.yaml").write_text(pipelined(project_text(story, on_aws=True)))
    for name, content in SCRIPTS.items():
        (folder / name).write_text(content)
    settings = Settings(home=folder / ".everfit", port=None, variables={}, actor="tester")
    workspace = open_workspace(folder, settings)
    bench.role(role_name(place_of(workspace.project.environments[ENVIRONMENT]), Role.JOB))
    ports = hurried(
        open_aws(workspace, settings, Silence(), folder / ".everfit", clients=clients).ports, workspace, clients
    )
    yield ControllerStage(workspace, ports, folder, clients)


class Studio:
    """What somebody sees in SageMaker Studio."""

    def __init__(self, bench: Bench) -> None:
        self.sm: Any = bench.client("sagemaker")

    def executions(self) -> Sequence[Mapping[str, Any]]:
        """Return the executions, oldest first."""
        found: list[Mapping[str, Any]] = self.sm.list_pipeline_executions(PipelineName=PIPELINE)[
            "PipelineExecutionSummaries"
        ]
        return found[::-1]

    def at_rest(self) -> Sequence[str]:
        """Return how the executions ended."""
        until(
            lambda: not GOING & {each["PipelineExecutionStatus"] for each in self.executions()}, "executions that end"
        )
        return [each["PipelineExecutionStatus"] for each in self.executions()]

    def steps(self, number: int = -1) -> Mapping[str, str]:
        arn = self.executions()[number]["PipelineExecutionArn"]
        told = self.sm.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return {each["StepName"]: each["StepStatus"] for each in told[::-1]}

    def trainings(self) -> Sequence[str]:
        return [each["TrainingJobName"] for each in self.sm.list_training_jobs()["TrainingJobSummaries"]]


@pytest.fixture
def studio(bench: Bench) -> Studio:
    return Studio(bench)


def test_runs_by_a_pipeline_end_as_they_do_in_memory_and_so_do_their_executions(
    bench: Bench, aws_clients: Clients, studio: Studio, tmp_path: Path
) -> None:
    story = Story(chapters=(first_model, better, broken_data, failing_script, cancelled))
    with by_pipeline(story, tmp_path / "with", bench, aws_clients) as stage:
        story.tell(stage)
        ended = stage.ending()
    with here(story, tmp_path / "without", in_memory=True) as stage:
        story.tell(stage)
        assert ended == stage.ending()
    first, second, *others = studio.at_rest()
    assert (first, second, set(others) <= {"Failed", "Stopped"}, len(others)) == ("Succeeded", "Succeeded", True, 3)
    assert list(studio.steps(0)) == [*START, "JudgeAlone"]
    assert list(studio.steps(1)) == [*START, "ScoreChampion", "Answers", "Judge"]
    assert {*studio.steps(0).values(), *studio.steps(1).values()} == {"Succeeded"}
    assert "Train" not in studio.steps(2)
    assert studio.steps(3)["Train"] == "Failed"
    assert studio.steps(4)["Train"] == "Stopped"
    assert len(studio.trainings()) == 4
    assert all(name.startswith("pipelines-") for name in studio.trainings())


def test_a_pipeline_that_is_somebody_elses_is_left_alone(
    bench: Bench, aws_clients: Clients, studio: Studio, tmp_path: Path
) -> None:
    story = Story(chapters=(first_model,))
    with by_pipeline(story, tmp_path / "line", bench, aws_clients) as stage:
        fail = {"Name": "Mine", "Type": "Fail", "Arguments": {"ErrorMessage": "mine"}}
        theirs = json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [fail]})
        role = bench.role("theirs")
        studio.sm.create_pipeline(
            PipelineName=PIPELINE, PipelineDefinition=theirs, RoleArn=role, ClientRequestToken="t" * 32
        )
        story.tell(stage)
        reason = next(iter(stage.ports.store.runs("line", ENVIRONMENT))).reason
    assert reason is not None
    assert "There is a pipeline line-retraining already" in reason
    assert studio.sm.describe_pipeline(PipelineName=PIPELINE)["PipelineDefinition"] == theirs
    assert studio.executions() == []
