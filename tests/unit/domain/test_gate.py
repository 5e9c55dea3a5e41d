import dataclasses
import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RuleError, StateError
from everfit.domain.gate import (
    About,
    ApprovalPolicy,
    Finding,
    GateRule,
    Result,
    Scores,
    Verdict,
    VerdictOutcome,
    check_fits,
    comparisons_needed,
    decide,
    is_intact,
    judge,
    parse_rule,
    policy_digest,
    scores_from_json,
    slices_needed,
    verdict_from_json,
    verdict_of,
    verdict_to_json,
)

AUTOMATIC = ApprovalPolicy()
RULES = (
    "r2 >= 0.95",
    "mape < 20",
    "rmse <= champion * 1.02",
    "accuracy >= champion - 0.01",
    "accuracy >= 0.9 for region in [north, south]",
    "latency_p99 < 200ms",
    "size < 500MB",
    "claim(validation_loss) < 0.3",
)


def figure(value: object, rows: int = 100) -> dict[str, object]:
    return {"value": value, "reason": None, "rows": rows}


def scores(*, champion: object = None, comparisons: object = (), **challenger: object) -> Scores:
    """Return scores whose challenger has the given metrics; other keys of a side come as dictionaries."""
    extra = {key: challenger.pop(key) for key in ("slices", "latency", "error") if key in challenger}
    metrics = {name: value if isinstance(value, dict) else figure(value) for name, value in challenger.items()}
    evaluation: dict[str, object] = {
        "rows": 100,
        "challenger": {"metrics": metrics} | extra,
        "champion": champion,
        "comparisons": list(comparisons),  # type: ignore[call-overload]
    }
    return scores_from_json(evaluation, size=1000, claims={})


def result(rule: str, given: Scores, champion: int | None = None) -> Result:
    return judge([parse_rule(rule)], given, champion=champion)[0].result


def about(champion: int | None = None) -> About:
    return About(artifact="sha256:a", snapshot="blake3:b", policy="sha256:c", champion=champion)


def decided(*rules: str, given: Scores, approval: ApprovalPolicy = AUTOMATIC, champion: int | None = None) -> Verdict:
    return decide([parse_rule(rule) for rule in rules], approval, given, about(champion))


def compared(low: float | None, value: float | None, high: float | None, **more: object) -> dict[str, object]:
    entry = {"metric": "rmse", "factor": 1.02, "offset": 0.0, "slice": None, "reason": None}
    return entry | {"low": low, "value": value, "high": high} | more


def relative(low: float | None, value: float | None, high: float | None) -> Scores:
    champion = {"version": 3, "metrics": {"rmse": figure(10.0)}}
    return scores(rmse=10.0, champion=champion, comparisons=[compared(low, value, high)])


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("mape < 20", 20.0, Result.FAIL),
        ("mape < 20", 19.999, Result.PASS),
        ("mape < 20%", 20.0, Result.FAIL),
        ("r2 >= 0.95", 0.95, Result.PASS),
        ("r2 >= 0.95", 0.9499999999999999, Result.FAIL),
        ("accuracy >= 29%", 0.29, Result.PASS),
        ("r2 > 0.95", 0.95, Result.FAIL),
        ("rmse <= 0", 0.0, Result.PASS),
        ("r2 >= 0", 0.0, Result.PASS),
        ("bias >= -1", -1.0, Result.PASS),
    ],
)
def test_a_threshold_means_exactly_what_is_written(rule: str, value: float, expected: Result) -> None:
    """Threshold meaning is exact: `mape < 20` fails at 20.0 and passes at 19.999; `r2 >= 0.95` passes at 0.95."""
    assert result(rule, scores(**{rule.split(maxsplit=1)[0]: value})) is expected


