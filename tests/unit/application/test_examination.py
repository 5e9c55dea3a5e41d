"""What is examined of an installation is true at any moment, also while a version is on its way to the traffic."""

from typing import Any

from everfit.application.examination import examine
from everfit.application.journal import drive
from everfit.application.live_overview import watch_row
from everfit.application.performing import Patience
from everfit.application.ports import Ports
from everfit.application.retraining import Request, begin, retrain
from everfit.domain.live import Moved
from tests.fakes import CANARY, World
from tests.stored import START


class Running:
    """Endpoints behind a host that runs."""

    def __init__(self, endpoints: Any) -> None:
        self._endpoints = endpoints

    def __getattr__(self, name: str) -> Any:
        return (lambda: True) if name == "is_running" else getattr(self._endpoints, name)


def ports_of(world: World) -> Ports:
    return world.ports(endpoints=Running(world.endpoints))


def in_a_rollout() -> World:
    """Return a world in which version 1 serves and version 2 has a share of its traffic."""
    world = World(rollout=CANARY, watch="{for: 1h, roll_back_when: [error_rate > 5%]}")
    retrain(Request(environment="production"), world.workspace, world.ports())
    world.data.rows += 1
    run = begin(Request(environment="production"), world.workspace, world.environment(), world.ports())
    drive(run.id, world.workspace, world.ports(), patience=Patience.CHANGES)
    state = world.endpoints.describe("line")
    assert state is not None
    assert set(state.weights) == {1, 2}
    return world


def test_a_version_on_its_way_to_the_traffic_is_nothing_wrong() -> None:
    world = in_a_rollout()
    found = [each for each in examine(world.workspace, ports_of(world)) if each.name == "production"]
    assert [each.words for each in found if each.is_well is False] == []
    assert "version 2 is on its way to the traffic of version 1; see `everfit rollout`" in [
        each.words for each in found
    ]


def test_shares_that_no_rollout_gave_are_wrong() -> None:
    world = in_a_rollout()
    world.rollouts = type(world.rollouts)(world.store)
    wrong = [each.words for each in examine(world.workspace, ports_of(world)) if each.is_well is False]
    assert any("which serves something else" in words for words in wrong)


def test_while_a_version_is_on_its_way_its_rollout_judges_and_not_the_watch() -> None:
    world = in_a_rollout()
    assert watch_row(world.environment(), world.workspace, world.ports()) is None


def test_what_was_moved_without_the_control_plane_is_told_as_it_was() -> None:
    world = World()
    for _ in range(2):
        world.data.rows += 1
        retrain(Request(environment="production"), world.workspace, world.ports())
    world.endpoints.move("line", Moved(before=2, after=1, actor="ann", reason="nonsense", at=START))
    (wrong,) = [each.words for each in examine(world.workspace, ports_of(world)) if each.is_well is False]
    assert "ann left version 2 for version 1: nonsense" in wrong
