"""Rollouts with traffic, orders, kills and restarts in random order keep their promises at every step."""

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everfit.domain.live import Moved, Observation, Tally
from everfit.domain.rollout import (
    Decision,
    Ending,
    Evidence,
    OrderKind,
    Progress,
    Verdict,
    advanced,
    applied,
    decide,
    from_json,
    is_given,
    phases_of,
    shares_of,
    to_json,
)
from everfit.domain.rollout_plan import Rollout, Strategy
from tests.unit.domain.rollouts import CHALLENGER, CHAMPION, MINUTES, NOON, order, rollout, tally

NOTHING = Tally()


class Host:
    """Counts what the versions do, as an endpoint's host would."""

    def __init__(self) -> None:
        self.epoch = 0
        self.totals = {CHAMPION: tally(500)}
        self.weights: dict[int, float] = {CHAMPION: 1.0}
        self.shadows: tuple[int, ...] = ()

    def split(self, weights: dict[int, float], shadows: tuple[int, ...]) -> None:
        self.weights, self.shadows = weights, shadows

    def serve(self, requests: int, errors: dict[int, int], seconds: float) -> None:
        given = {version: round(requests * share) for version, share in self.weights.items()}
        for version in self.shadows:
            given[version] = requests
        for version, count in given.items():
            is_copy = version in self.shadows
            done = tally(
                count,
                errors=min(errors.get(version, 0), count),
                seconds=seconds if version == CHALLENGER else 0.02,
                compared=count if is_copy else 0,
            )
            self.totals[version] = self.totals.get(version, NOTHING).plus(done)

    def restart(self) -> None:
        self.epoch, self.totals = self.epoch + 1, {}

    def observe(self) -> Observation:
        return Observation(
            epoch=str(self.epoch), weights=dict(self.weights), shadows=self.shadows, totals=dict(self.totals)
        )