@pytest.mark.parametrize("value", [nan, inf, -inf, None, "0.99", True])
def test_what_is_not_a_finite_number_is_inconclusive(value: object) -> None:
    """NaN, infinity, a missing metric, an empty slice or too few rows is inconclusive: it never approves."""
    given = scores(r2=figure(value))
    assert result("r2 >= 0.5", given) is Result.INCONCLUSIVE
    assert decided("r2 >= 0.5", given=given).outcome is VerdictOutcome.REJECTED


def test_a_missing_metric_is_inconclusive_and_the_reason_says_so() -> None:
    verdict = decided("r2 >= 0.5", given=scores())
    assert verdict.outcome is VerdictOutcome.REJECTED
    assert "r2 >= 0.5 is inconclusive, which never approves" in verdict.reason


def test_too_few_rows_are_inconclusive() -> None:
    assert result("r2 >= 0.5", scores(r2=figure(0.9, rows=1))) is Result.INCONCLUSIVE
    assert result("r2 >= 0.5", scores(r2=figure(0.9, rows=2))) is Result.PASS


def test_an_empty_or_thin_slice_is_inconclusive_and_named() -> None:
    rule = "accuracy >= 0.9 for region in [north, south, east]"
    thin = {"region=north": {"accuracy": figure(0.95)}, "region=south": {"accuracy": figure(0.95, rows=9)}}
    finding = judge([parse_rule(rule)], scores(slices=thin), champion=None)[0]
    assert finding.result is Result.INCONCLUSIVE
    assert "accuracy for region=south comes from 9 rows, fewer than 10" in finding.reason
    assert "region=east is not known" in finding.reason


def test_each_slice_must_pass_by_itself() -> None:
    slices = {"region=north": {"accuracy": figure(0.95)}, "region=south": {"accuracy": figure(0.85)}}
    finding = judge([parse_rule("accuracy >= 0.9 for region in [north, south]")], scores(slices=slices), champion=None)[
        0
    ]
    assert finding.result is Result.FAIL
    assert "region=south is 0.85" in finding.reason


def test_a_model_that_cannot_be_scored_is_rejected_whatever_the_rules_are_about() -> None:
    verdict = decided("size < 500MB", given=scores(error="the model does not load: no file"))
    assert verdict.outcome is VerdictOutcome.REJECTED
    assert "the model does not load" in verdict.reason


def test_without_a_champion_the_absolute_rules_alone_decide_and_the_verdict_says_so() -> None:
    """No champion: the absolute rules alone decide, and the verdict says so."""
    verdict = decided("r2 >= 0.5", "rmse <= champion * 1.02", given=scores(r2=0.9, rmse=1.0))
    assert verdict.outcome is VerdictOutcome.APPROVED
    assert verdict.findings[1].reason == "no champion: the absolute rules alone decide"
    assert "no champion: the absolute rules alone decide" in verdict.reason
    assert decided("r2 >= 0.95", "rmse <= champion", given=scores(r2=0.9, rmse=1.0)).outcome is VerdictOutcome.REJECTED


def test_a_first_version_passes_relative_rules_alone_only_if_it_can_be_measured() -> None:
    verdict = decided("rmse <= champion", given=scores(rmse=1.0))
    assert verdict.outcome is VerdictOutcome.APPROVED
    assert "no absolute rule" in verdict.reason
    assert decided("rmse <= champion", given=scores(rmse=nan)).outcome is VerdictOutcome.REJECTED


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [
        (-0.5, -0.2, -0.1, Result.PASS),
        (-0.5, -0.2, 0.0, Result.PASS),
        (-0.5, -0.2, 0.1, Result.INCONCLUSIVE),
        (-0.1, 0.2, 0.5, Result.INCONCLUSIVE),
        (0.1, 0.2, 0.5, Result.FAIL),
        (None, -0.2, None, Result.PASS),
        (None, 0.2, None, Result.FAIL),
        (-0.5, -0.2, None, Result.INCONCLUSIVE),
        (None, None, None, Result.INCONCLUSIVE),
    ],
)
def test_a_relative_rule_is_decided_by_the_whole_interval(
    low: float | None, value: float | None, high: float | None, expected: Result
) -> None:
    assert result("rmse <= champion * 1.02", relative(low, value, high), champion=3) is expected


