"""The three promises while versions take traffic step by step: whatever the evidence, the host and people do."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import initialize, invariant, rule

from everfit.application.dispatch import dispatch
from everfit.application.journal import drive
from everfit.application.live_watch import watch_live
from everfit.application.performing import Patience
from everfit.application.releases import roll_back
from everfit.application.retraining import Request, begin, is_decided, unfinished
from everfit.application.rollout_orders import keep_order, order
from everfit.domain.errors import EverfitError
from everfit.domain.live import Moved
from everfit.domain.rollout import Ending, OrderKind, Progress, Verdict, phases_of
from everfit.domain.run import Outcome
from everfit.domain.version import Standing, release
from tests.fakes import Behaviour, World
from tests.unit.application.test_promises_at_random import OTHER, PLACES, STARTER, Promises, Trouble, places, troubles

QUICK = "{strategy: canary, steps: [10%, 50%], bake: 0s, minimum_requests: 200, patience: 1m}"
SHADOW = "{strategy: shadow, bake: 0s, minimum_requests: 200, disagreement: 5%}"
BAKED = "{strategy: all-at-once, bake: 1s, minimum_requests: 200}"
behaviours = some.sampled_from([Behaviour.GOOD, Behaviour.GOOD, *Behaviour])
HOST = "endpoint host"


class RolloutPromises(Promises):
    """Everything that may happen to a service, and traffic with evidence of all kinds."""

    rollout = QUICK
    is_ending = False

    @initialize(approval=some.sampled_from(["automatic", "automatic", "manual"]))
    def begin(self, approval: str) -> None:
        """Begin where two versions have served, if nobody had to be asked."""
        self.is_ending = True
        super().begin(approval)
        self.is_ending = False

    def a_world(self, approval: str) -> World:
        return World(approval, rollout=self.rollout)

    def act(self, trouble: Trouble | None, do: Callable[[], object]) -> None:
        # Who waits for traffic that does not come is killed at last.
        self.world.patience = self.world.rests + 25
        super().act(trouble, do)
        self.is_settled = False

    def do_run(self, place: str = "production", *, force: bool = False) -> None:
        """Run, and wait for no evidence, as a service does; undisturbed commands at the end see it through."""
        if self.is_ending:
            super().do_run(place, force=force)
            return
        world, ports = self.world, self.world.ports()
        asked = Request(environment=place, actor=STARTER, force=force)
        begun = unfinished(world.workspace, world.environment(place), ports)
        begun = begun or begin(asked, world.workspace, world.environment(place), ports)
        drive(begun.id, world.workspace, ports, patience=Patience.CHANGES)

    def do_serve(self) -> None:
        world, ports = self.world, self.world.ports()
        for waiting in ports.inbox.all_waiting():
            dispatch(waiting.model, waiting.environment, world.workspace, ports)
        for run in ports.store.open():
            if run.outcome is not Outcome.NEEDS_APPROVAL or is_decided(run, ports):
                with suppress(EverfitError):
                    drive(run.id, world.workspace, ports, patience=Patience.CHANGES)
        world.flow()

    # What live traffic, the host and people do

    @rule(behaviour=behaviours, trouble=troubles(150))
    def make_a_version(self, behaviour: Behaviour, trouble: Trouble | None) -> None:
        """Train one that passes its gate, and leave it on its way."""
        world = self.world
        world.mae, world.is_busy = 1.0, True
        world.data.rows += 1
        world.behaviour[len(world.registry.versions("line")) + 1] = behaviour
        self.act(trouble, self.do_run)

    @rule(behaviour=behaviours)
    def make_a_version_undisturbed(self, behaviour: Behaviour) -> None:
        """The same, so that there is mostly one on its way."""
        self.make_a_version(behaviour, None)

    @rule()
    def promote(self) -> None:
        """Put on its way to the other environment what serves in the first."""
        self.world.mae = 1.0
        self.act(None, lambda: self.do_run("live"))

    @rule(older=some.integers(-1, 1), behaviour=behaviours)
    def behave(self, older: int, behaviour: Behaviour) -> None:
        """The next version, the newest or the one before does well or badly from now on."""
        versions = self.world.registry.versions("line")
        self.world.behaviour[len(versions) - older] = behaviour

    @rule(is_busy=some.booleans())
    def send(self, is_busy: bool) -> None:
        self.world.is_busy = is_busy
        self.world.flow(2)

    @rule()
    def kill_the_host(self) -> None:
        self.world.traffic.restart()

    @rule(place=places, index=some.integers(0, 1), offline=some.booleans())
    def move_without_the_control_plane(self, place: str, index: int, offline: bool) -> None:
        """The host leaves a version that crashes in a loop, or a person goes back offline."""
        endpoint = self.world.endpoints.desired(PLACES[place])
        if endpoint is None or not endpoint.weights:
            return
        before = sorted(endpoint.weights)[index % len(endpoint.weights)]
        others = [number for number in endpoint.weights if number != before]
        after = next(iter([*others, *endpoint.ways_back]), None)
        if after is not None and after != before:
            actor = OTHER if offline else HOST
            moved = Moved(before=before, after=after, actor=actor, reason="so", at=self.world.clock.now())
            self.world.endpoints.move(PLACES[place], moved)
            self.is_settled = False

    @rule(kind=some.sampled_from(OrderKind), place=places, trouble=troubles(60))
    def order(self, kind: OrderKind, place: str, trouble: Trouble | None) -> None:
        self.act(trouble, lambda: self.do_order(kind, place, order))

    @rule(trouble=troubles(40))
    def watch(self, trouble: Trouble | None) -> None:
        self.act(trouble, lambda: watch_live({"line": self.world.workspace}, self.world.ports()))

    @rule(place=places, to=some.integers(1, 4), trouble=troubles(60))
    def go_far_back(self, place: str, to: int, trouble: Trouble | None) -> None:
        world = self.world
        self.act(
            trouble, lambda: roll_back(world.environment(place), world.workspace, world.ports(), actor=OTHER, to=to)
        )

    def do_order(self, kind: OrderKind, place: str, give: Callable[..., object]) -> None:
        world = self.world
        give(kind, world.environment(place), world.workspace, world.ports(), actor=OTHER, reason="so")

    def do_settle(self) -> None:
        world = self.world
        world.mae, world.is_busy, self.is_ending = 9.0, True, True
        world.behaviour = dict.fromkeys(range(1, 200), Behaviour.GOOD)
        for place, name in PLACES.items():
            with suppress(EverfitError):
                self.do_order(OrderKind.RESUME, place, keep_order)
            for turn in range(8):
                if turn > 1 and self.is_quiet(place):
                    break
                self.world.patience = self.world.rests + 1_000
                with suppress(EverfitError):
                    self.do_run(place, force=True)
                with suppress(EverfitError):
                    self.do_serve()
            assert world.rollouts.current("line", place) is None
            champion = world.registry.champion("line", place)
            endpoint = world.endpoints.desired(name)
            given = {} if endpoint is None else dict(endpoint.weights)
            assert given == ({} if champion is None else {champion: 1.0})
            assert endpoint is None or (endpoint.shadows, endpoint.moved) == ((), None)
            assert world.store.unfinished("line", place) is None
        assert not world.inbox.all_waiting()
        self.is_settled, self.is_ending = True, False

    def is_quiet(self, place: str) -> bool:
        world, champion = self.world, self.world.registry.champion("line", place)
        endpoint = world.endpoints.desired(PLACES[place])
        return (
            not world.store.unfinished("line", place)
            and not world.inbox.all_waiting()
            and (endpoint is None or dict(endpoint.weights) == ({} if champion is None else {champion: 1.0}))
        )

    # What holds all the time

    @invariant()
    def only_what_passed_takes_traffic_or_copies(self) -> None:
        world = self.world
        for place, name in PLACES.items():
            endpoint = world.endpoints.desired(name)
            for number in () if endpoint is None else {*endpoint.weights, *endpoint.shadows}:
                version = world.registry.version("line", number)
                proof = release(version, world.registry.placement("line", place, number))
                assert endpoint is not None
                assert endpoint.versions[number].artifact == proof.artifact
                world.artifacts.verify(version.artifact)

    @invariant()
    def what_was_deployed_is_never_without_a_server(self) -> None:
        world = self.world
        for place, name in PLACES.items():
            champion, endpoint = world.registry.champion("line", place), world.endpoints.desired(name)
            if champion is not None:
                assert endpoint is not None
                assert abs(sum(endpoint.weights.values()) - 1) < 1e-9

    @invariant()
    def the_champion_answers_whatever_has_not_passed(self) -> None:
        world = self.world
        for place, name in PLACES.items():
            endpoint, champion = world.endpoints.desired(name), world.registry.champion("line", place)
            if endpoint is None or len(endpoint.weights) < 2:
                continue
            shared = endpoint.weights
            known = [world.rollouts.current("line", place), *world.rollouts.ended("line", place, limit=2)]
            pairs = [{each.champion, each.challenger} for each in known if each is not None]
            assert set(shared) in pairs, "only a rollout shares traffic"
            assert champion in shared

    @invariant()
    def a_rollout_passes_only_by_its_steps_or_by_a_person(self) -> None:
        for place in PLACES:
            for progress in self.world.rollouts.ended("line", place, limit=100):
                if progress.ending is Ending.PROMOTED:
                    assert self.has_passed(progress)
                else:
                    assert progress.reason

    def has_passed(self, progress: Progress) -> bool:
        is_ordered = any(each.kind is OrderKind.PROMOTE for each in progress.orders)
        is_rescued = HOST in (progress.reason or "") or OTHER in (progress.reason or "")
        passed = {each.step for each in progress.decisions if each.verdict is Verdict.ADVANCE}
        return is_ordered or is_rescued or passed == set(range(len(phases_of(progress))))

    @invariant()
    def what_was_taken_back_does_not_serve(self) -> None:
        world = self.world
        for place in PLACES:
            champion = world.registry.champion("line", place)
            for placement in world.registry.placements("line", place):
                if placement.standing is Standing.ROLLED_BACK:
                    assert placement.version != champion

    @rule()
    def serve_on(self) -> None:
        """A quiet look of the service, so that rollouts get on."""
        for _ in range(5):
            self.act(None, self.do_serve)
            self.world.clock.advance(timedelta(seconds=1))


class ShadowPromises(RolloutPromises):
    """The same with copies before any share."""

    rollout = SHADOW


class BakedPromises(RolloutPromises):
    """The same with all of the traffic at once, and a time to go back at once."""

    rollout = BAKED


TestRolloutPromises = RolloutPromises.TestCase
TestRolloutPromises.settings = settings(max_examples=20, stateful_step_count=18, deadline=None)
TestShadowPromises = ShadowPromises.TestCase
TestShadowPromises.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
TestBakedPromises = BakedPromises.TestCase
TestBakedPromises.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