class RolloutAtRandom(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now, self.host = NOON, Host()
        self.progress = self.before = rollout()
        self.is_promised = False

    @initialize(
        strategy=some.sampled_from(Strategy),
        bake=some.sampled_from([timedelta(), MINUTES]),
        minimum=some.sampled_from([0, 100]),
        is_first=some.booleans(),
    )
    def begin(self, strategy: Strategy, bake: timedelta, minimum: int, is_first: bool) -> None:
        plan = Rollout(strategy=strategy, steps=(0.1, 0.5), bake=bake, minimum_requests=minimum)
        self.progress = self.before = rollout(plan, champion=None if is_first else CHAMPION)
        if is_first:
            self.host.weights, self.host.totals = {}, {}

    @rule(requests=some.sampled_from([0, 40, 400, 4000]), seconds=some.sampled_from([0.02, 0.02, 0.09]))
    def serve_well(self, requests: int, seconds: float) -> None:
        self.host.serve(requests, {}, seconds)

    @rule(version=some.sampled_from([CHAMPION, CHALLENGER]), errors=some.integers(1, 60))
    def serve_badly(self, version: int, errors: int) -> None:
        self.host.serve(600, {version: errors}, 0.02)

    @rule(minutes=some.sampled_from([-30, 1, 10, 60]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(kind=some.sampled_from([OrderKind.PAUSE, OrderKind.RESUME, OrderKind.RESUME, OrderKind.PROMOTE]))
    def obey(self, kind: OrderKind) -> None:
        if self.progress.ending is None:
            self.progress = replace(self.progress, orders=(*self.progress.orders, order(kind, self.now)))
            self.is_promised = self.is_promised or kind is OrderKind.PROMOTE

    @rule()
    def kill_the_control_plane(self) -> None:
        read = from_json(json.loads(json.dumps(to_json(self.progress))))
        assert read == self.progress
        self.progress = read

    @rule()
    def restart_the_host(self) -> None:
        self.host.restart()

    @rule()
    def lose_counts(self) -> None:
        self.host.totals.pop(CHALLENGER, None)

    @precondition(lambda machine: machine.progress.champion is not None)
    @rule(is_breach=some.booleans())
    def break_off(self, is_breach: bool) -> None:
        moved = Moved(before=CHALLENGER, after=CHAMPION, actor="endpoint host", reason="it crashes", at=self.now)
        found = Evidence(
            observation=self.host.observe(),
            breaches=("error_rate > 1%",) if is_breach else (),
            moved=None if is_breach else moved,
        )
        was_promoted_by_hand = bool(self.progress.orders) and self.progress.orders[-1].kind is OrderKind.PROMOTE
        self.look(found)
        assert self.progress.ending is not None or was_promoted_by_hand

    @rule(looks=some.integers(1, 8))
    def look_at_it(self, looks: int) -> None:
        for _ in range(looks):
            self.look(Evidence(observation=self.host.observe()))

    @rule(is_told=some.booleans())
    def look_and_be_killed(self, is_told: bool) -> None:
        """Die after the decision was written down: before the endpoint was told of it, or after."""
        self.decide(Evidence(observation=self.host.observe()))
        if is_told:
            self.tell()
        self.kill_the_control_plane()

    def look(self, found: Evidence) -> None:
        self.decide(found)
        self.tell()
        self.progress = applied(self.progress, self.host.observe(), self.now)

    def decide(self, found: Evidence) -> None:
        self.before = self.progress
        decision = decide(self.progress, found, self.now)
        self.progress = advanced(self.progress, decision, found.observation, self.now)
        self.check(decision, self.progress, found.observation)

    def tell(self) -> None:
        shares = shares_of(self.progress)
        if not is_given(shares, self.host.observe()):
            self.host.split(dict(shares.weights), shares.shadows)

    def check(self, decision: Decision, after: Progress, observation: Observation) -> None:
        """Hold each decision against what it may be made from."""
        before = self.before
        is_ordered = bool(before.orders) and before.orders[-1].kind is OrderKind.PROMOTE
        if decision.verdict is Verdict.ADVANCE and not is_ordered:
            assert before.since is not None
            assert self.now >= before.since + before.plan.bake
            assert after.step == before.step + 1 or after.ending is Ending.PROMOTED
            if before.champion is not None:
                total = observation.totals.get(CHALLENGER, NOTHING)
                # No more than what was counted in all can have been answered in this step.
                counted = total.compared if phases_of(before)[before.step].is_shadow else total.requests
                assert counted >= before.plan.minimum_requests

    @invariant()
    def what_is_over_never_moves(self) -> None:
        if self.before.ending is not None:
            assert replace(self.progress, orders=()) == replace(self.before, orders=())

    @invariant()
    def shares_are_those_of_the_step_and_rise(self) -> None:
        progress, weights = self.progress, shares_of(self.progress).weights
        shares = [phase.share for phase in phases_of(progress)]
        assert shares == sorted(shares)
        assert progress.step >= self.before.step
        assert not weights or abs(sum(weights.values()) - 1.0) < 1e-9
        if progress.ending is Ending.ABORTED:
            assert CHALLENGER not in weights
        elif progress.ending is Ending.PROMOTED:
            assert weights == {CHALLENGER: 1.0}
        else:
            assert weights.get(CHALLENGER, 0.0) == shares[progress.step]
        if progress.champion is not None:
            assert weights

    @invariant()
    def the_host_gives_no_more_than_was_written_down(self) -> None:
        allowed = shares_of(self.progress).weights.get(CHALLENGER, 0.0)
        is_taken_back = self.progress.ending is Ending.ABORTED and self.before.ending is None
        assert self.host.weights.get(CHALLENGER, 0.0) <= allowed or is_taken_back
        if self.progress.since is not None and self.progress.ending is None:
            assert is_given(shares_of(self.progress), self.host.observe())

    @invariant()
    def nothing_is_promoted_that_has_not_passed_every_step(self) -> None:
        progress = self.progress
        if progress.ending is Ending.PROMOTED and not self.is_promised:
            passed = [each.step for each in progress.decisions if each.verdict is Verdict.ADVANCE]
            assert passed == list(range(len(phases_of(progress))))
        assert sum(each.verdict is Verdict.HOLD for each in progress.decisions) <= 1


TestRolloutAtRandom = RolloutAtRandom.TestCase
TestRolloutAtRandom.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