def test_an_equal_model_passes_a_rule_without_margin_but_not_a_strict_one() -> None:
    champion = {"version": 3, "metrics": {"accuracy": figure(0.9)}}
    same = compared(0.0, 0.0, 0.0, metric="accuracy", factor=1.0)
    given = scores(accuracy=0.9, champion=champion, comparisons=[same])
    assert result("accuracy >= champion", given, champion=3) is Result.PASS
    assert result("accuracy > champion", given, champion=3) is Result.FAIL


def test_a_comparison_of_single_values_says_so() -> None:
    finding = judge([parse_rule("rmse <= champion * 1.02")], relative(None, -0.2, None), champion=3)[0]
    assert "as a single value: there is no confidence interval" in finding.reason


def test_only_the_champion_that_serves_counts() -> None:
    better = relative(-0.5, -0.2, -0.1)
    finding = judge([parse_rule("rmse <= champion * 1.02")], better, champion=4)[0]
    assert finding.result is Result.INCONCLUSIVE
    assert finding.reason == "it was compared with version 3, but version 4 serves"
    assert result("rmse <= champion * 1.02", better, champion=None) is Result.INCONCLUSIVE
    assert result("rmse <= champion * 1.02", scores(rmse=1.0), champion=4) is Result.INCONCLUSIVE


def test_a_champion_that_cannot_be_scored_makes_relative_rules_inconclusive() -> None:
    given = scores(rmse=1.0, champion={"version": 3, "metrics": {}, "error": "its process was ended by SIGSEGV"})
    finding = judge([parse_rule("rmse <= champion")], given, champion=3)[0]
    assert finding.result is Result.INCONCLUSIVE
    assert "SIGSEGV" in finding.reason


def test_a_multiple_of_a_negative_value_decides_nothing() -> None:
    champion = {"version": 3, "metrics": {"r2": figure(-1.0)}}
    entry = compared(0.1, 0.2, 0.3, metric="r2", factor=1.02)
    given = scores(r2=0.9, champion=champion, comparisons=[entry])
    assert result("r2 >= champion * 1.02", given, champion=3) is Result.INCONCLUSIVE


def test_latency_size_and_claims_are_judged_in_their_units() -> None:
    given = dataclasses.replace(
        scores(latency={"p50": 0.1, "p99": 0.2, "samples": 200}), size=500_000_000, claims={"loss": 0.25, "odd": nan}
    )
    assert result("latency_p99 < 200ms", given) is Result.FAIL
    assert result("latency_p50 <= 0.1s", given) is Result.PASS
    assert result("size < 500MB", given) is Result.FAIL
    assert result("size <= 500MB", given) is Result.PASS
    assert result("claim(loss) < 0.3", given) is Result.PASS
    assert result("claim(odd) < 0.3", given) is Result.INCONCLUSIVE
    assert result("claim(other) < 0.3", given) is Result.INCONCLUSIVE


def test_a_remark_on_a_figure_is_in_the_reason() -> None:
    mape = figure(12.0) | {"reason": "2 of 100 rows have the actual value 0 and are left out"}
    finding = judge([parse_rule("mape < 20")], scores(mape=mape), champion=None)[0]
    assert finding.reason == "mape is 12, the limit 20 (2 of 100 rows have the actual value 0 and are left out)"


def test_a_value_that_rounds_to_the_limit_is_shown_in_full() -> None:
    finding = judge([parse_rule("mape < 20")], scores(mape=19.9999999), champion=None)[0]
    assert "19.9999999" in finding.reason


def test_a_gate_without_rules_is_refused() -> None:
    with pytest.raises(RuleError, match="no rule"):
        judge([], scores(), champion=None)
    with pytest.raises(RuleError, match="no rule"):
        decided(given=scores())


