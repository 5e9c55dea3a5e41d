"""A figure or the reason why there is none, and an interval or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from statistics import NormalDist
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# With fewer independent rows a percentile interval promises more than it holds.
FEWEST_UNITS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value with the number of rows behind it; *reason* says why there is none, or what was left out."""

    value: float | None
    reason: str | None = None
    rows: int

    def as_json(self) -> dict[str, object]:
        """Return the figure as the evaluation writes it."""
        return {"value": self.value, "reason": self.reason, "rows": self.rows}


def figures(values: Mapping[str, float], rows: int, reasons: Mapping[str, str]) -> dict[str, Figure]:
    """Return a figure for each value; one that is not finite has none, for the reason given under its name."""
    return {
        name: Figure(value=float(value), rows=rows)
        if isfinite(value)
        else Figure(value=None, rows=rows, reason=reasons.get(name, f"it came out as {value}"))
        for name, value in values.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Ends of a confidence interval, or the reason why there is none."""

    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Paired(Protocol):
    """How one metric of both versions varies together over samples of the same rows."""

    def interval(self, factor: float, offset: float, confidence: float) -> Interval:
        """Return the interval of challenger - (champion * factor + offset)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """The metric on each resample.

    Args:
        challenger: one value a resample.
        champion: one value a resample, from the same rows.
        units: how many rows or blocks were drawn from.
    """

    challenger: Floats
    champion: Floats
    units: int

    def interval(self, factor: float, offset: float, confidence: float) -> Interval:
        """Return the percentile interval, widened for the number of units."""
        if self.units < FEWEST_UNITS:
            return Interval(reason=f"{self.units} independent rows or blocks are too few for a confidence interval")
        differences = self.challenger - (self.champion * factor + offset)
        differences = differences[np.isfinite(differences)]
        if len(differences) < 0.95 * len(self.challenger):
            return Interval(reason="the metric is undefined on too many resamples for a confidence interval")
        tail = (1.0 - confidence) / 2
        low, middle, high = np.quantile(differences, [tail, 0.5, 1.0 - tail])
        wider = widening(self.units, confidence)
        return Interval(low=float(middle + (low - middle) * wider), high=float(middle + (high - middle) * wider))


@dataclass(frozen=True, slots=True, kw_only=True)
class Influences:
    """What each row adds to the metric of either version, to first order: the sum of squares is the variance."""

    value: float
    champion_value: float
    challenger: Floats
    champion: Floats

    def interval(self, factor: float, offset: float, confidence: float) -> Interval:
        """Return the normal interval."""
        if len(self.challenger) < FEWEST_UNITS:
            return Interval(reason=f"{len(self.challenger)} rows are too few for a confidence interval")
        difference = self.value - (self.champion_value * factor + offset)
        deviation = float(np.sqrt(np.square(self.challenger - factor * self.champion).sum()))
        half = NormalDist().inv_cdf((1.0 + confidence) / 2) * deviation
        return Interval(low=difference - half, high=difference + half)


def widening(units: int, confidence: float) -> float:
    """Return how much wider than a bootstrap of few units the interval must be: Student's t over the normal.

    The bootstrap's variance is short by (units - 1) / units; the quantile of t is Abramowitz and Stegun's 26.7.5.
    """
    z, freedom = NormalDist().inv_cdf((1.0 + confidence) / 2), units - 1
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return float(t / z * np.sqrt(units / (units - 1)))
