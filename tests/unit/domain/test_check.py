"""Data rules: what can be written, and what is said of what was measured."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.check import ColumnType, Measure, age_in_words, nearest, parse_check
from everfit.domain.errors import RuleError
from everfit.domain.findings import judge, percent
from everfit.domain.gate import Result
from everfit.domain.schema import Column, compare, compare_labels, order_labels


@pytest.mark.parametrize(
    ("text", "measure", "columns"),
    [
        ("rows >= 1000", Measure.ROWS, ()),
        ("missing(generation_kwh) <= 1%", Measure.MISSING, ("generation_kwh",)),
        ("range(generation_kwh) in [0, 500]", Measure.RANGE, ("generation_kwh",)),
        ("range(generation(kWh)) in [-1.5, 1e3]", Measure.RANGE, ("generation(kWh)",)),
        ('values(region) in [north, "far, south"]', Measure.VALUES, ("region",)),
        ("duplicates(row_id) == 0", Measure.DUPLICATES, ("row_id",)),
        ("duplicates(a, b) <= 0.5%", Measure.DUPLICATES, ("a", "b")),
        ("duplicates(rows) == 0", Measure.DUPLICATES, ()),
        ("type(size) == number", Measure.TYPE, ("size",)),
        ("class_share >= 5%", Measure.CLASS_SHARE, ()),
        ("class_share(spam) >= 0.05", Measure.CLASS_SHARE, ()),
        ("classes >= 2", Measure.CLASSES, ()),
        ("columns == [a, b]", Measure.COLUMNS, ()),
        ("freshness(reviews.date) <= 2d", Measure.FRESHNESS, ("reviews.date",)),
        ('missing("a, b") == 0', Measure.MISSING, ("a, b",)),
    ],
)
def test_every_rule_of_the_grammar_is_read(text: str, measure: Measure, columns: tuple[str, ...]) -> None:
    rule = parse_check(f"  {text} ")
    assert (rule.measure, rule.columns, rule.text) == (measure, columns, text)


def test_limits_are_exact() -> None:
    assert parse_check("missing(a) <= 0.1%").limit == Fraction(1, 1000)
    assert parse_check("rows >= 1_000").limit == 1000
    assert parse_check("freshness(at) <= 1.5h").limit == 5400
    assert parse_check("class_share >= 0.05").limit == parse_check("class_share >= 5%").limit
    assert parse_check("class_share(spam) >= 5%").label == "spam"
    assert parse_check("range(a) in [-inf, 0.1]").high == Fraction(1, 10)
    assert parse_check("range(a) in [-inf, 0.1]").low is None
    assert parse_check('values(a) in [1, "b, c"]').allowed == ("1", "b, c")


@pytest.mark.parametrize(
    ("text", "expected", "near"),
    [
        ("mising(a) <= 1%", "rows, missing", "missing"),
        ("Rows >= 3", "rows, missing", "rows"),
        ("", "rows, missing", None),
        ("type(a) == nubmer", "number, integer, text, boolean, time", "number"),
        ("rows > many", "rows >= 1000", None),
        ("rows >= 10%", "rows >= 1000", None),
        ("rows in [1, 2]", "rows >= 1000", None),
        ("missing <= 1%", "missing(column) <= 1%", None),
        ("missing(a, b) <= 1%", "missing(column) <= 1%", None),
        ("missing(a) <= 101%", "missing(column) <= 1%", None),
        ("missing(a) <= -1", "missing(column) <= 1%", None),
        ("range(a) in [0]", "range(column) in [0, 500]", None),
        ("range(a) in [a, b]", "range(column) in [0, 500]", None),
        ("range(a) in 0, 5", "range(column) in [0, 500]", None),
        ("values(a) in []", "values(column) in [a, b]", None),
        ("freshness(a) <= 2", "a number with s, m, h, d or w, such as 2d", None),
        ("duplicates() == 0", "duplicates(column) == 0", None),
    ],
)
def test_a_rule_that_cannot_be_read_says_what_was_expected(text: str, expected: str, near: str | None) -> None:
    with pytest.raises(RuleError) as caught:
        parse_check(text)
    assert str(caught.value.expected).startswith(expected)
    assert caught.value.nearest == near


def test_a_range_that_can_never_hold_is_refused() -> None:
    with pytest.raises(RuleError, match="can never hold: 5 is more than 1"):
        parse_check("range(a) in [5, 1]")


def read_or_refused(text: str) -> str:
    try:
        return parse_check(text).text
    except RuleError as error:
        return str(error)


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    assert read_or_refused(text)


@given(st.sampled_from([measure.value for measure in Measure]), st.text("(),[]\"'%<>=! ab01.-in", max_size=25))
def test_a_rule_that_begins_well_is_read_or_refused(word: str, rest: str) -> None:
    assert read_or_refused(word + rest)


def result(text: str, **figures: object) -> Result:
    return judge(parse_check(text), figures).result


@pytest.mark.parametrize(
    ("text", "below", "at", "above"),
    [
        ("rows >= 10", Result.FAIL, Result.PASS, Result.PASS),
        ("rows > 10", Result.FAIL, Result.FAIL, Result.PASS),
        ("rows <= 10", Result.PASS, Result.PASS, Result.FAIL),
        ("rows < 10", Result.PASS, Result.FAIL, Result.FAIL),
        ("rows == 10", Result.FAIL, Result.PASS, Result.FAIL),
        ("rows != 10", Result.PASS, Result.FAIL, Result.PASS),
    ],
)
def test_thresholds_are_exact(text: str, below: Result, at: Result, above: Result) -> None:
    """Threshold meaning is exact."""
    assert [result(text, rows=rows) for rows in (9, 10, 11)] == [below, at, above]


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_judged_without_rounding(missing: int, rows: int) -> None:
    missing = min(missing, rows)
    expected = Result.PASS if missing * 100 <= rows else Result.FAIL
    assert result("missing(a) <= 1%", missing=missing, rows=rows) is expected


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_more_missing_values_never_give_a_better_result(one: int, other: int) -> None:
    few, many = sorted((one, other))
    ranks = [result("missing(a) <= 10%", missing=count, rows=1000) is Result.FAIL for count in (few, many)]
    assert ranks[0] <= ranks[1]


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("missing(a) <= 1%", {"missing": 0, "rows": 0}),
        ("range(a) in [0, 1]", {"present": 0}),
        ("values(a) in [0, 1]", {"present": 0}),
        ("type(a) == number", {"type": "empty"}),
        ("class_share >= 1%", {"label": None, "rows": 0}),
        ("freshness(a) <= 2d", {"newest": None}),
    ],
)
def test_nothing_to_judge_is_inconclusive(text: str, figures: Mapping[str, object]) -> None:
    assert judge(parse_check(text), figures).result is Result.INCONCLUSIVE


def test_freshness_is_exact_and_tells_the_age_in_words() -> None:
    two_days = 2 * 86400 * 10**6
    at = judge(parse_check("freshness(at) <= 2d"), {"newest": "2025-01-01T00:00:00", "age_microseconds": two_days})
    assert (at.result, at.reason) == (Result.PASS, "The newest at is 2025-01-01T00:00:00, 2d old.")
    assert result("freshness(at) <= 2d", newest="x", age_microseconds=two_days + 1) is Result.FAIL
    ahead = judge(parse_check("freshness(at) <= 2d"), {"newest": "x", "age_microseconds": -3_600_000_000})
    assert (ahead.result, ahead.reason) == (Result.PASS, "The newest at is x, 1h in the future.")


def test_an_integer_column_is_a_number_column_but_not_the_other_way_round() -> None:
    assert result("type(a) == number", type="integer") is Result.PASS
    assert result("type(a) == integer", type="number") is Result.FAIL
    assert result("type(a) == text", type="integer") is Result.PASS


def test_columns_in_another_order_are_told() -> None:
    finding = judge(parse_check("columns == [a, b]"), {"columns": ["b", "a"]})
    assert finding.reason.endswith("their order is b, a.")


@pytest.mark.parametrize(
    ("count", "total", "words"),
    [
        (0, 10, "0%"),
        (10, 10, "100%"),
        (1, 3, "33.33%"),
        (1, 10**6, "less than 0.01%"),
        (10**6 - 1, 10**6, "more than 99.99%"),
    ],
)
def test_a_share_in_words_is_never_rounded_to_none_or_all(count: int, total: int, words: str) -> None:
    assert percent(count, total) == words


def test_the_nearest_word_ignores_case() -> None:
    assert nearest("GENERATION", ("generation", "power")) == "generation"
    assert nearest("zzz", ("generation", "power")) is None


def test_an_age_is_told_in_words() -> None:
    ages = (timedelta(seconds=5), timedelta(minutes=12), timedelta(hours=2, minutes=3), timedelta(days=9, hours=4))
    assert [age_in_words(age) for age in ages] == ["5s", "12m", "2h 3m", "9d 4h"]


def columns(**types: str) -> list[Column]:
    return [Column(name=name, type=ColumnType(kind)) for name, kind in types.items()]


def test_a_renamed_column_is_recognised_by_its_type() -> None:
    """A renamed, missing or retyped column stops the run before training, with the column."""
    findings = compare(columns(a="text", c="number"), columns(a="text", b="integer"))
    assert [finding.reason for finding in findings] == [
        "The column b is missing and c is new and alike: was it renamed?"
    ]
    findings = compare(columns(a="text", c="boolean"), columns(a="text", b="integer"))
    assert [finding.column for finding in findings] == ["b", "c"]


@pytest.mark.parametrize(
    ("then", "now"), [("integer", "number"), ("number", "integer"), ("empty", "text"), ("text", "empty")]
)
def test_what_is_no_break_passes(then: str, now: str) -> None:
    assert [finding.result for finding in compare(columns(a=now), columns(a=then))] == [Result.PASS]


@given(st.dictionaries(st.text(max_size=3), st.sampled_from(ColumnType), min_size=1))
def test_a_table_never_differs_from_itself(types: dict[str, ColumnType]) -> None:
    table = [Column(name=name, type=kind) for name, kind in types.items()]
    assert [finding.result for finding in compare(table, table)] == [Result.PASS]


def test_labels_keep_the_known_order_and_numbers_sort_by_value() -> None:
    """A new class folder that would shift label order."""
    assert order_labels(["b", "a"], []) == ("a", "b")
    assert order_labels(["10", "9"], []) == ("9", "10")
    assert order_labels(["a"], ["b", "a"]) == ("b", "a")


def test_a_new_label_fails_and_a_vanished_one_passes_in_words() -> None:
    new = compare_labels(["a", "b", "c"], ["a", "b"], "y")
    assert [(finding.result, finding.column) for finding in new] == [(Result.FAIL, "y")]
    gone = compare_labels(["a"], ["a", "b"], "y")
    assert [(finding.result, finding.reason) for finding in gone] == [
        (Result.PASS, "No row of class b any more; the label order stays.")
    ]
