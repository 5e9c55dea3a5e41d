"""Rules of the watch are breached by clear evidence, and by nothing else."""

from datetime import timedelta
from math import nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.errors import RuleError
from everfit.domain.gate_rule import Operator
from everfit.domain.live import Losses, Quality, Tally
from everfit.domain.watch import (
    DOUBT,
    Health,
    WatchPolicy,
    WatchRule,
    evaluate,
    is_watched,
    judged,
    watch_policy,
    watch_rules,
)
from tests.unit.domain.rollouts import NOON, tally

DAY = timedelta(days=1)
HOLDS, BREACHED, NO_DATA = Health.HOLDS, Health.BREACHED, Health.NO_DATA


def rule(text: str) -> WatchRule:
    return watch_rules([text])[0]


def health(text: str, recent: Tally, total: Tally | None = None, quality: Quality | None = None) -> Health:
    return evaluate(rule(text), recent, total or recent, quality).health


def metric(name: str, value: float | None, rows: int = 100, losses: Losses | None = None) -> Quality:
    return Quality(rows=rows, metrics={name: value}, losses=losses)


@pytest.mark.parametrize(
    ("text", "name", "operator", "threshold"),
    [
        ("error_rate > 1%", "error_rate", Operator.ABOVE, 0.01),
        ("error_rate>=0.29", "error_rate", Operator.AT_LEAST, 0.29),
        ("latency_p99 > 500ms", "latency_p99", Operator.ABOVE, 0.5),
        ("latency_p50 > 1.5s", "latency_p50", Operator.ABOVE, 1.5),
        ("mape > 25", "mape", Operator.ABOVE, 25.0),
        ("mape > 25%", "mape", Operator.ABOVE, 25.0),
        ("accuracy < 29%", "accuracy", Operator.BELOW, 0.29),
        ("r2 <= 0.8", "r2", Operator.AT_MOST, 0.8),
        ("churned > 5%", "churned", Operator.ABOVE, 0.05),
    ],
)
def test_a_threshold_means_what_is_written(text: str, name: str, operator: Operator, threshold: float) -> None:
    assert rule(f" {text} ") == WatchRule(text=text, name=name, operator=operator, threshold=threshold)


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(RuleError, match="The rule 'mape 25' cannot be read"):
        watch_rules(["mape > 25", "mape 25"])


def test_an_environment_that_declares_no_watch_has_none() -> None:
    assert watch_policy({}) is None
    assert watch_policy({"for": DAY, "roll_back_when": ("mape > 25",)}) == WatchPolicy(
        lasts=DAY, rules=watch_rules(["mape > 25"])
    )


def test_a_version_is_watched_for_its_time_and_a_clock_that_goes_back_ends_nothing() -> None:
    policy = WatchPolicy(lasts=DAY, rules=())
    assert is_watched(NOON, policy, NOON - 2 * DAY)
    assert is_watched(NOON, policy, NOON + DAY - timedelta(seconds=1))
    assert not is_watched(NOON, policy, NOON + DAY)


@pytest.mark.parametrize("text", ["error_rate > 1%", "latency_p50 > 1ms", "latency_p99 > 1ms", "mape > 25"])
def test_no_traffic_is_no_data_and_neither_healthy_nor_failing(text: str) -> None:
    """No traffic is "no data", not "healthy" and not "failing"."""
    finding = evaluate(rule(text), Tally(), Tally(), None)
    assert (finding.health, finding.value) == (NO_DATA, None)
    assert finding.words.startswith(f"{text}: no data, 0 ")


class TestErrors:
    @pytest.mark.parametrize(
        ("errors", "requests", "expected"),
        [
            (19, 19, NO_DATA),
            (20, 20, BREACHED),
            (1, 20, HOLDS),
            (0, 100, HOLDS),
            (2, 100, HOLDS),
            (7, 100, BREACHED),
            (10, 1000, HOLDS),
            (25, 1000, BREACHED),
        ],
    )
    def test_it_takes_clear_evidence(self, errors: int, requests: int, expected: Health) -> None:
        assert health("error_rate > 1%", tally(requests, errors=errors)) is expected

    def test_what_was_refused_is_the_callers_mistake(self) -> None:
        assert health("error_rate > 1%", Tally(requests=1000, refused=900)) is HOLDS

    def test_errors_too_rare_for_five_minutes_show_over_time(self) -> None:
        recent, total = tally(5, errors=1), tally(2000, errors=100)
        assert health("error_rate > 1%", recent, total) is BREACHED
        assert health("error_rate > 1%", tally(30), total) is BREACHED
        assert health("error_rate > 1%", recent, tally(2000, errors=20)) is HOLDS

    def test_what_has_just_become_bad_shows_however_good_it_was(self) -> None:
        assert health("error_rate > 1%", tally(100, errors=50), tally(10**6, errors=50)) is BREACHED

    def test_the_words_have_the_numbers(self) -> None:
        finding = evaluate(rule("error_rate > 1%"), tally(200, errors=20), tally(900, errors=20), None)
        assert (finding.value, finding.words) == (0.1, "error_rate > 1%: 10% of 200 requests")

    def test_a_rule_that_is_about_too_few_errors_works_the_same_way(self) -> None:
        assert health("error_rate < 50%", tally(100, errors=20)) is BREACHED
        assert health("error_rate < 50%", tally(100, errors=49)) is HOLDS
        assert health("error_rate < 50%", tally(3), tally(1000, errors=10)) is BREACHED

    def test_any_error_at_all_is_beyond_none(self) -> None:
        assert health("error_rate > 0%", tally(500, errors=1)) is BREACHED
        assert health("error_rate > 0%", tally(500)) is HOLDS


