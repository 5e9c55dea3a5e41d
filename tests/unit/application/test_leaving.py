"""A process that is to end leaves its run at a safe point, and the next one takes it to its end."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from everfit.application.journal import drive
from everfit.application.loop import LOOP
from everfit.application.retraining import Request, retrain
from everfit.domain.job import JobKind, JobState, JobStatus
from everfit.domain.run import Outcome, Run, RunState, StepOutcome
from tests.fakes import World

STEPS = [step.name for step in LOOP]
SETTLING = [step.name for step in LOOP if step.settles]


class LeavesAt:
    """Asks to leave as soon as the step has started."""

    def __init__(self, step: str) -> None:
        self.step, self.is_asked = step, False

    def __call__(self) -> bool:
        return self.is_asked

    def step_started(self, name: str, attempt: int) -> None:
        del attempt
        self.is_asked = self.is_asked or name == self.step

    def step_ended(self, name: str, outcome: str, seconds: float) -> None: ...

    def told(self, words: str) -> None: ...

    def printed(self, output: bytes) -> None: ...


class SlowJobs:
    """Jobs that have not ended at the first look."""

    def __init__(self, jobs: Any) -> None:
        self._jobs, self._seen = jobs, set[str]()

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        if name not in self._seen:
            self._seen.add(name)
            return JobStatus(state=JobState.RUNNING)
        status: JobStatus = self._jobs.wait(name, patience)
        return status

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)


def left_at(world: World, step: str, **ports: Any) -> Run:
    leaves = LeavesAt(step)
    ports_of_mine = replace(world.ports(**ports), leaving=leaves, progress=leaves)
    run = retrain(Request(environment="production", actor="tester"), world.workspace, ports_of_mine)
    world.lives += 1
    return run


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_left_at_any_step_is_deployed_once_by_the_next_process(step: str) -> None:
    world = World()
    left = left_at(world, step)
    ended = drive(left.id, world.workspace, world.ports())
    assert (ended.outcome, world.serving()) == (Outcome.DEPLOYED, 1)
    assert [record.outcome for record in world.store.steps(left.id)] == [StepOutcome.DONE] * len(STEPS)
    assert len(world.registry.history("line", "production")) == 1


@pytest.mark.parametrize("step", [step for step in STEPS if step not in SETTLING])
def test_no_further_step_is_started_unless_it_settles_what_serves(step: str) -> None:
    world = World()
    left = left_at(world, step)
    started = [record.name for record in world.store.steps(left.id)]
    assert started[: STEPS.index(step) + 1] == STEPS[: STEPS.index(step) + 1]
    assert left.outcome is not Outcome.FAILED
    assert set(started[STEPS.index(step) + 1 :]) <= set(SETTLING)


@pytest.mark.parametrize("step", SETTLING)
def test_a_step_that_settles_what_serves_is_never_cut(step: str) -> None:
    assert left_at(World(), step).state is RunState.ENDED


def test_a_training_that_is_left_goes_on_and_is_found_again() -> None:
    world = World()
    slow = SlowJobs(world.jobs)
    left = left_at(world, "train", jobs=slow)
    assert left.state is not RunState.ENDED
    assert world.store.steps(left.id)[-1].outcome is StepOutcome.STARTED
    assert drive(left.id, world.workspace, world.ports(jobs=slow)).outcome is Outcome.DEPLOYED
    assert len(list(world.started(JobKind.TRAIN))) == 1
