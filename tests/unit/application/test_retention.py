"""Old versions make room; what serves and what one would go back to never does."""

from everfit.application.releases import roll_back
from everfit.application.retraining import Request, retrain
from everfit.domain.run import Outcome
from tests.fakes import World


def test_old_versions_go_and_the_way_back_stays() -> None:
    """What is no longer needed is removed by policy, and the last good version never is."""
    world = World()
    for _ in range(15):
        world.data.rows += 1
        ended = retrain(Request(environment="production"), world.workspace, world.ports())
        assert ended.outcome is Outcome.DEPLOYED
    kept = [version.number for version in world.registry.versions("line")]
    assert kept == list(range(6, 16))
    assert roll_back(world.environment(), world.workspace, world.ports(), actor="ada").after == 14
    assert world.serving() == 14