class TestLatency:
    @pytest.mark.parametrize(("slow", "expected"), [(0, HOLDS), (3, HOLDS), (20, BREACHED)])
    def test_a_p99_is_beyond_when_clearly_more_than_a_hundredth_is(self, slow: int, expected: Health) -> None:
        recent = tally(300 - slow).plus(tally(slow, seconds=0.9))
        assert health("latency_p99 > 500ms", recent) is expected

    @pytest.mark.parametrize(("slow", "expected"), [(140, HOLDS), (155, HOLDS), (200, BREACHED)])
    def test_a_median_is_beyond_when_clearly_more_than_half_is(self, slow: int, expected: Health) -> None:
        recent = tally(300 - slow).plus(tally(slow, seconds=0.9))
        assert health("latency_p50 > 500ms", recent) is expected

    def test_the_words_have_the_quantile(self) -> None:
        finding = evaluate(rule("latency_p50 > 500ms"), tally(100, seconds=0.9), tally(100, seconds=0.9), None)
        assert finding.words == "latency_p50 > 500ms: 927 ms, 100% of the answers were slower than the limit"
        assert finding.value == pytest.approx(0.927, abs=1e-3)


class TestQuality:
    @pytest.mark.parametrize(
        ("quality", "expected"),
        [
            (None, NO_DATA),
            (metric("mape", 90.0, rows=29), NO_DATA),
            (metric("mape", None), NO_DATA),
            (metric("mape", nan), NO_DATA),
            (metric("smape", 90.0), NO_DATA),
            (metric("mape", 25.0), HOLDS),
            (metric("mape", 25.01), BREACHED),
        ],
    )
    def test_only_labelled_rows_count(self, quality: Quality | None, expected: Health) -> None:
        """Labels that arrive late are joined to their predictions, and quality is computed on matured rows only."""
        assert health("mape > 25", tally(1000), quality=quality) is expected

    def test_what_rows_do_not_define_is_said(self) -> None:
        finding = evaluate(rule("roc_auc < 0.7"), tally(99), tally(99), metric("roc_auc", None, rows=40))
        assert finding.words == "roc_auc < 0.7: no data, 40 labelled rows do not define roc_auc"

    @pytest.mark.parametrize(
        ("text", "name", "value", "losses", "expected"),
        [
            ("accuracy < 0.9", "accuracy", 0.87, Losses(rows=30, mean=0.13, variance=0.117), HOLDS),
            ("accuracy < 0.9", "accuracy", 0.87, Losses(rows=3000, mean=0.13, variance=0.113), BREACHED),
            ("accuracy < 0.9", "accuracy", 0.3, Losses(rows=30, mean=0.7, variance=0.217), BREACHED),
            ("mae > 5", "mae", 5.5, Losses(rows=40, mean=5.5, variance=16.0), HOLDS),
            ("mae > 5", "mae", 9.5, Losses(rows=40, mean=9.5, variance=16.0), BREACHED),
            ("mae > 5", "mae", 5.5, Losses(rows=40, mean=5.5, variance=0.0), BREACHED),
            ("rmse > 5", "rmse", 5.5, Losses(rows=40, mean=5.5, variance=16.0), BREACHED),
        ],
    )
    def test_a_mean_is_beyond_only_by_more_than_chance(
        self, text: str, name: str, value: float, losses: Losses, expected: Health
    ) -> None:
        assert health(text, tally(99), quality=metric(name, value, losses.rows, losses)) is expected


def test_a_version_at_half_of_its_limit_is_not_called_bad_in_a_day_of_little_traffic() -> None:
    """288 times five minutes with thirty requests each, at 0.5 % of errors where 1 % are allowed."""
    policy = WatchPolicy(lasts=DAY, rules=watch_rules(["error_rate > 1%"]))
    chance, alarms = Random(13), 0
    for _ in range(20):
        total = Tally()
        for _ in range(288):
            recent = tally(30, errors=sum(chance.random() < 0.005 for _ in range(30)))
            total = total.plus(recent)
            alarms += any(each.health is BREACHED for each in judged(policy, recent, total, None))
    assert alarms == 0
    assert policy.doubt == DOUBT / 288


@given(some.integers(0, 5000), some.floats(0, 1), some.sampled_from(["error_rate > 1%", "error_rate >= 50%"]))
def test_a_rule_is_breached_only_beyond_its_limit(requests: int, part: float, text: str) -> None:
    errors = int(requests * part)
    finding = evaluate(rule(text), tally(requests, errors=errors), tally(requests, errors=errors), None)
    assert (finding.health is NO_DATA) == (requests < 20)
    if finding.health is BREACHED:
        assert errors > rule(text).threshold * requests
