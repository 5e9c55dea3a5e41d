"""Metrics of predicted labels and probabilities, and how they vary over resamples.

What depends on labels alone is a function of how many rows have each (actual, challenger, champion) triple, so a
resample is one multinomial draw of those counts. Mean losses use blocks of rows, ROC AUC uses DeLong's components.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Final

import numpy as np

from everfit.jobs.answers import Classified, Codes
from everfit.jobs.figures import Figure, Floats, Influences, Paired, Replicates, figures
from everfit.jobs.resampling import Draws
from everfit.jobs.roc import Roc, roc

COUNTS_AT_ONCE: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """Rows per label, the last axis being the labels: actual, predicted, and both."""

    actual: Floats
    predicted: Floats
    right: Floats


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Rows with what was and what one version predicted; what takes long is computed once.

    Args:
        actual: places in the label order.
        labels: the label order.
    """

    actual: Codes
    predicted: Classified
    labels: tuple[str, ...]

    @cached_property
    def area(self) -> Roc | None:
        """The area under the ROC curve; None when it is not defined, or without probabilities."""
        table = self.predicted.probabilities
        return None if table is None else roc(self.actual, table)

    @cached_property
    def losses(self) -> dict[str, Floats]:
        """Each row's losses; none without probabilities."""
        table = self.predicted.probabilities
        return {} if table is None else _losses(self.actual, table)


def measure(rows: LabelledRows) -> dict[str, Figure]:
    """Return every metric of the rows, of which there is at least one."""
    actual, codes, labels = rows.actual, rows.predicted.codes, rows.labels
    counts = LabelCounts(
        actual=_per_label(actual, len(labels)),
        predicted=_per_label(codes, len(labels)),
        right=_per_label(actual[actual == codes], len(labels)),
    )
    values = {name: float(value) for name, value in _from_counts(counts).items()}
    measured = figures(values, len(actual), _reasons(labels))
    if rows.predicted.probabilities is None:
        missing = Figure(value=None, rows=len(actual), reason=rows.predicted.reason)
        return measured | dict.fromkeys(("roc_auc", "log_loss", "brier"), missing)
    means = {name: float(column.mean()) for name, column in rows.losses.items()}
    reasons = {"roc_auc": "ROC AUC needs rows of every label"}
    return measured | figures(means | {"roc_auc": rows.area.value if rows.area else nan}, len(actual), reasons)


def resample(
    challenger: LabelledRows, champion: LabelledRows, draws: Draws, random: np.random.Generator
) -> dict[str, Paired]:
    """Return how every metric of both versions varies on the same rows."""
    actual, labels, resamples = challenger.actual, len(challenger.labels), len(draws.counts)
    codes = actual, challenger.predicted.codes, champion.predicted.codes
    both = [_from_counts(counts) for counts in _resampled_counts(codes, labels, resamples, random)]
    paired: dict[str, Paired] = {
        name: Replicates(challenger=both[0][name], champion=both[1][name], units=len(actual)) for name in both[0]
    }
    rows = draws.totals(np.ones(len(actual)))
    for name in challenger.losses.keys() & champion.losses.keys():
        means = [draws.totals(side.losses[name]) / rows for side in (challenger, champion)]
        paired[name] = Replicates(challenger=means[0], champion=means[1], units=draws.units)
    return paired | _area_pair(challenger.area, champion.area)


def _area_pair(challenger: Roc | None, champion: Roc | None) -> dict[str, Paired]:
    if challenger is None or champion is None:
        return {}
    return {
        "roc_auc": Influences(
            value=challenger.value,
            champion_value=champion.value,
            challenger=challenger.influence,
            champion=champion.influence,
        )
    }


def _reasons(labels: tuple[str, ...]) -> Mapping[str, str]:
    positive = labels[1] if len(labels) == 2 else "any"
    nowhere = f"no row is, or is predicted as, label {positive}"
    return {"f1": nowhere, "precision": nowhere, "recall": f"no row is of label {positive}"}


def _per_label(codes: Codes, count: int) -> Floats:
    return np.bincount(codes, minlength=count).astype(np.float64)


def _from_counts(counts: LabelCounts) -> dict[str, Floats]:
    """Return the metrics that depend on labels alone; those of scikit-learn, with 0 for a label never predicted."""
    actual, predicted, right = counts.actual, counts.predicted, counts.right
    rows = actual.sum(axis=-1)
    accuracy = right.sum(axis=-1) / rows
    recall, precision = _ratio(right, actual, 0.0), _ratio(right, predicted, 0.0)
    f1 = _ratio(2 * right, actual + predicted, 0.0)
    occurs, is_actual = (actual + predicted) > 0, actual > 0
    values = {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall, is_actual),
        "f1": _mean(f1, occurs),
        "f1_macro": _mean(f1, occurs),
        "f1_micro": accuracy,
        "f1_weighted": (f1 * actual).sum(axis=-1) / rows,
        "precision": _mean(precision, occurs),
        "recall": _mean(recall, occurs),
    }
    if actual.shape[-1] == 2:
        values["f1"] = np.where(occurs[..., 1], f1[..., 1], nan)
        values["precision"] = np.where(occurs[..., 1], precision[..., 1], nan)
        values["recall"] = np.where(is_actual[..., 1], recall[..., 1], nan)
    return values


def _ratio(top: Floats, bottom: Floats, otherwise: float) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(bottom), otherwise), where=bottom > 0)
    return ratio


def _mean(values: Floats, where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    return _ratio(np.where(where, values, 0.0).sum(axis=-1), where.sum(axis=-1).astype(np.float64), nan)


def _resampled_counts(
    codes: tuple[Codes, Codes, Codes], labels: int, resamples: int, random: np.random.Generator
) -> tuple[LabelCounts, LabelCounts]:
    """Draw the counts of each triple of labels, and return them summed per label for either version."""
    actual, challenger, champion = codes
    cells, seen = np.unique((actual * labels + challenger) * labels + champion, return_counts=True)
    triples = cells // labels**2, cells // labels % labels, cells % labels
    parts: list[tuple[Floats, ...]] = []
    step = max(1, COUNTS_AT_ONCE // len(cells))
    for start in range(0, resamples, step):
        drawn = random.multinomial(len(actual), seen / len(actual), size=min(step, resamples - start))
        counts = drawn.astype(np.float64)
        right = [np.where(side == triples[0], counts, 0.0) for side in triples[1:]]
        grouped = [_grouped(counts, triple, labels) for triple in triples]
        parts.append((*grouped, *(_grouped(hits, triples[0], labels) for hits in right)))
    whole = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return (
        LabelCounts(actual=whole[0], predicted=whole[1], right=whole[3]),
        LabelCounts(actual=whole[0], predicted=whole[2], right=whole[4]),
    )


def _grouped(counts: Floats, group: Codes, labels: int) -> Floats:
    """Return the columns of *counts* summed by their group."""
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    sums = np.zeros((len(counts), labels))
    sums[:, present] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums


def _losses(actual: Codes, probabilities: Floats) -> dict[str, Floats]:
    """Return each row's loss; a probability of 0 counts as the smallest step above it, as in scikit-learn."""
    given = probabilities[np.arange(len(actual)), actual]
    smallest = float(np.finfo(np.float64).eps)
    if probabilities.shape[1] == 2:
        # Of two labels the second alone counts, so that 0 is perfect and 1 is the worst.
        brier = np.square(probabilities[:, 1] - (actual == 1))
    else:
        brier = np.square(probabilities).sum(axis=1) - 2 * given + 1.0
    return {"log_loss": -np.log(np.clip(given, smallest, 1.0)), "brier": brier}
