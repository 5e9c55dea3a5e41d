"""The alert that comes when nothing does."""

from dataclasses import replace
from datetime import timedelta

from everfit.application.dead_man import watch_for_silence
from everfit.application.retraining import Request, retrain
from everfit.domain.inbox import Pause
from everfit.domain.notice import NoticeKind
from everfit.domain.run import Outcome
from tests.fakes import World
from tests.stored import START

DAY = timedelta(days=1)


class Watched(World):
    """A world in which nothing may happen for nine days at most, in one environment."""

    def __init__(self, limit: timedelta | None = 9 * DAY) -> None:
        super().__init__()
        only = {"production": self.environment()}
        project = replace(self.workspace.project, no_success_for=limit, environments=only)
        self.workspace = replace(self.workspace, project=project)
        self.look()

    def look(self) -> int:
        return watch_for_silence({"line": self.workspace}, self.ports())

    def run(self, mae: float = 1.0) -> Outcome | None:
        self.mae = mae
        self.data.rows += 100
        return retrain(Request(environment="production"), self.workspace, self.ports()).outcome

    def told(self) -> list[NoticeKind]:
        about = (NoticeKind.NO_SUCCESS, NoticeKind.RECOVERED)
        return [notice.kind for notice in self.outbox.unaddressed(limit=1_000) if notice.kind in about]


def test_silence_is_told_when_nothing_was_ever_deployed() -> None:
    world = Watched()
    world.clock.advance(9 * DAY - timedelta(seconds=1))
    assert world.look() == 0
    world.clock.advance(timedelta(seconds=1))
    assert (world.look(), world.told()) == (1, [NoticeKind.NO_SUCCESS])
    (notice,) = world.outbox.unaddressed()
    assert notice.facts["reason"] == (
        "no successful retraining for 9 days: no run has deployed a version since this model is watched, "
        "2026-11-21 09:00 UTC"
    )


def test_silence_counts_from_the_last_deployment() -> None:
    world = Watched()
    world.clock.advance(8 * DAY)
    world.run()
    world.clock.advance(8 * DAY)
    assert world.look() == 0
    world.clock.advance(DAY)
    assert world.look() == 1


def test_it_is_told_once_in_each_window_however_often_somebody_looks() -> None:
    world = Watched()
    for _ in range(28 * 24):
        world.clock.advance(timedelta(hours=1))
        world.look()
    assert world.told() == [NoticeKind.NO_SUCCESS] * 3


def test_rejected_and_skipped_runs_are_no_success() -> None:
    world = Watched()
    world.run()
    for _ in range(3):
        world.clock.advance(3 * DAY)
        assert world.run(mae=9.0) is Outcome.REJECTED
    assert world.look() == 1


def test_a_paused_model_is_told_of_too() -> None:
    world = Watched()
    world.inbox.pause(Pause(model="line", environment=None, actor="ada", reason="holidays", since=START))
    world.clock.advance(9 * DAY)
    assert world.look() == 1


def test_that_it_is_over_is_told_once() -> None:
    world = Watched()
    world.clock.advance(10 * DAY)
    world.look()
    world.run()
    assert [world.look() for _ in range(3)] == [1, 0, 0]
    assert world.told() == [NoticeKind.NO_SUCCESS, NoticeKind.RECOVERED]


def test_a_kill_and_a_restart_neither_lose_nor_double_it() -> None:
    for call in range(1, 8):
        world = Watched()
        world.clock.advance(9 * DAY)
        world.killed_at(call, after=True, act=world.look)
        world.look()
        assert world.told() == [NoticeKind.NO_SUCCESS], call


def test_nobody_is_told_who_did_not_ask() -> None:
    world = Watched(limit=None)
    world.clock.advance(1_000 * DAY)
    assert (world.look(), world.told()) == (0, [])


def test_each_environment_is_watched_by_itself() -> None:
    world = Watched()
    both = {name: replace(world.environment(), name=name, endpoint=name) for name in ("production", "staging")}
    world.workspace = replace(world.workspace, project=replace(world.workspace.project, environments=both))
    world.look()
    world.clock.advance(8 * DAY)
    world.run()
    world.clock.advance(2 * DAY)
    assert world.look() == 1
    assert [notice.environment for notice in world.outbox.unaddressed() if notice.cause == "no success"] == ["staging"]


def test_a_longer_limit_is_no_recovery() -> None:
    world = Watched()
    world.run()
    world.clock.advance(10 * DAY)
    world.look()
    project = replace(world.workspace.project, no_success_for=30 * DAY)
    world.workspace = replace(world.workspace, project=project)
    assert (world.look(), world.told()) == (0, [NoticeKind.NO_SUCCESS])
