"""Figures of both versions, for the whole holdout and its parts, and their differences with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import numpy as np

from everfit.jobs.figures import Figure, Paired
from everfit.jobs.judges import Judge, Rows
from everfit.jobs.scored import Scored

WHOLE: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a difference is made certain.

    Args:
        resamples: how often the rows are drawn.
        confidence: of the interval, two-sided.
        seed: makes the same rows give the same interval.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0


class Comparison:
    """Both versions on the same rows; every part is measured and resampled once."""

    def __init__(self, judge: Judge[Any], parts: Mapping[str, Rows], sides: Sequence[Scored], plan: Plan) -> None:
        self._judge, self._parts, self._sides, self._plan = judge, parts, sides, plan
        self._scored = cache(self._part)
        self.figures = cache(self._figures)
        self._paired = cache(self._resampled)

    def _figures(self, side: int, part: str) -> dict[str, Figure]:
        """Return every metric of a side (0 is the challenger) on a part."""
        scored = self._scored(side, part)
        return {} if scored is None else self._judge.measure(scored)

    def _part(self, side: int, part: str) -> Any | None:
        """Return the part with a side's predictions; None when there are none, or no row."""
        predictions, rows = self._sides[side].predictions, self._parts[part]
        return None if predictions is None or not len(rows) else self._judge.part(rows, predictions)

    def _resampled(self, part: str) -> dict[str, Paired]:
        challenger, champion = self._scored(0, part), self._scored(1, part)
        if challenger is None or champion is None:
            return {}
        random = np.random.default_rng([self._plan.seed, *part.encode()])
        return self._judge.resample(challenger, champion, self._plan.resamples, random)

    def difference(self, metric: str, part: str, factor: float, offset: float) -> dict[str, object]:
        """Return challenger - (champion * factor + offset) with its interval, or the reason why there is none."""
        values: list[float] = []
        for side, name in enumerate(("challenger", "champion")):
            figure = self.figures(side, part).get(metric)
            if figure is None or figure.value is None:
                return _difference(None, f"the {name} has no {metric}: {self._reason(side, part, figure)}")
            values.append(figure.value)
        value = values[0] - (values[1] * factor + offset)
        paired = self._paired(part).get(metric)
        if paired is None:
            return _difference(value, f"no interval is computed for {metric}")
        interval = paired.interval(factor, offset, self._plan.confidence)
        return {"value": value, "low": interval.low, "high": interval.high, "reason": interval.reason}

    def _reason(self, side: int, part: str, figure: Figure | None) -> str | None:
        if figure is not None:
            return figure.reason
        return self._sides[side].error or (None if len(self._parts[part]) else no_row(part)) or "it was not measured"

    def comparison(self, wanted: Mapping[str, object]) -> dict[str, object]:
        """Return the answer to one entry of ``comparisons``; without an interval it has no value either."""
        part = cast("str | None", wanted.get("slice"))
        factor, offset = float(cast("float", wanted["factor"])), float(cast("float", wanted["offset"]))
        difference = self.difference(str(wanted["metric"]), part or WHOLE, factor, offset)
        if difference["low"] is None:
            # A value alone would be taken as a comparison of single values, which is for custom scorers only.
            difference["value"] = None
        return {"metric": wanted["metric"], "factor": factor, "offset": offset, "slice": part, **difference}


def _difference(value: float | None, reason: str) -> dict[str, object]:
    return {"value": value, "low": None, "high": None, "reason": reason}


def no_row(part: str) -> str:
    """Return why a part cannot be measured."""
    return f"no row of the holdout has {part}"
