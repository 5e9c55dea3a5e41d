"""Metrics of predicted numbers, each a function of sums over rows; and how they vary over resamples."""

from collections.abc import Iterator, Mapping
from math import nan, sqrt
from typing import Final

import numpy as np

from everfit.jobs.figures import Figure, Floats, Paired, Replicates, figures
from everfit.jobs.resampling import Draws

REASONS: Final[Mapping[str, str]] = {
    "mape": "every actual value is 0, and MAPE is not defined there",
    "wape": "every actual value is 0, and WAPE is not defined there",
    "r2": "the actual values are all the same, and R² is not defined there",
}


def measure(actual: Floats, predicted: Floats) -> dict[str, Figure]:
    """Return every metric of the rows, of which there is at least one."""
    rows = len(actual)
    sums = {name: float(column.sum()) for name, column in _columns(actual, predicted)}
    values = {name: float(value) for name, value in _from_sums({n: np.array(v) for n, v in sums.items()}).items()}
    values["median_absolute_error"] = float(np.median(np.abs(predicted - actual)))
    measured = figures(values, rows, REASONS)
    zeros = rows - int(sums["nonzero"])
    if zeros and measured["mape"].value is not None:
        what = f"{zeros} of {rows} rows have the actual value 0 and are left out"
        measured["mape"] = Figure(value=measured["mape"].value, rows=rows - zeros, reason=what)
    return measured


def resample(actual: Floats, challenger: Floats, champion: Floats, draws: Draws) -> dict[str, Paired]:
    """Return every metric of both versions on each resample."""
    both: list[dict[str, Floats]] = []
    for predicted in (challenger, champion):
        values = _from_sums({name: draws.totals(column) for name, column in _columns(actual, predicted)})
        values["median_absolute_error"] = _medians(np.abs(predicted - actual), draws)
        both.append(values)
    return {name: Replicates(challenger=both[0][name], champion=both[1][name], units=draws.units) for name in both[0]}


def _columns(actual: Floats, predicted: Floats) -> Iterator[tuple[str, Floats]]:
    """Yield, one at a time to save memory, what is summed for the metrics."""
    centred = actual - actual.mean()
    yield "rows", np.ones(len(actual))
    yield "actual", centred
    yield "actual_squared", np.square(centred)
    size = np.abs(actual)
    yield "size", size
    yield "nonzero", (size > 0).astype(np.float64)
    error = predicted - actual
    yield "error", error
    yield "squared", np.square(error)
    error = np.abs(error)
    yield "absolute", error
    yield "relative", np.divide(error, size, out=np.zeros(len(actual)), where=size > 0)
    both = size + np.abs(predicted)
    yield "symmetric", np.divide(2 * error, both, out=np.zeros(len(actual)), where=both > 0)


def _from_sums(sums: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the metrics; NaN where one is not defined."""
    rows = sums["rows"]
    spread = sums["actual_squared"] - np.square(sums["actual"]) / rows
    # Centred values that are all the same leave rounding noise behind, not a spread.
    spread = np.where(spread > rows * np.square(1e-14 * sums["size"] / rows), spread, 0.0)
    return {
        "mape": 100 * _ratio(sums["relative"], sums["nonzero"]),
        "smape": 100 * sums["symmetric"] / rows,
        "wape": 100 * _ratio(sums["absolute"], sums["size"]),
        "rmse": np.sqrt(sums["squared"] / rows),
        "mae": sums["absolute"] / rows,
        "mse": sums["squared"] / rows,
        "r2": 1.0 - _ratio(sums["squared"], spread),
        "bias": sums["error"] / rows,
    }


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(bottom), nan), where=bottom > 0)
    return ratio


def _medians(errors: Floats, draws: Draws) -> Floats:
    """Return the median of each resample: only the middle of the sorted errors can hold it, so only that is counted."""
    rows = len(errors)
    # The rank of a resample's median strays by half the root of the rows, and further when blocks are alike.
    reach = int(4 * sqrt(rows)) + 1
    first, last = max(0, rows // 2 - reach), min(rows, rows // 2 + reach)
    order = np.argpartition(errors, [first, last - 1])
    middle = order[first:last][np.argsort(errors[order[first:last]])]
    below = draws.counts @ np.bincount(draws.block[order[:first]], minlength=draws.units)
    half = draws.totals(np.ones(rows)) / 2
    drawn = draws.counts.astype(np.int32)[:, draws.block[middle]]
    np.cumsum(drawn, axis=1, out=drawn)
    place = (drawn < (half - below)[:, np.newaxis]).sum(axis=1)
    is_inside = (below < half) & (place < len(middle))
    return np.where(is_inside, errors[middle[np.minimum(place, len(middle) - 1)]], nan)
