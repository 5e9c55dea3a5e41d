"""Every figure agrees with scikit-learn's to 1e-9 where the definitions agree."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference  # type: ignore[import-untyped]

from everfit.jobs.answers import Classified, Codes
from everfit.jobs.classification_metrics import LabelledRows
from everfit.jobs.classification_metrics import measure as measure_rows
from everfit.jobs.figures import Figure, Floats
from everfit.jobs.regression_metrics import measure as measure_numbers

EXACT = 1e-9


def numbers(seed: int, rows: int = 501) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    actual = random.normal(1e4, 50, rows)
    return actual, actual + random.normal(3, 20, rows)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mape", lambda a, p: 100 * reference.mean_absolute_percentage_error(a, p)),
        ("rmse", reference.root_mean_squared_error),
        ("mse", reference.mean_squared_error),
        ("mae", reference.mean_absolute_error),
        ("median_absolute_error", reference.median_absolute_error),
        ("r2", reference.r2_score),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_metrics_of_numbers_are_those_of_scikit_learn(
    name: str, function: Callable[[Floats, Floats], float], seed: int
) -> None:
    actual, predicted = numbers(seed)
    assert measure_numbers(actual, predicted)[name].value == pytest.approx(
        function(actual, predicted), rel=EXACT, abs=EXACT
    )


def test_the_other_metrics_of_numbers_follow_their_formula() -> None:
    actual, predicted = np.array([0.0, 2.0, 4.0, 0.0]), np.array([0.0, 1.0, 5.0, 2.0])
    measured = {name: figure.value for name, figure in measure_numbers(actual, predicted).items()}
    assert measured["wape"] == pytest.approx(100 * 4 / 6)
    assert measured["smape"] == pytest.approx(100 * (0 + 2 / 3 + 2 / 9 + 2) / 4)
    assert measured["bias"] == pytest.approx(0.5)


def test_rows_with_actual_zero_are_left_out_of_mape_and_counted() -> None:
    """Division by zero in MAPE (zero actuals at night) is handled by definition, documented, not by luck."""
    mape = measure_numbers(np.array([0.0, 2.0, 4.0, 0.0]), np.array([0.0, 1.0, 5.0, 2.0]))["mape"]
    assert mape.value == pytest.approx(37.5)
    assert mape.rows == 2
    assert mape.reason == "2 of 4 rows have the actual value 0 and are left out"


def test_metrics_that_are_not_defined_have_a_reason_instead_of_a_value() -> None:
    measured = measure_numbers(np.zeros(3), np.ones(3))
    for name in ("mape", "wape", "r2"):
        assert measured[name].value is None
        assert "not defined there" in str(measured[name].reason)
    assert measure_numbers(np.full(7, 0.1), np.ones(7))["r2"].value is None


def measure_labels(actual: Codes, predicted: Classified, labels: tuple[str, ...]) -> dict[str, Figure]:
    return measure_rows(LabelledRows(actual=actual, predicted=predicted, labels=labels))


def classified(seed: int, labels: int, rows: int = 400) -> tuple[Codes, Classified]:
    random = np.random.default_rng(seed)
    table = random.dirichlet(np.ones(labels), rows).round(2)
    table /= table.sum(axis=1, keepdims=True)
    actual = np.array([random.choice(labels, p=row) for row in table])
    return actual, Classified(codes=table.argmax(axis=1), probabilities=table, reason=None)


LABEL_METRICS: dict[str, Callable[[Codes, Codes], float]] = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
    "f1_macro": lambda a, p: reference.f1_score(a, p, average="macro"),
    "f1_micro": lambda a, p: reference.f1_score(a, p, average="micro"),
    "f1_weighted": lambda a, p: reference.f1_score(a, p, average="weighted"),
}
PROBABILITY_METRICS: dict[str, Callable[[Codes, Floats], float]] = {
    "log_loss": reference.log_loss,
    "brier": lambda a, t: reference.brier_score_loss(a, t if t.shape[1] > 2 else t[:, 1]),
    "roc_auc": lambda a, t: reference.roc_auc_score(a, t if t.shape[1] > 2 else t[:, 1], multi_class="ovr"),
}


@pytest.mark.parametrize("labels", [2, 3, 7])
@pytest.mark.parametrize("name", LABEL_METRICS)
def test_metrics_of_labels_are_those_of_scikit_learn(labels: int, name: str) -> None:
    actual, predicted = classified(labels, labels)
    measured = measure_labels(actual, predicted, tuple("abcdefg"[:labels]))[name]
    assert measured.value == pytest.approx(LABEL_METRICS[name](actual, predicted.codes), rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("labels", [2, 3, 7])
@pytest.mark.parametrize("name", PROBABILITY_METRICS)
def test_metrics_of_probabilities_are_those_of_scikit_learn(labels: int, name: str) -> None:
    actual, predicted = classified(labels, labels)
    assert predicted.probabilities is not None
    measured = measure_labels(actual, predicted, tuple("abcdefg"[:labels]))[name]
    assert measured.value == pytest.approx(
        PROBABILITY_METRICS[name](actual, predicted.probabilities), rel=EXACT, abs=EXACT
    )


@pytest.mark.parametrize("name", ["f1", "precision", "recall"])
def test_of_two_labels_the_second_is_the_positive_one_and_of_more_the_mean_counts(name: str) -> None:
    function = {"f1": reference.f1_score, "precision": reference.precision_score, "recall": reference.recall_score}[
        name
    ]
    actual, predicted = classified(1, 2)
    assert measure_labels(actual, predicted, ("no", "yes"))[name].value == pytest.approx(
        function(actual, predicted.codes)
    )
    actual, predicted = classified(2, 4)
    expected = function(actual, predicted.codes, average="macro")
    assert measure_labels(actual, predicted, tuple("abcd"))[name].value == pytest.approx(expected)


def test_a_label_that_occurs_nowhere_does_not_count_and_one_never_predicted_has_precision_zero() -> None:
    actual, codes = np.array([0, 0, 1, 1, 3]), np.array([0, 0, 1, 0, 0])
    measured = measure_labels(actual, Classified(codes=codes, probabilities=None, reason="none given"), tuple("abcd"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert measured["precision"].value == pytest.approx(reference.precision_score(actual, codes, average="macro"))
        assert measured["f1_macro"].value == pytest.approx(reference.f1_score(actual, codes, average="macro"))
    assert measured["roc_auc"].value is None
    assert measured["roc_auc"].reason == "none given"


def test_f1_and_recall_of_a_label_that_no_row_has_are_not_known() -> None:
    measured = measure_labels(
        np.zeros(5, dtype=np.int64),
        Classified(codes=np.zeros(5, dtype=np.int64), probabilities=np.tile([1.0, 0.0], (5, 1)), reason=None),
        ("no", "yes"),
    )
    for name in ("f1", "precision", "recall", "roc_auc"):
        assert measured[name].value is None
        assert measured[name].reason
    assert measured["accuracy"].value == 1.0
    assert measured["log_loss"].value == 0.0


def test_a_probability_of_zero_for_the_right_label_costs_much_but_not_infinitely() -> None:
    table = np.array([[1.0, 0.0], [0.0, 1.0]])
    measured = measure_labels(
        np.array([1, 0]), Classified(codes=np.array([0, 1]), probabilities=table, reason=None), ("a", "b")
    )
    assert measured["log_loss"].value == pytest.approx(reference.log_loss([1, 0], table))
    assert measured["brier"].value == 1.0
