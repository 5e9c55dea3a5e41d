"""The interval of a difference holds what it promises, on simulated models, with seeded chance."""

from collections.abc import Callable

import numpy as np
import pytest

from everfit.jobs.answers import Classified
from everfit.jobs.classification_metrics import LabelledRows
from everfit.jobs.classification_metrics import resample as resample_labels
from everfit.jobs.figures import Floats, Interval, Paired, widening
from everfit.jobs.regression_metrics import resample as resample_numbers
from everfit.jobs.resampling import draw, time_blocks, time_order
from everfit.jobs.roc import placements

RESAMPLES = 400
Simulation = Callable[[np.random.Generator, int], dict[str, Paired]]


def equal_numbers(random: np.random.Generator, rows: int) -> dict[str, Paired]:
    actual = random.normal(100, 20, rows)
    errors = random.multivariate_normal([0, 0], [[9, 6], [6, 9]], rows)
    draws = draw(rows, RESAMPLES, random)
    return resample_numbers(actual, actual + errors[:, 0], actual + errors[:, 1], draws)


def equal_forecasts(random: np.random.Generator, rows: int) -> dict[str, Paired]:
    """Errors follow each other: each keeps half of the one before."""
    errors = random.normal(0, 1, (rows, 2))
    for row in range(1, rows):
        errors[row] += 0.5 * errors[row - 1]
    actual = random.normal(100, 20, rows)
    draws = draw(rows, RESAMPLES, random, np.arange(rows))
    return resample_numbers(actual, actual + errors[:, 0], actual + errors[:, 1], draws)


def equal_labels(random: np.random.Generator, rows: int) -> dict[str, Paired]:
    truth = random.normal(0, 1.5, rows)
    actual = (random.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    sides = []
    for _ in range(2):
        positive = 1 / (1 + np.exp(-(truth + random.normal(0, 0.7, rows))))
        table = np.column_stack([1 - positive, positive])
        predicted = Classified(codes=table.argmax(axis=1), probabilities=table, reason=None)
        sides.append(LabelledRows(actual=actual, predicted=predicted, labels=("no", "yes")))
    return resample_labels(sides[0], sides[1], draw(rows, RESAMPLES, random), random)


def coverage(simulate: Simulation, rows: int, times: int) -> dict[str, float]:
    """Return how often the interval of the difference of two equally good models holds zero."""
    hits: dict[str, int] = {}
    for seed in range(times):
        for name, paired in simulate(np.random.default_rng(seed), rows).items():
            found = paired.interval(1.0, 0.0, 0.95)
            assert found.low is not None
            assert found.high is not None
            hits[name] = hits.get(name, 0) + (found.low <= 0.0 <= found.high)
    return {name: count / times for name, count in hits.items()}


@pytest.mark.parametrize(
    ("simulate", "rows", "lowest"),
    # Thirty blocks of errors that follow each other know their own spread less well than 300 rows do.
    [(equal_numbers, 200, 0.93), (equal_labels, 300, 0.93), (equal_forecasts, 300, 0.92)],
)
def test_of_two_equal_models_the_interval_holds_zero_as_often_as_it_promises(
    simulate: Simulation, rows: int, lowest: float
) -> None:
    found = coverage(simulate, rows, 500)
    assert all(lowest <= share <= 0.98 for share in found.values()), found


def test_blocks_of_many_rows_give_the_interval_that_single_rows_give() -> None:
    random = np.random.default_rng(5)
    actual = random.normal(100, 20, 20_000)
    errors = random.normal(0, 3, (20_000, 2))
    draws = draw(20_000, 2_000, random)
    found = resample_numbers(actual, actual + errors[:, 0], actual + errors[:, 1], draws)["bias"].interval(1, 0, 0.95)
    half = 1.96 * (errors[:, 0] - errors[:, 1]).std() / np.sqrt(20_000)
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_a_model_compared_with_itself_differs_by_exactly_nothing() -> None:
    random = np.random.default_rng(6)
    actual, predicted = random.normal(100, 20, 500), random.normal(100, 20, 500)
    paired = resample_numbers(actual, predicted, predicted, draw(500, 200, random))
    assert {(p.interval(1, 0, 0.95).low, p.interval(1, 0, 0.95).high) for p in paired.values()} == {(0.0, 0.0)}
    table = random.dirichlet([1, 1, 1], 500)
    side = Classified(codes=table.argmax(axis=1), probabilities=table, reason=None)
    rows = LabelledRows(actual=random.integers(0, 3, 500), predicted=side, labels=("a", "b", "c"))
    labels = resample_labels(rows, rows, draw(500, 200, random), random)
    assert "roc_auc" in labels
    assert {(p.interval(1, 0, 0.95).low, p.interval(1, 0, 0.95).high) for p in labels.values()} == {(0.0, 0.0)}


def test_a_margin_moves_the_interval() -> None:
    paired = equal_numbers(np.random.default_rng(7), 200)["rmse"]
    narrow, moved = paired.interval(1.0, 0.0, 0.95), paired.interval(1.0, 0.5, 0.95)
    assert narrow.low is not None
    assert moved.low == pytest.approx(narrow.low - 0.5)
    scaled = paired.interval(1.2, 0.0, 0.95)
    assert scaled.high is not None
    assert scaled.high < 0


def test_few_rows_give_no_interval_but_a_reason() -> None:
    for simulate in (equal_numbers, equal_labels):
        for paired in simulate(np.random.default_rng(3), 9).values():
            found = paired.interval(1.0, 0.0, 0.95)
            assert isinstance(found, Interval)
            assert found.low is None
            assert "too few for a confidence interval" in str(found.reason)


def test_the_same_seed_gives_the_same_interval() -> None:
    one, two = (equal_numbers(np.random.default_rng(8), 100)["mae"].interval(1, 0, 0.95) for _ in range(2))
    assert one == two


def test_the_interval_of_few_blocks_is_as_wide_as_students_t_says() -> None:
    """The quantile of t with 9 degrees of freedom is 2.262157."""
    assert widening(10, 0.95) == pytest.approx(2.262157 / 1.959964 * np.sqrt(10 / 9), rel=5e-3)


def test_rows_of_the_same_time_stay_in_one_block() -> None:
    order = time_order(np.repeat(np.arange(100.0), 7))
    blocks = time_blocks(order).reshape(100, 7)
    assert (blocks == blocks[:, :1]).all()
    assert (np.diff(blocks[:, 0]) >= 0).all()


def test_each_row_is_placed_among_the_rows_of_the_other_kind() -> None:
    scores: Floats = np.array([0.1, 0.4, 0.4, 0.8])
    assert placements(scores, np.array([False, True, False, True])).tolist() == [1.0, 0.75, 0.75, 1.0]
