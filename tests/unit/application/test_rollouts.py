"""A version takes its traffic step by step, whoever is killed on the way."""

from everfit.application.journal import drive
from everfit.application.performing import Patience
from everfit.application.releases import roll_back
from everfit.application.retraining import Request, begin, retrain
from everfit.domain.rollout import Ending
from everfit.domain.run import Outcome, Run, RunState
from everfit.domain.version import Standing
from tests.fakes import CANARY, Behaviour, World


def run(world: World, *, force: bool = False) -> Run:
    world.data.rows += 1
    return retrain(Request(environment="production", force=force), world.workspace, world.ports())


def begin_rollout(world: World) -> Run:
    """Begin a run, and leave it where its version has taken the first step."""
    world.data.rows += 1
    begun = begin(Request(environment="production"), world.workspace, world.environment(), world.ports())
    return look(world, begun)


def look(world: World, run: Run) -> Run:
    """Look once at a rollout, as a service does."""
    return drive(run.id, world.workspace, world.ports(), patience=Patience.CHANGES)


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
    assert "version 2 was taken back in step 1 of 3" in (ended.reason or "")
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK
    assert world.registry.champion("line", "production") == 1


def test_a_rollback_in_the_middle_breaks_the_rollout_off_and_leads_to_what_serves() -> None:
    world = World(rollout=CANARY)
    run(world)
    begun = begin_rollout(world)
    way = roll_back(world.environment(), world.workspace, world.ports(), actor="ada")
    assert (way.before, way.after, weights(world)) == (2, 1, {1: 1.0})
    ended = world.store.run(begun.id)
    assert (ended.outcome, ended.state) == (Outcome.FAILED, RunState.ENDED)
    assert "rolled back by hand, by ada" in (ended.reason or "")
    assert world.registry.placement("line", "production", 2).standing is Standing.ROLLED_BACK
