"""What each metric means: the tasks it fits, which way is better, and the values it can take.

The figures themselves are computed by the evaluate job; ``docs/reference/metrics.md`` gives every formula.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from types import MappingProxyType
from typing import Final

NUMBERS: Final = ("regression", "forecast")
LABELS: Final = ("classification",)
CUSTOM: Final = "custom"


class Direction(Enum):
    """Which values of a metric are better."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    ZERO = "closer to zero is better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric that Everfit measures itself.

    Args:
        tasks: the tasks it fits.
        lowest: smallest value it can take.
        highest: largest value it can take.
        percent: value of ``1%`` in a rule: 1 for metrics in percent, 0.01 for shares, None where % means nothing.
        definition: in one line.
    """

    name: str
    tasks: tuple[str, ...]
    direction: Direction
    lowest: float
    highest: float
    percent: float | None
    definition: str


def _error(name: str, definition: str) -> Metric:
    return Metric(
        name=name,
        tasks=NUMBERS,
        direction=Direction.LOWER,
        lowest=0.0,
        highest=inf,
        percent=None,
        definition=definition,
    )


def _percentage(name: str, highest: float, definition: str) -> Metric:
    return Metric(
        name=name,
        tasks=NUMBERS,
        direction=Direction.LOWER,
        lowest=0.0,
        highest=highest,
        percent=1.0,
        definition=definition,
    )


def _share(name: str, definition: str) -> Metric:
    return Metric(
        name=name,
        tasks=LABELS,
        direction=Direction.HIGHER,
        lowest=0.0,
        highest=1.0,
        percent=0.01,
        definition=definition,
    )


def _probability_error(name: str, highest: float, definition: str) -> Metric:
    return Metric(
        name=name,
        tasks=LABELS,
        direction=Direction.LOWER,
        lowest=0.0,
        highest=highest,
        percent=None,
        definition=definition,
    )


_ALL: Final = (
    _percentage("mape", inf, "mean of |predicted - actual| / |actual|, in percent; rows with actual 0 are left out"),
    _percentage("smape", 200.0, "mean of 2 |predicted - actual| / (|predicted| + |actual|), in percent; 0/0 counts 0"),
    _percentage("wape", inf, "sum of |predicted - actual| / sum of |actual|, in percent"),
    _error("rmse", "square root of the mean squared error"),
    _error("mae", "mean of |predicted - actual|"),
    _error("mse", "mean of (predicted - actual) squared"),
    _error("median_absolute_error", "median of |predicted - actual|"),
    Metric(
        name="r2",
        tasks=NUMBERS,
        direction=Direction.HIGHER,
        lowest=-inf,
        highest=1.0,
        percent=0.01,
        definition="1 - squared error / squared distance of the actual values from their mean",
    ),
    Metric(
        name="bias",
        tasks=NUMBERS,
        direction=Direction.ZERO,
        lowest=-inf,
        highest=inf,
        percent=None,
        definition="mean of predicted - actual; above zero the model predicts too much",
    ),
    _share("accuracy", "share of rows with the right label"),
    _share("balanced_accuracy", "mean of the recall of each label that occurs"),
    _share("f1", "two labels: F1 of the second in label order; more: f1_macro"),
    _share("f1_macro", "mean of the F1 of each label"),
    _share("f1_micro", "F1 over all labels' counts together; equals accuracy when each row has one label"),
    _share("f1_weighted", "mean of the F1 of each label, weighted by its rows"),
    _share("precision", "two labels: precision of the second in label order; more: mean over labels"),
    _share("recall", "two labels: recall of the second in label order; more: mean over labels"),
    _share("roc_auc", "chance that a row of a label gets a higher probability for it than another row; many: macro"),
    _probability_error("log_loss", inf, "mean of -log of the probability given to the right label"),
    _probability_error("brier", 2.0, "mean squared error of the probabilities; two labels: of the second label alone"),
)

METRICS: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _ALL})

SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mean_error": "bias",
        "auc": "roc_auc",
        "auroc": "roc_auc",
        "logloss": "log_loss",
        "cross_entropy": "log_loss",
        "brier_score": "brier",
        "f1_score": "f1",
        "r2_score": "r2",
        "rsquared": "r2",
        "acc": "accuracy",
        "mean_absolute_error": "mae",
        "mean_squared_error": "mse",
        "root_mean_squared_error": "rmse",
        "mean_absolute_percentage_error": "mape",
        "medae": "median_absolute_error",
    }
)


def metrics_of(task: str) -> tuple[Metric, ...]:
    """Return the metrics that Everfit measures for *task*; none for a custom task, which brings its own."""
    return tuple(metric for metric in _ALL if task in metric.tasks)


def nearest_name(word: str, names: Sequence[str]) -> str | None:
    """Return the one of *names* that *word* probably means, or None."""
    synonym = SYNONYMS.get(word.lower())
    if synonym in names:
        return synonym
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return close[0] if close else None
