"""Whoever does the work may be killed or stopped in the middle: the story ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.database import S3Database
from everfit.application.chores import tick
from tests.aws.bench.client import ROOT, Bench, quiet_environment, until
from tests.aws.references import Reference, in_memory
from tests.aws.stages import rows
from tests.aws.stages_made import ServerlessStage, by_controller, serverless
from tests.aws.stories import OF_AWS, STORIES, first_model, rolled_back, stale, worse

__all__ = ["in_memory"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LIFE, STORY = STORIES["a life"], OF_AWS["better"]
LONG = 60.0
IN_THE_MIDDLE = {"training": ("sagemaker", "CreateTrainingJob"), "deployment": ("sagemaker", "UpdateEndpoint")}
ABANDONED = "update lease set expires = '2026-01-01T00:00:00.000000+00:00' where owner is not null"
LAMBDA = "everfit.interfaces.lambdas.step"


@contextmanager
def hung(bench: Bench, moment: str) -> Generator[int]:
    """Have the call in the middle be accepted and never answered, until the caller is dead."""
    number = bench.hang(*IN_THE_MIDDLE[moment], moment="after")
    try:
        yield number
    finally:
        bench.release(number)


def functions_at_work(bench: Bench) -> list[int]:
    """Return the processes of this bench in which the step function runs."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            is_one = LAMBDA.encode() in (place / "cmdline").read_bytes()
            is_here = f"AWS_ENDPOINT_URL={bench.address}".encode() in (place / "environ").read_bytes()
        except OSError:
            continue
        found += [int(place.name)] * (is_one and is_here)
    return found


def test_controllers_that_are_killed_in_the_middle_are_followed_by_one_that_ends_alike(
    in_memory: Reference, bench: Bench, aws_clients: Clients, tmp_path: Path
) -> None:
    with by_controller(LIFE, tmp_path / "line", bench, aws_clients) as stage:
        first_model(stage)
        stale(stage)
        stage.put("b.csv", rows(first=100, count=300))
        stage.trigger("better")
        command = [sys.executable, "-m", "tests.aws.settling", str(tmp_path / "line")]
        for moment in IN_THE_MIDDLE:
            with hung(bench, moment) as number:
                process = subprocess.Popen(command, cwd=ROOT, env={**quiet_environment(), **bench.environment()})
                until(lambda number=number: bench.hangs(number), f"the {moment}", LONG)  # type: ignore[misc]
                process.kill()
                process.wait(LONG)
        stage.settle()
        rolled_back(stage)
        worse(stage)
        ended = stage.ending()
    assert ended == in_memory("a life")


def test_functions_that_are_killed_in_the_middle_are_called_again_and_the_story_ends_alike(
    in_memory: Reference, bench: Bench, aws_clients: Clients, tmp_path: Path
) -> None:
    with serverless(LIFE, tmp_path / "line", bench, aws_clients) as stage:
        first_model(stage)
        stale(stage)
        stage.put("b.csv", rows(first=100, count=300))
        stage.trigger("better")
        with stage.settling():
            for moment in IN_THE_MIDDLE:
                with hung(bench, moment) as number:
                    until(lambda number=number: bench.hangs(number), f"the {moment}", LONG)  # type: ignore[misc]
                    for process in functions_at_work(bench):
                        os.kill(process, signal.SIGKILL)
                    abandon(stage)
        rolled_back(stage)
        worse(stage)
        ended = stage.ending()
    assert ended == in_memory("a life")


@pytest.mark.soak
def test_an_execution_that_is_stopped_by_hand_is_followed_by_another_one_and_the_story_ends_alike(
    in_memory: Reference, bench: Bench, aws_clients: Clients, tmp_path: Path
) -> None:
    with serverless(STORY, tmp_path / "line", bench, aws_clients) as stage:
        first_model(stage)
        stage.put("b.csv", rows(first=100, count=300))
        stage.trigger("better")
        stage.stack.tick()
        run = stage.training()
        machine = stage.stack.machine.replace(":stateMachine:", ":execution:")
        bench.client("stepfunctions").stop_execution(executionArn=f"{machine}:{run.id}")
        until(lambda: stage.stack.executions()[run.id] == "ABORTED", "the execution's end")
        abandon(stage)
        in_a_minute = stage.ports.clock.now() + timedelta(minutes=1)
        assert run.id in tick(stage.stack.kept, in_a_minute).done["executions"]
        stage.settle()
        ended = stage.ending()
        assert stage.stack.executions()[f"{run.id}-2"] == "SUCCEEDED"
    assert ended == in_memory("better")


def abandon(stage: ServerlessStage) -> None:
    """Let the time go by after which the lease of whoever was killed is nobody's."""
    with S3Database(stage.stack.clients, stage.stack.place).transaction() as written:
        written.write(ABANDONED, {})
