"""A rollback is rehearsed before it is needed."""

from everfit.application.drill import drill
from everfit.application.preflight import Examined
from everfit.application.retraining import Request, retrain
from tests.fakes import World


def run(world: World) -> None:
    world.data.rows += 1
    retrain(Request(environment="production"), world.workspace, world.ports())


def production(world: World) -> Examined:
    return next(each for each in drill(world.workspace, world.ports()) if each.name == "production")


def test_before_two_versions_have_served_there_is_nothing_to_rehearse() -> None:
    world = World()
    assert (production(world).is_well, "nothing serves yet" in production(world).words) == (None, True)
    run(world)
    assert (production(world).is_well, "no way back" in production(world).words) == (None, True)


def test_a_way_back_that_works_is_rehearsed_without_moving_any_traffic() -> None:
    """`rollback` verifies that the old version exists, has the right digest and loads, before it moves anything."""
    world = World()
    run(world)
    run(world)
    found = production(world)
    assert found.is_well is True
    assert found.words.startswith("version 1 could take over from version 2: verified")
    assert world.serving() == 2


def test_a_way_back_whose_bytes_are_gone_is_found_before_it_is_needed() -> None:
    world = World()
    run(world)
    run(world)
    artifact = world.registry.version("line", 1).artifact
    world.artifacts.delete(artifact)
    found = production(world)
    assert (found.is_well, found.words.startswith("a rollback would fail: ")) == (False, True)
