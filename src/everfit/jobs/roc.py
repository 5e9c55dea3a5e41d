"""Area under the ROC curve with each row's part in it.

DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
characteristic curves", Biometrics 44 (1988): the variance of a difference comes from the placements of the rows. For
more than two labels the area is the mean of those of one label against the rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from everfit.jobs.answers import Codes
from everfit.jobs.figures import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Roc:
    """The area, and what each row adds to its deviation."""

    value: float
    influence: Floats


def roc(actual: Codes, probabilities: Floats) -> Roc | None:
    """Return the area; None when a label has no row, or all of them."""
    count = probabilities.shape[1]
    positives = [1] if count == 2 else list(range(count))
    areas: list[float] = []
    influence = np.zeros(len(actual))
    for label in positives:
        is_positive = actual == label
        if not is_positive.any() or is_positive.all():
            return None
        placement = placements(probabilities[:, label], is_positive)
        areas.append(float(placement[is_positive].mean()))
        for group in (is_positive, ~is_positive):
            influence[group] += _deviation(placement[group], areas[-1]) / len(positives)
    return Roc(value=float(np.mean(areas)), influence=influence) if areas else None


def placements(scores: Floats, is_positive: NDArray[np.bool_]) -> Floats:
    """Return for each row the share of the other kind that it is ranked rightly against; ties count half."""
    order = np.argsort(scores)
    ranked, positive = scores[order], is_positive[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sizes = np.diff(np.append(starts, len(scores)))
    in_tie = np.add.reduceat(positive.astype(np.float64), starts)
    positives = np.cumsum(in_tie) - in_tie / 2
    negatives = np.cumsum(sizes - in_tie) - (sizes - in_tie) / 2
    total = float(is_positive.sum())
    below = np.repeat(negatives / (len(scores) - total), sizes)
    above = np.repeat(1.0 - positives / total, sizes)
    placed = np.empty(len(scores))
    placed[order] = np.where(positive, below, above)
    return placed


def _deviation(placement: Floats, area: float) -> Floats:
    """Return the rows' deviations so that their squares add up to the variance of the mean."""
    rows = len(placement)
    deviation: Floats = (placement - area) / np.sqrt(rows * max(rows - 1, 1))
    return deviation