@pytest.mark.parametrize(
    ("approval", "expected"),
    [
        (ApprovalPolicy(), VerdictOutcome.APPROVED),
        (ApprovalPolicy(mode="manual"), VerdictOutcome.NEEDS_APPROVAL),
        (ApprovalPolicy(mode="when", when=parse_rule("mape >= 20")), VerdictOutcome.NEEDS_APPROVAL),
        (ApprovalPolicy(mode="when", when=parse_rule("mape >= 30")), VerdictOutcome.APPROVED),
        (ApprovalPolicy(mode="when", when=parse_rule("mae >= 30")), VerdictOutcome.NEEDS_APPROVAL),
    ],
)
def test_a_person_is_asked_when_the_policy_says_so_or_in_doubt(
    approval: ApprovalPolicy, expected: VerdictOutcome
) -> None:
    assert decided("r2 >= 0.5", given=scores(r2=0.9, mape=25.0), approval=approval).outcome is expected


def test_no_approval_policy_saves_a_challenger_that_failed() -> None:
    verdict = decided("r2 >= 0.95", given=scores(r2=0.9), approval=ApprovalPolicy(mode="manual"))
    assert verdict.outcome is VerdictOutcome.REJECTED


def test_a_verdict_survives_json_and_shows_when_it_was_changed() -> None:
    verdict = decided("r2 >= 0.5", "mape < 20", given=scores(r2=0.9, mape=10.0))
    again = verdict_from_json(json.loads(json.dumps(verdict_to_json(verdict))))
    assert again == verdict
    assert is_intact(again)
    assert not is_intact(dataclasses.replace(again, artifact="sha256:other"))
    assert not is_intact(dataclasses.replace(again, outcome=VerdictOutcome.REJECTED))


@pytest.mark.parametrize("damage", [{"outcome": "fine"}, {"findings": [{}]}, {"findings": None}])
def test_a_stored_verdict_that_cannot_be_read_is_an_error(damage: dict[str, object]) -> None:
    stored = verdict_to_json(decided("r2 >= 0.5", given=scores(r2=0.9))) | damage
    with pytest.raises(StateError, match="cannot be read"):
        verdict_from_json(stored)


def test_the_policy_digest_changes_with_every_rule_and_with_the_approval() -> None:
    one, two = parse_rule("r2 >= 0.5"), parse_rule("mape < 20")
    policies = [([one], AUTOMATIC), ([two], AUTOMATIC), ([one, two], AUTOMATIC), ([one], ApprovalPolicy(mode="manual"))]
    digests = [policy_digest(rules, approval) for rules, approval in policies]
    assert len(set(digests)) == len(policies)
    assert policy_digest([parse_rule("r2  >=  0.5")], AUTOMATIC) == digests[0]


@pytest.mark.parametrize("text", RULES)
def test_every_rule_of_the_grammar_is_read(text: str) -> None:
    assert parse_rule(text).text == text


def test_the_champion_may_stand_on_either_side_of_the_factor() -> None:
    for text in ("rmse <= champion * 1.02 + 3", "rmse <= 1.02 * champion + 3", "rmse<=champion*1.02+3"):
        rule = parse_rule(text)
        assert (rule.factor, rule.offset) == (1.02, 3.0)
    assert parse_rule("accuracy >= champion - 1%").offset == -0.01


