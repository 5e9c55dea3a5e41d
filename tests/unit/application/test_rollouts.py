"""A version takes its traffic step by step, whoever is killed on the way."""

from everfit.application.retraining import Request, retrain
from everfit.domain.rollout import Ending
from everfit.domain.run import Outcome, Run
from everfit.domain.version import Standing
from tests.fakes import CANARY, Behaviour, World


def run(world: World, *, force: bool = False) -> Run:
    world.data.rows += 1
    return retrain(Request(environment="production", force=force), world.workspace, world.ports())


def weights(world: World) -> dict[int, float]:
    state = world.endpoints.describe("line")
    return {} if state is None else dict(state.weights)


def test_a_version_that_does_well_takes_every_step_and_serves() -> None:
    world = World(rollout=CANARY)
    assert run(world).outcome is Outcome.DEPLOYED
    ended = run(world)
    assert (ended.outcome, weights(world)) == (Outcome.DEPLOYED, {2: 1.0})
    progress = world.rollouts.of_run(ended.id)
    assert progress is not None
    assert (progress.ending, len(progress.decisions)) == (Ending.PROMOTED, 3)


def test_a_version_that_fails_is_taken_back_with_the_numbers() -> None:
    world = World(rollout=CANARY)
    run(world)
    world.behaviour[2] = Behaviour.FAILING
    ended = run(world)
    assert (ended.outcome, weights(world)) == (Outcome.FAILED, {1: 1.0})
    print(ended.reason)
    assert "version 2 was taken back in step 1 of 3" in (ended.reason or "")
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK
    assert world.registry.champion("line", "production") == 1
