"""The three promises, whatever people do and whenever the process is killed."""

from collections.abc import Callable
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everfit.application.releases import Decision, decide, latest_pending, roll_back
from everfit.application.retraining import Request, retrain
from everfit.domain.errors import EverfitError
from everfit.domain.run import RunId, RunState
from everfit.domain.trigger import EventEnd
from everfit.domain.version import Standing, release
from tests.fakes import World
from tests.kept import events_of

PLACES = {"production": "line", "live": "line-live"}
places = some.sampled_from(sorted(PLACES))
kills = some.none() | some.tuples(some.integers(1, 90), some.booleans())
Kill = tuple[int, bool] | None


class Promises(RuleBasedStateMachine):
    """Runs, promotions, approvals and rollbacks, each of which may be killed at any call of a port."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.is_settled = True

    @initialize(approval=some.sampled_from(["automatic", "manual"]))
    def begin(self, approval: str) -> None:
        self.world = World(approval)
        request = Request(environment="production")
        for _ in range(2):
            self.world.data.rows += 1
            self.act(None, lambda: retrain(request, self.world.workspace, self.world.ports()))

    def act(self, kill: Kill, do: Callable[[], object]) -> None:
        call, after = kill or (10_000, False)
        with suppress(EverfitError):
            self.is_settled = not self.world.killed_at(call, after=after, act=do) and self.is_settled

    @rule(place=places, mae=some.sampled_from([1.0, 4.9, 9.0, None]), kill=kills)
    def run(self, place: str, mae: float | None, kill: Kill) -> None:
        self.world.mae = mae
        self.world.data.rows += 1
        request = Request(environment=place)
        self.act(kill, lambda: retrain(request, self.world.workspace, self.world.ports()))

    @rule(approved=some.booleans(), kill=kills)
    def decide(self, approved: bool, kill: Kill) -> None:
        def do() -> None:
            place, ports = self.world.environment(), self.world.ports()
            number = latest_pending(place, self.world.workspace, ports).version
            decision = Decision(version=number, approved=approved, actor="ada", reason="so")
            decide(decision, place, self.world.workspace, ports)

        self.act(kill, do)

    @rule(place=places, kill=some.none() | some.tuples(some.integers(1, 24), some.booleans()))
    def go_back(self, place: str, kill: Kill) -> None:
        world = self.world
        self.act(kill, lambda: roll_back(world.environment(place), world.workspace, world.ports(), actor="ada"))

    @precondition(lambda self: not self.is_settled)
    @rule()
    def settle(self) -> None:
        """The next commands that change something, undisturbed, settle what is owed."""
        world = self.world
        world.mae = 9.0
        for place, endpoint in PLACES.items():
            for _ in range(6):
                with suppress(EverfitError):
                    retrain(Request(environment=place, force=True), world.workspace, world.ports())
            assert world.serving(endpoint) == world.registry.champion("line", place)
            assert world.store.unfinished("line", place) is None
        self.is_settled = True

    @invariant()
    def one_champion_and_only_what_passed_has_weight(self) -> None:
        world = self.world
        for place, endpoint in PLACES.items():
            placements = {one.version: one for one in world.registry.placements("line", place)}
            standing = [one.version for one in placements.values() if one.standing is Standing.SERVING]
            champion = world.registry.champion("line", place)
            assert standing == ([] if champion is None else [champion])
            serving = world.serving(endpoint)
            if serving is not None:
                version = world.registry.version("line", serving)
                release(version, placements[serving])
                world.artifacts.verify(version.artifact)
            if self.is_settled:
                assert serving == champion

    @invariant()
    def every_event_ends_with_its_run_and_not_before(self) -> None:
        for place in PLACES:
            for one in events_of(self.world.inbox, "line", place):
                run = None if one.run is None else self.world.store.run(RunId(one.run))
                has_ended = run is not None and run.state is RunState.ENDED
                assert (one.end is EventEnd.PENDING) is not has_ended


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