@pytest.mark.parametrize(
    ("text", "task", "words", "nearest"),
    [
        ("accuracy >= 1.5", "classification", "can never hold", None),
        ("accuracy >= 95", "classification", "can never hold", "95%"),
        ("accuracy > 1", "classification", "can never hold", None),
        ("accuracy >= -1", "classification", "can never fail", None),
        ("mape < 0", "regression", "can never hold", None),
        ("rmse >= champion", "regression", "points the wrong way", "rmse <= champion"),
        ("rmse >= 3", "regression", "points the wrong way", "rmse <= 3"),
        ("r2 < 0.5", "regression", "points the wrong way", "r2 > 0.5"),
        ("latency_p99 > 200ms", "regression", "points the wrong way", "latency_p99 < 200ms"),
        ("bias <= champion", "regression", "closer to zero", None),
        ("rms <= 3", "regression", "no metric of a regression task", "rmse"),
        ("auc >= 0.5", "classification", "no metric of a classification task", "roc_auc"),
        ("f1 >= 0.5", "forecast", "no metric of a forecast task", None),
        ("size < -1MB", "regression", "can never hold", None),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(text: str, task: str, words: str, nearest: str | None) -> None:
    with pytest.raises(RuleError, match=words) as refused:
        check_fits(parse_rule(text), task)
    assert refused.value.nearest == nearest
    assert refused.value.expected


@pytest.mark.parametrize(
    ("text", "words", "nearest"),
    [
        ("", "cannot be read", None),
        ("r2", "cannot be read", None),
        ("r2 => 3", "cannot compare", ">="),
        ("r2 == 1", "cannot compare", "<= or >="),
        ("latency_p95 < 2ms", "does not measure", "latency_p99"),
        ("latency_p99 < 200", "unit is missing", None),
        ("latency_p99 < 200MB", "unit 'MB' is wrong", None),
        ("size < 500 mb", "unit 'mb' is wrong", "MB"),
        ("rmse <= 20%", "unit '%' is wrong", None),
        ("rmse <= champ * 2", "neither a number", "champion"),
        ("r2 >= nan", "neither a number", None),
        ("r2 >= 1e999", "not a finite number", None),
        ("rmse <= champion * 0", "multiplied by 0", None),
        ("rmse <= 2 * champion * 2", "two factors", None),
        ("rmse <= champion * -2", "neither a number", None),
        ("size < champion", "asks too much", None),
        ("latency_p99 < 2ms for region in [north]", "asks too much", None),
        ("claim() < 2", "names nothing", None),
        ("claim(loss) < 2%", "unit '%' is wrong", None),
        ("1r2 >= 3", "not the name of a metric", None),
        ("accuracy >= 0.9 for region in []", "empty place", None),
        ("accuracy >= 0.9 for region in [a, , b]", "empty place", None),
        ("accuracy >= 0.9 for region in [a, a]", "twice", None),
        ("accuracy >= 0.9 for region", "neither a number", None),
    ],
)
def test_a_rule_that_cannot_be_read_says_what_was_expected(text: str, words: str, nearest: str | None) -> None:
    with pytest.raises(RuleError, match=words) as refused:
        parse_rule(text)
    assert refused.value.nearest == nearest
    assert refused.value.expected


def test_a_custom_task_brings_its_own_names_and_ranges_but_not_its_own_directions() -> None:
    check_fits(parse_rule("precision@5 >= 3"), "custom")
    check_fits(parse_rule("accuracy >= 95"), "custom")
    with pytest.raises(RuleError, match="wrong way"):
        check_fits(parse_rule("rmse >= champion"), "custom")


def test_a_rule_that_asks_a_person_may_point_either_way() -> None:
    check_fits(parse_rule("mape >= 20"), "regression", when=True)
    with pytest.raises(RuleError, match="can never hold"):
        check_fits(parse_rule("accuracy > 1"), "classification", when=True)


def test_the_rules_say_what_the_evaluation_must_measure() -> None:
    rules = [parse_rule(text) for text in (*RULES, RULES[2], "accuracy >= champion for region in [north, west]")]
    assert comparisons_needed(rules) == [
        {"metric": "rmse", "factor": 1.02, "offset": 0.0, "slice": None},
        {"metric": "accuracy", "factor": 1.0, "offset": -0.01, "slice": None},
        {"metric": "accuracy", "factor": 1.0, "offset": 0.0, "slice": "region=north"},
        {"metric": "accuracy", "factor": 1.0, "offset": 0.0, "slice": "region=west"},
    ]
    assert slices_needed(rules) == [{"column": "region", "values": ["north", "south", "west"]}]


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    expected: str | None = "nothing"
    try:
        assert isinstance(parse_rule(text), GateRule)
    except RuleError as error:
        expected = error.expected
    assert expected


QUALITY = {VerdictOutcome.REJECTED: 0, VerdictOutcome.NEEDS_APPROVAL: 1, VerdictOutcome.APPROVED: 2}
VALUES = st.floats(min_value=-10, max_value=10)


@given(VALUES, st.floats(min_value=0, max_value=10), st.booleans())
def test_a_worse_value_never_yields_a_better_verdict(value: float, worse: float, manual: bool) -> None:
    approval = ApprovalPolicy(mode="manual" if manual else "automatic")
    now, then = (decided("rmse <= 5", given=scores(rmse=v), approval=approval) for v in (value, value + worse))
    assert QUALITY[then.outcome] <= QUALITY[now.outcome]


@given(
    VALUES,
    st.floats(min_value=0, max_value=5),
    st.floats(min_value=0, max_value=5),
    st.floats(min_value=0, max_value=5),
)
def test_a_worse_or_wider_difference_never_yields_a_better_verdict(
    value: float, below: float, above: float, worse: float
) -> None:
    def outcome(low: float, middle: float, high: float) -> int:
        return QUALITY[decided("rmse <= champion * 1.02", given=relative(low, middle, high), champion=3).outcome]

    before = outcome(value - below, value, value + above)
    assert outcome(value - below + worse, value + worse, value + above + worse) <= before
    assert outcome(value - below - worse, value, value + above + worse) <= before


@given(st.lists(st.sampled_from(list(Result)), min_size=1, max_size=5), st.integers(0, 4))
def test_one_rule_that_does_not_pass_rejects(results: list[Result], place: int) -> None:

    findings = [Finding(rule=f"r{i}", result=r, reason="because") for i, r in enumerate(results)]
    verdict = verdict_of(findings, AUTOMATIC, about())
    assert (verdict.outcome is VerdictOutcome.APPROVED) == all(r is Result.PASS for r in results)
    findings[place % len(findings)] = Finding(rule="worse", result=Result.INCONCLUSIVE, reason="unknown")
    assert verdict_of(findings, AUTOMATIC, about()).outcome is VerdictOutcome.REJECTED


def test_an_approval_rule_that_nobody_judged_asks_a_person() -> None:
    passed = [Finding(rule="r2 >= 0.5", result=Result.PASS, reason="r2 is 0.9")]
    verdict = verdict_of(passed, ApprovalPolicy(mode="when", when=parse_rule("mape >= 20")), about())
    assert verdict.outcome is VerdictOutcome.NEEDS_APPROVAL
    with pytest.raises(RuleError, match="no rule"):
        verdict_of([], AUTOMATIC, about())


def test_a_comparison_that_was_not_made_is_inconclusive() -> None:
    given = scores(rmse=1.0, champion={"version": 3, "metrics": {"rmse": figure(10.0)}})
    finding = judge([parse_rule("rmse <= champion * 1.02")], given, champion=3)[0]
    assert finding.result is Result.INCONCLUSIVE
    assert "they were not compared" in finding.reason


KEYS = st.sampled_from(
    ["rows", "challenger", "champion", "metrics", "r2", "rmse", "value", "latency", "p99", "samples"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_whatever_an_evaluation_holds_it_is_judged_and_nothing_unknown_passes(evaluation: dict[str, object]) -> None:
    given = scores_from_json(evaluation, size=1, claims={})
    rules = [parse_rule("r2 >= 0"), parse_rule("latency_p99 < 1s"), parse_rule("rmse <= champion")]
    for finding in judge(rules, given, champion=None):
        known = json.dumps(evaluation, default=str)
        assert finding.result is not Result.PASS or '"value"' in known or '"p99"' in known
