"""A worker gives a run back while its rollout waits for evidence, and looks at it again before long."""

from datetime import timedelta
from typing import Any, cast

from everfit.application.retraining import Request, begin, retrain
from everfit.application.rollouts import LONGEST, LONGEST_REST, PAUSES, next_look
from everfit.interfaces.service.work import Work
from everfit.interfaces.service.worker import Worker
from tests.fakes import CANARY, World
from tests.unit.service.test_dispatcher import Projects


class Bench:
    """A worker with a run whose version takes its traffic step by step, and a clock for what the worker does."""

    def __init__(self) -> None:
        self.world = World(rollout=CANARY)
        self.train()
        self.seconds = 0.0
        self.took = timedelta(0)
        self.work = Work(lambda: None, lambda: self.seconds)
        projects = cast("Any", Projects(self.world.workspace))
        self.worker = Worker("one", self.work, projects, self.world.ports(), lambda _: None, self.passing)

    def train(self) -> None:
        self.world.data.rows += 1
        retrain(Request(environment="production"), self.world.workspace, self.world.ports())

    def passing(self) -> float:
        """Have time pass between any two looks at the clock, so that each turn takes it once."""
        self.seconds += self.took.total_seconds()
        return self.seconds

    def turn(self, took: timedelta) -> None:
        """Have the worker take a turn that takes so long."""
        self.took = took
        self.work.offer(self.world.store.open())
        assert self.worker.turn() == 0

    def begin(self, took: timedelta) -> None:
        """Train the next version, in so long a time, and begin its rollout."""
        self.world.data.rows += 1
        begin(Request(environment="production"), self.world.workspace, self.world.environment(), self.world.ports())
        self.turn(took)
        (run,) = self.world.store.open()
        assert next_look(run, self.world.ports()) is not None

    def is_due_after(self, time: timedelta) -> bool:
        self.seconds += time.total_seconds()
        return self.work.is_due()


def test_a_training_of_hours_does_not_put_off_the_looks_at_its_rollout() -> None:
    bench = Bench()
    bench.begin(timedelta(hours=3))
    assert bench.is_due_after(LONGEST)


def test_a_look_that_takes_long_is_followed_by_a_longer_pause() -> None:
    bench = Bench()
    bench.begin(timedelta(0))
    bench.seconds += LONGEST.total_seconds()
    bench.turn(timedelta(seconds=1))
    assert not bench.is_due_after(timedelta(seconds=PAUSES - 1))
    assert bench.is_due_after(timedelta(seconds=1))


def test_however_long_a_look_takes_the_next_one_is_not_far() -> None:
    bench = Bench()
    bench.begin(timedelta(0))
    bench.seconds += LONGEST.total_seconds()
    bench.turn(timedelta(minutes=10))
    assert bench.is_due_after(LONGEST_REST)
