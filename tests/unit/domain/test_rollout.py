"""Each step of a rollout is left by evidence alone."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.live import Losses, Moved, Observation, Quality, Tally
from everfit.domain.rollout import (
    Ending,
    Evidence,
    OrderKind,
    Phase,
    Progress,
    Result,
    Verdict,
    advanced,
    alert_due,
    applied,
    decide,
    describe_plan,
    from_json,
    is_given,
    is_one_shift,
    phases,
    shares_of,
    summary,
    to_json,
    told,
)
from everfit.domain.rollout_plan import Rollout, Strategy
from tests.unit.domain.rollouts import (
    CANARY,
    CHALLENGER,
    CHAMPION,
    MINUTES,
    NOON,
    evidence,
    in_effect,
    looked,
    observed,
    order,
    rollout,
    tally,
)

LATER = NOON + MINUTES
SHADOW = Rollout(strategy=Strategy.SHADOW, bake=MINUTES, disagreement=0.05)
AFTERWARDS = Rollout(bake=MINUTES)


def verdict(progress: Progress, found: Evidence, at: datetime = LATER) -> tuple[Verdict, str]:
    decision = decide(progress, found, at)
    return decision.verdict, decision.reason


def equal(progress: Progress) -> Evidence:
    """As much from a challenger as from its champion, and as good."""
    return evidence(progress, tally(1000), tally(1000))


class TestPlan:
    @pytest.mark.parametrize(
        ("strategy", "shares"),
        [
            (Strategy.ALL_AT_ONCE, [1.0]),
            (Strategy.CANARY, [0.1, 0.5, 1.0]),
            (Strategy.LINEAR, [0.1, 0.5, 1.0]),
            (Strategy.ROLLING, [0.1, 0.5, 1.0]),
            (Strategy.SHADOW, [0.0, 1.0]),
        ],
    )
    def test_each_strategy_ends_with_all_of_the_traffic(self, strategy: Strategy, shares: list[float]) -> None:
        plan = Rollout(strategy=strategy, steps=(0.1, 0.5))
        assert [phase.share for phase in phases(plan)] == shares
        assert [phase.is_shadow for phase in phases(plan)] == [share == 0.0 for share in shares]
        assert phases(plan, is_first=True) == (Phase(share=1.0),)

    def test_a_shift_that_nothing_waits_for_is_no_rollout(self) -> None:
        assert is_one_shift(Rollout())
        assert not is_one_shift(AFTERWARDS)
        assert not is_one_shift(replace(CANARY, bake=timedelta()))

    def test_it_is_told_before_it_happens(self) -> None:
        assert describe_plan(CANARY, 7, 8) == [
            "Step 1 of 3: version 8 takes 10% of the traffic, for at least 10m and 100 requests.",
            "Step 2 of 3: version 8 takes 50% of the traffic, for at least 10m and 100 requests.",
            "Step 3 of 3: version 8 takes all of the traffic, for at least 10m and 100 requests.",
            "A step is left when version 8 is no worse than version 7 in errors, latency and the quality of labelled "
            "rows; when it is worse, version 7 takes everything again at once.",
            "Without that many requests a step holds; after 1h of it people are told.",
        ]

    def test_a_shadow_is_told_with_what_it_may_answer_otherwise(self) -> None:
        sentences = describe_plan(replace(SHADOW, minimum_requests=0), 7, 8)
        assert sentences[0] == (
            "Step 1 of 2: version 8 is given a copy of every request, and its answers are thrown away, for at least "
            "10m and 0 copies."
        )
        assert sentences[-1] == "Its answers to the copies may differ in 5% of them."

    def test_a_first_version_and_a_plain_shift_are_told_in_a_sentence(self) -> None:
        alone = "Version 1 takes all of the traffic at once: there is no other to compare it with."
        assert describe_plan(Rollout(), None, 1) == [alone]
        assert describe_plan(CANARY, None, 1) == [alone, "For 10m it can still be taken back."]
        assert describe_plan(Rollout(), 7, 8) == [
            "Version 8 takes all of the traffic from version 7 at once, without a bake."
        ]


class TestHolding:
    def test_before_the_endpoint_has_taken_the_step(self) -> None:
        progress = rollout()
        assert verdict(progress, equal(progress)) == (Verdict.HOLD, "the endpoint has not taken the step yet")

    def test_while_it_bakes(self) -> None:
        progress = in_effect(rollout())
        at = NOON + timedelta(minutes=7)
        assert verdict(progress, equal(progress), at) == (Verdict.HOLD, "it bakes for another 3m")

    def test_with_too_few_requests_however_long_it_takes(self) -> None:
        progress = in_effect(rollout())
        found = evidence(progress, tally(891), tally(99))
        assert verdict(progress, found, NOON + timedelta(days=9)) == (Verdict.HOLD, "99 of 100 requests answered")

    def test_with_no_traffic_at_all(self) -> None:
        progress = in_effect(rollout())
        found = evidence(progress, Tally(), Tally())
        assert verdict(progress, found, NOON + timedelta(days=9)) == (Verdict.HOLD, "0 of 100 requests answered")

    def test_while_the_champion_has_answered_nothing_beside_it(self) -> None:
        progress = in_effect(rollout())
        found = evidence(progress, Tally(), tally(1000))
        assert verdict(progress, found) == (Verdict.HOLD, "version 7 has answered nothing to compare with")

    def test_while_numbers_look_worse_and_are_not_sure(self) -> None:
        progress = in_effect(rollout())
        found = evidence(progress, tally(900, errors=1), tally(100, errors=3))
        assert verdict(progress, found) == (
            Verdict.HOLD,
            "errors 3% of 100 against 0.111% of 900 (unclear)",
        )

    def test_while_a_shadow_has_been_compared_too_little(self) -> None:
        progress = in_effect(rollout(SHADOW))
        found = evidence(progress, tally(5000), tally(5000, compared=40))
        assert verdict(progress, found) == (Verdict.HOLD, "40 of 100 requests compared")

    def test_while_the_endpoint_gives_other_shares(self) -> None:
        progress = in_effect(rollout())
        found = equal(progress)
        others = replace(found, observation=replace(found.observation, weights={CHAMPION: 1.0}))
        assert verdict(progress, others) == (
            Verdict.HOLD,
            "the endpoint does not give the versions these shares at the moment",
        )
        assert not is_given(shares_of(progress), replace(found.observation, weights={CHAMPION: nan, CHALLENGER: 0.1}))

    def test_while_a_shadow_is_given_no_copies(self) -> None:
        progress = in_effect(rollout(SHADOW))
        found = evidence(progress, tally(1000), tally(1000, compared=1000))
        assert verdict(progress, found)[0] is Verdict.ADVANCE
        assert not is_given(shares_of(progress), replace(found.observation, shadows=()))

    def test_on_quality_that_is_no_number(self) -> None:
        progress = in_effect(rollout())
        rows = {each: Quality(rows=99, metrics={}, losses=Losses(rows=99, mean=nan, variance=1)) for each in (7, 8)}
        found = replace(equal(progress), quality=rows)
        assert verdict(progress, found) == (
            Verdict.HOLD,
            "mean loss nan on 99 rows against nan on 99 (unclear)",
        )


class TestAdvancing:
    def test_no_worse_goes_on_and_says_on_what_evidence(self) -> None:
        progress = in_effect(rollout())
        decision = decide(progress, evidence(progress, tally(900), tally(100)), LATER)
        assert decision.verdict is Verdict.ADVANCE
        assert decision.following == 1
        assert decision.reason.startswith("100 requests in this step; errors 0% of 100 against 0% of 900 (no worse);")
        assert [each.name for each in decision.comparisons] == ["errors", "latency_p50", "latency_p99", "quality"]

    def test_nothing_declared_to_wait_for_waits_for_nothing(self) -> None:
        plan = replace(CANARY, bake=timedelta(), minimum_requests=0)
        progress = in_effect(rollout(plan))
        assert verdict(progress, evidence(progress, Tally(), Tally()), NOON)[0] is Verdict.ADVANCE

    def test_each_step_counts_anew(self) -> None:
        progress = looked(first := in_effect(rollout()), equal(first), LATER)
        assert (progress.step, progress.since, progress.baseline) == (1, None, {})
        assert shares_of(progress).weights == {CHAMPION: 0.5, CHALLENGER: 0.5}
        progress = in_effect(progress, {CHAMPION: tally(11_000), CHALLENGER: tally(1_000)}, LATER)
        found = evidence(progress, Tally(), Tally())
        assert verdict(progress, found, LATER + MINUTES) == (Verdict.HOLD, "0 of 100 requests answered")

    def test_the_last_step_is_baked_and_then_it_is_promoted(self) -> None:
        progress, at = rollout(), NOON
        for _ in range(3):
            progress = in_effect(progress, at=at)
            assert progress.ending is None
            at += MINUTES
            progress = looked(progress, equal(progress), at)
        assert (progress.ending, progress.ended) == (Ending.PROMOTED, at)
        assert shares_of(progress).weights == {CHALLENGER: 1.0}
        assert [each.step for each in progress.decisions] == [0, 1, 2]

    def test_a_first_version_waits_for_its_bake_and_for_no_requests(self) -> None:
        progress = in_effect(rollout(champion=None), totals={})
        found = Evidence(observation=observed(progress, {}))
        assert verdict(progress, found, NOON) == (Verdict.HOLD, "it bakes for another 10m")
        assert verdict(progress, found) == (
            Verdict.ADVANCE,
            "0 requests in this step, the first version has nothing to be compared with",
        )
        assert looked(progress, found, LATER).ending is Ending.PROMOTED


class TestAborting:
    @pytest.mark.parametrize(
        ("challenger", "what"),
        [
            (tally(300, errors=30), "errors 10% of 300 against 0% of 2700 (worse)"),
            (tally(300, refused=300), "errors 100% of 300 against 0% of 2700 (worse)"),
            (tally(300, seconds=0.08), "median latency 81.9 ms against 20.5 ms (worse)"),
        ],
    )
    def test_worse_goes_back_at_once_in_the_middle_of_a_bake(self, challenger: Tally, what: str) -> None:
        progress = in_effect(rollout())
        found = evidence(progress, tally(2700), challenger)
        after = looked(progress, found, NOON + timedelta(seconds=1))
        assert after.ending is Ending.ABORTED
        assert after.reason is not None
        assert what in after.reason
        assert shares_of(after).weights == {CHAMPION: 1.0}

    def test_a_shadow_that_answers_otherwise_goes_back(self) -> None:
        progress = in_effect(rollout(SHADOW))
        found = evidence(progress, tally(400), tally(400, compared=400, disagreed=90))
        assert verdict(progress, found, NOON) == (
            Verdict.ABORT,
            "other answers to 22.5% of 400, 5% allowed (worse)",
        )

    def test_labels_that_come_late_can_end_it(self) -> None:
        """Quality is computed on matured rows only; labels that arrive late are joined to their predictions."""
        progress = in_effect(rollout())
        rows = {
            CHAMPION: Quality(rows=400, metrics={}, losses=Losses(rows=400, mean=1.0, variance=1.0)),
            CHALLENGER: Quality(rows=200, metrics={}, losses=Losses(rows=200, mean=2.0, variance=1.0)),
        }
        found = replace(equal(progress), quality=rows)
        assert verdict(progress, found) == (
            Verdict.ABORT,
            "mean loss 2 on 200 rows against 1 on 400 (worse)",
        )

    def test_a_rule_of_the_watch_that_is_breached_ends_it(self) -> None:
        progress = in_effect(rollout())
        found = replace(equal(progress), breaches=("mape > 25: 31 on 40 labelled rows",))
        assert verdict(progress, found) == (Verdict.ABORT, "mape > 25: 31 on 40 labelled rows")

    def test_traffic_that_somebody_else_has_moved_ends_it(self) -> None:
        progress = in_effect(rollout())
        moved = Moved(before=8, after=7, actor="endpoint host", reason="it crashed 5 times", at=NOON)
        found = replace(equal(progress), moved=moved)
        assert verdict(progress, found) == (
            Verdict.ABORT,
            "endpoint host moved the traffic from version 8 to 7: it crashed 5 times",
        )

    @pytest.mark.parametrize("plan", [CANARY, AFTERWARDS])
    def test_with_all_of_the_traffic_it_is_held_against_what_the_champion_did_before(self, plan: Rollout) -> None:
        progress, at = rollout(plan), NOON
        recent = {CHAMPION: tally(2000, errors=1)}
        progress = applied(progress, observed(progress, {CHAMPION: tally(10**6)}, recent=recent), at)
        while shares_of(progress).weights != {CHALLENGER: 1.0}:
            at += MINUTES
            progress = in_effect(looked(progress, equal(progress), at), at=at)
        found = evidence(progress, Tally(), tally(400, errors=40))
        assert verdict(progress, found, at)[0] is Verdict.ABORT
        found = evidence(progress, Tally(), tally(400))
        assert verdict(progress, found, at + MINUTES)[0] is Verdict.ADVANCE

    def test_what_the_champion_did_in_every_step_is_remembered(self) -> None:
        progress = in_effect(rollout())
        progress = looked(progress, evidence(progress, tally(900, errors=9), tally(100)), LATER)
        progress = in_effect(progress, at=LATER)
        progress = looked(progress, evidence(progress, tally(500, errors=5), tally(500)), LATER + MINUTES)
        assert (progress.step, progress.earlier) == (2, tally(11_400, errors=14))

    def test_where_the_last_minutes_hold_too_little_all_that_the_champion_did_counts(self) -> None:
        progress = rollout(AFTERWARDS)
        totals, recent = {CHAMPION: tally(5000)}, {CHAMPION: tally(3)}
        assert applied(progress, observed(progress, totals, recent=recent), NOON).earlier == tally(5000)

    def test_it_is_final(self) -> None:
        progress = in_effect(rollout())
        after = looked(progress, replace(equal(progress), breaches=("bad",)), NOON)
        promote = replace(after, orders=(order(OrderKind.PROMOTE),))
        assert verdict(promote, equal(progress)) == (Verdict.HOLD, "it is aborted")
        assert looked(promote, equal(progress), LATER) == promote
        assert applied(promote, equal(progress).observation, LATER) == promote

    def test_a_first_version_leaves_nothing_behind(self) -> None:
        progress = in_effect(rollout(champion=None), totals={})
        found = Evidence(observation=observed(progress, {}), breaches=("bad",))
        assert shares_of(looked(progress, found, NOON)).weights == {}


class TestOrders:
    def test_a_pause_holds_what_would_go_on(self) -> None:
        progress = in_effect(rollout(orders=(order(OrderKind.PAUSE),)))
        assert verdict(progress, equal(progress)) == (Verdict.HOLD, "ann paused it: so be it")

    def test_a_pause_does_not_keep_what_is_worse(self) -> None:
        progress = in_effect(rollout(orders=(order(OrderKind.PAUSE),)))
        found = evidence(progress, tally(2700), tally(300, errors=100))
        assert verdict(progress, found)[0] is Verdict.ABORT

    def test_the_newest_order_counts(self) -> None:
        progress = in_effect(rollout(orders=(order(OrderKind.PAUSE), order(OrderKind.RESUME))))
        assert verdict(progress, equal(progress))[0] is Verdict.ADVANCE

    def test_abort_is_obeyed_in_any_state(self) -> None:
        progress = rollout(orders=(order(OrderKind.ABORT),))
        assert verdict(progress, equal(progress)) == (Verdict.ABORT, "ann aborted it: so be it")

    def test_promote_moves_all_traffic_at_the_next_look_and_ends_it_when_that_is_done(self) -> None:
        progress = in_effect(rollout(orders=(order(OrderKind.PROMOTE),)))
        progress = looked(progress, evidence(progress, Tally(), Tally()), NOON)
        assert (progress.step, progress.since) == (2, None)
        assert verdict(progress, equal(progress)) == (Verdict.HOLD, "the endpoint has not taken the step yet")
        progress = in_effect(progress)
        progress = looked(progress, evidence(progress, Tally(), Tally()), NOON)
        assert (progress.ending, progress.reason) == (Ending.PROMOTED, "ann promoted it: so be it")


class TestDisturbances:
    def test_a_host_that_restarts_counts_anew(self) -> None:
        progress = in_effect(rollout())
        totals = {CHAMPION: tally(360), CHALLENGER: tally(40)}
        found = Evidence(observation=observed(progress, totals, epoch="b"))
        assert verdict(progress, found) == (Verdict.HOLD, "40 of 100 requests answered")
        after = looked(progress, found, LATER)
        assert (after.epoch, after.baseline, after.since) == ("b", {}, NOON)
        more = Evidence(observation=observed(after, {CHAMPION: tally(1800), CHALLENGER: tally(200)}, epoch="b"))
        assert verdict(after, more)[0] is Verdict.ADVANCE

    def test_counts_that_went_back_are_not_judged(self) -> None:
        progress = in_effect(rollout(), {CHAMPION: tally(10_000), CHALLENGER: tally(500)})
        totals = {CHAMPION: tally(20_000), CHALLENGER: tally(400, errors=400)}
        found = Evidence(observation=observed(progress, totals))
        decision = decide(progress, found, LATER)
        assert decision.comparisons == ()
        assert (decision.verdict, decision.reason) == (
            Verdict.HOLD,
            "the endpoint counts less than it did before; counting starts anew",
        )
        after = looked(progress, found, LATER)
        assert (after.since, after.baseline) == (LATER, totals)
        words = summary(progress, found, LATER)["words"]
        assert words == "step 1 of 3: 10% for 10m, the endpoint counts less than it did before; counting starts anew"

    def test_a_clock_that_goes_back_starts_the_bake_anew(self) -> None:
        progress = in_effect(rollout())
        before = NOON - timedelta(days=1)
        decision = decide(progress, equal(progress), before)
        assert decision.reason == "the clock went back; the bake starts anew"
        after = looked(progress, equal(progress), before)
        assert after.since == before
        assert verdict(after, equal(after), before) == (Verdict.HOLD, "it bakes for another 10m")
        assert verdict(after, equal(after), before + MINUTES)[0] is Verdict.ADVANCE

    def test_a_decision_about_another_step_changes_nothing(self) -> None:
        first = in_effect(rollout())
        decision = decide(first, equal(first), LATER)
        second = advanced(first, decision, equal(first).observation, LATER)
        assert advanced(second, decision, equal(first).observation, LATER) == second

    def test_taking_effect_twice_is_taking_effect_once(self) -> None:
        progress = in_effect(rollout())
        assert in_effect(progress, {CHAMPION: tally(99_999)}, LATER) == progress

    def test_counts_that_went_back_when_it_was_promoted_by_hand_are_left_out(self) -> None:
        orders = (order(OrderKind.PROMOTE),)
        progress = in_effect(rollout(orders=orders), {CHAMPION: tally(10_000), CHALLENGER: tally(500)})
        found = Evidence(observation=observed(progress, {CHAMPION: tally(1)}))
        assert looked(progress, found, NOON).earlier == progress.earlier


class TestTelling:
    def test_people_are_told_once_in_each_step_that_waits_for_long(self) -> None:
        progress = in_effect(rollout())
        due = NOON + MINUTES + CANARY.patience
        assert not alert_due(progress, due - timedelta(seconds=1))
        assert alert_due(progress, due)
        assert not alert_due(told(progress), due)
        onward = looked(told(progress), equal(progress), due)
        assert not alert_due(onward, due + CANARY.patience - timedelta(seconds=1))
        assert alert_due(onward, due + CANARY.patience), "nor does the endpoint take the step"
        assert alert_due(in_effect(onward, at=due), due + timedelta(days=9))

    def test_who_has_paused_it_is_not_told_that_it_waits(self) -> None:
        assert not alert_due(in_effect(rollout(orders=(order(OrderKind.PAUSE),))), NOON + timedelta(days=9))

    def test_only_the_newest_of_many_looks_that_changed_nothing_is_kept(self) -> None:
        progress = in_effect(rollout())
        for seconds in range(20):
            progress = looked(progress, equal(progress), NOON + timedelta(seconds=seconds))
        assert [each.reason for each in progress.decisions] == ["it bakes for another 9m 41s"]
        progress = looked(progress, equal(progress), LATER)
        assert [each.verdict for each in progress.decisions] == [Verdict.ADVANCE]

    def test_status_says_where_it_stands_in_words(self) -> None:
        progress = replace(in_effect(rollout()), step=1)
        found = evidence(progress, tally(812), tally(812))
        said = summary(progress, found, NOON + timedelta(minutes=7))
        assert said["words"] == "step 2 of 3: 50% for 7m, 3m left, 812 of 100 requests, no worse"
        assert (said["state"], said["share"], said["bake_left"]) == ("under way", 0.5, 180.0)

    @pytest.mark.parametrize(
        ("progress", "words"),
        [
            (rollout(), "step 1 of 3: 10%, not in effect yet"),
            (in_effect(rollout(SHADOW)), "step 1 of 2: copies for 10m, 0 of 100 requests, no data"),
            (in_effect(rollout(champion=None), {}), "step 1 of 1: all for 10m, 0 of 100 requests"),
            (
                in_effect(rollout(orders=(order(OrderKind.PAUSE),))),
                "step 1 of 3: 10% for 10m, 0 of 100 requests, no data, paused by ann: so be it",
            ),
            (rollout(ending=Ending.ABORTED, reason="bad", ended=LATER), "aborted: bad"),
        ],
    )
    def test_each_state_has_its_words(self, progress: Progress, words: str) -> None:
        assert summary(progress, evidence(progress, Tally(), Tally()), LATER)["words"] == words

    def test_a_doubt_is_said_with_its_numbers(self) -> None:
        progress = in_effect(rollout())
        found = evidence(progress, tally(900, errors=1), tally(100, errors=3))
        assert str(summary(progress, found, LATER)["words"]).endswith(
            "errors 3% of 100 against 0.111% of 900 (unclear)"
        )

    def test_an_endpoint_that_tells_nothing_leaves_the_rest(self) -> None:
        said = summary(in_effect(rollout()), None, LATER)
        assert (said["requests"], said["reason"], said["words"]) == (None, None, "step 1 of 3: 10% for 10m")

    def test_what_would_be_decided_now_is_said(self) -> None:
        progress = in_effect(rollout())
        after = looked(progress, equal(progress), NOON)
        assert summary(after, equal(after), NOON + timedelta(minutes=4))["reason"] == "it bakes for another 6m"
        assert summary(after, None, NOON + timedelta(minutes=4))["reason"] == "it bakes for another 10m"
        ended = looked(progress, replace(equal(progress), breaches=("bad",)), LATER)
        assert summary(ended, None, LATER)["reason"] == "bad"

    def test_why_counts_are_not_believed_is_said(self) -> None:
        progress = in_effect(rollout())
        found = equal(progress)
        others = replace(found, observation=replace(found.observation, weights={CHAMPION: 1.0}))
        assert summary(progress, others, LATER)["words"] == (
            "step 1 of 3: 10% for 10m, 1000 of 100 requests, no worse, "
            "the endpoint does not give the versions these shares at the moment"
        )


def rollouts_at_random() -> some.SearchStrategy[Progress]:
    counts = some.integers(0, 10**6)
    tallies = some.builds(
        Tally, requests=counts, refused=counts, errors=counts, latency=some.dictionaries(counts, counts, max_size=3)
    )
    return some.builds(
        rollout,
        some.builds(
            Rollout,
            strategy=some.sampled_from(Strategy),
            steps=some.lists(some.floats(0.01, 0.99), min_size=1, max_size=3, unique=True).map(sorted).map(tuple),
            bake=some.timedeltas(timedelta(), timedelta(days=2)),
            patience=some.timedeltas(timedelta(), timedelta(days=2)),
            disagreement=some.none() | some.floats(0, 1),
        ),
        champion=some.none() | some.integers(1, 99),
        since=some.none() | some.just(NOON),
        baseline=some.dictionaries(some.integers(1, 9), tallies, max_size=2),
        earlier=tallies,
        is_told=some.booleans(),
        orders=some.lists(some.sampled_from(OrderKind).map(order), max_size=2).map(tuple),
        ending=some.none() | some.sampled_from(Ending),
        reason=some.none() | some.text(max_size=5),
        ended=some.none() | some.just(LATER),
    )


@given(rollouts_at_random())
def test_what_is_written_down_is_read_again(progress: Progress) -> None:
    assert from_json(json.loads(json.dumps(to_json(progress)))) == progress


def test_decisions_are_written_down_with_their_numbers() -> None:
    progress = in_effect(rollout())
    progress = looked(progress, evidence(progress, tally(900), tally(100)), LATER)
    text = json.dumps(to_json(progress), allow_nan=False)
    read = from_json(json.loads(text))
    assert read == progress
    assert read.decisions[0].comparisons[0].result is Result.BETTER_OR_EQUAL


def test_what_an_older_release_wrote_takes_defaults() -> None:
    plain: dict[str, Any] = to_json(rollout())
    for name in ("earlier", "is_told", "baseline"):
        del plain[name]
    del plain["plan"]["patience"]
    assert from_json(plain) == rollout()


BIG = some.integers(0, 3000)


@given(
    plan=some.builds(
        Rollout,
        strategy=some.sampled_from(Strategy),
        steps=some.just((0.1, 0.5)),
        bake=some.sampled_from([timedelta(), MINUTES]),
        minimum_requests=some.sampled_from([1, 100, 2000]),
        disagreement=some.sampled_from([None, 0.1]),
    ),
    elapsed=some.timedeltas(-MINUTES, 3 * MINUTES),
    ours=some.builds(
        tally,
        BIG,
        errors=some.integers(0, 40),
        seconds=some.sampled_from([0.01, 0.1]),
        compared=BIG,
        disagreed=some.integers(0, 300),
    ),
    theirs=some.builds(tally, BIG, errors=some.integers(0, 40)),
    mean=some.sampled_from([0.0, 1.0, nan]),
    is_given_shares=some.booleans(),
)
def test_nothing_advances_without_time_requests_and_evidence(
    plan: Rollout,
    elapsed: timedelta,
    ours: Tally,
    theirs: Tally,
    mean: float,
    is_given_shares: bool,
) -> None:
    progress = in_effect(rollout(plan))
    losses = Losses(rows=50, mean=mean, variance=1.0)
    found = evidence(progress, theirs, ours, quality=dict.fromkeys((7, 8), Quality(rows=50, metrics={}, losses=losses)))
    if not is_given_shares:
        found = replace(found, observation=replace(found.observation, weights={}))
    decision = decide(progress, found, NOON + elapsed)
    results = {each.name: each.result for each in decision.comparisons}
    if decision.verdict is not Verdict.ADVANCE:
        return
    assert elapsed >= plan.bake
    assert is_given_shares
    assert not {Result.WORSE, Result.UNCLEAR} & set(results.values())
    assert results["quality"] is Result.BETTER_OR_EQUAL
    assert (ours.compared if plan.strategy is Strategy.SHADOW else ours.requests) >= plan.minimum_requests
    assert results["errors"] is Result.BETTER_OR_EQUAL


ANY = some.integers(-5, 10**10)
ANYTHING = some.builds(
    Tally,
    requests=ANY,
    refused=ANY,
    errors=ANY,
    latency=some.dictionaries(some.integers(-3, 300), ANY, max_size=4),
    compared=ANY,
    disagreed=ANY,
)
ANY_LOSSES = some.builds(Losses, rows=some.integers(0, 10**9), mean=some.floats(), variance=some.floats())


@given(
    some.sampled_from([CANARY, SHADOW, AFTERWARDS]),
    some.dictionaries(some.sampled_from([CHAMPION, CHALLENGER, 9]), ANYTHING),
    some.dictionaries(some.sampled_from([CHAMPION, CHALLENGER]), ANY_LOSSES),
    some.dictionaries(some.sampled_from([CHAMPION, CHALLENGER]), some.floats()),
)
def test_whatever_an_endpoint_counts_is_decided_about(
    plan: Rollout, totals: dict[int, Tally], losses: dict[int, Losses], weights: dict[int, float]
) -> None:
    """Counts that cannot be are a reason to hold, and never an error that ends the run."""
    progress = in_effect(rollout(plan))
    quality = {version: Quality(rows=each.rows, metrics={}, losses=each) for version, each in losses.items()}
    observation = replace(observed(progress, totals), weights=weights)
    found = Evidence(observation=observation, quality=quality)
    decision = decide(progress, found, LATER)
    assert decision.verdict in (Verdict.HOLD, Verdict.ABORT) or is_given(shares_of(progress), observation)
    json.dumps(to_json(looked(progress, found, LATER)), allow_nan=False)
    json.dumps(summary(progress, found, LATER), allow_nan=False)


def test_an_endpoint_without_any_counts_advances_nothing() -> None:
    progress = in_effect(rollout())
    found = Evidence(observation=Observation(epoch="a", weights=shares_of(progress).weights))
    assert verdict(progress, found)[0] is Verdict.HOLD
