from dataclasses import replace
from typing import Any

from everfit.application.dispatch import dispatch
from everfit.application.journal import drive
from everfit.application.ports import FrozenCode
from everfit.domain.run import Outcome, Run
from everfit.domain.trigger import EventEnd, TriggerEvent, TriggerKind
from tests.fakes import FixedCode, World
from tests.git_projects import ONE, THREE, TWO


def tagged(world: World, commit: str, release: str, environment: str = "production", **instead: Any) -> Run | None:
    """Accept the event of a tag, and take the run that it starts to its end."""
    event = TriggerEvent(
        id=f"tag:{environment}-v{release}:{commit}",
        kind=TriggerKind.TAG,
        model="line",
        environment=environment,
        actor="mona",
        at=world.clock.now(),
        detail={"commit": commit, "release": release},
    )
    world.inbox.accept([event])
    run = dispatch("line", environment, world.workspace, world.ports())
    return drive(run.id, world.workspace, world.ports(**instead)) if isinstance(run, Run) else None


def test_a_tag_trains_the_code_of_its_commit_and_names_the_version() -> None:
    world = World()
    run = tagged(world, ONE, "0.1.2")
    assert run is not None
    assert (run.outcome, run.commit, run.release) == (Outcome.DEPLOYED, ONE, "0.1.2")
    version = world.registry.version("line", 1)
    assert version.code == f"blake3:code{ONE}"
    assert (version.lineage["commit"], version.lineage["release"]) == (ONE, "0.1.2")


def test_where_versions_are_promoted_a_tag_means_the_version_that_its_commit_made() -> None:
    """A tag must not deploy under its name what another commit made."""
    world = World()
    for commit, release in ((ONE, "1.0.0"), (TWO, "1.1.0")):
        tagged(world, commit, release)
    run = tagged(world, ONE, "1.0.0", "live")
    assert run is not None
    assert (run.promote, run.outcome, world.serving("line-live")) == (1, Outcome.DEPLOYED, 1)
    assert world.serving() == 2


def test_a_tag_of_a_commit_that_made_nothing_promotes_nothing() -> None:
    world = World()
    tagged(world, ONE, "1.0.0")
    assert tagged(world, THREE, "1.2.0", "live") is None
    (record,) = world.inbox.events(environment="live")
    assert record.end is EventEnd.SKIPPED
    assert record.reason is not None
    assert "no version made by v1.2.0 at 3333333 has served in production" in record.reason
    assert world.serving("line-live") is None


def test_a_version_that_was_rejected_is_not_what_a_tag_means() -> None:
    world = World()
    world.mae = 9.0
    tagged(world, ONE, "1.0.0")
    assert tagged(world, ONE, "1.0.0", "live") is None
    assert world.serving("line-live") is None


def test_of_several_versions_of_a_commit_the_newest_that_served_is_meant() -> None:
    world = World()
    tagged(world, ONE, "1.0.0")
    world.data.rows, world.mae = 200, 9.0
    tagged(world, ONE, "1.0.1")
    world.mae = 1.0
    run = tagged(world, ONE, "1.0.1", "live")
    assert run is not None
    assert (run.promote, world.serving("line-live")) == (1, 1)


class DirtyCode(FixedCode):
    """Code of a folder in which not everything was committed."""

    def freeze(self, folder: str, **asked: Any) -> FrozenCode:
        return replace(super().freeze(folder, **asked), is_dirty=True)


def test_a_version_made_beside_its_commit_is_not_what_a_tag_means() -> None:
    world = World()
    tagged(world, ONE, "1.0.0", code=DirtyCode())
    assert tagged(world, ONE, "1.0.0", "live") is None
