"""Per kind of task: read the answers, measure rows, and say how both versions' metrics vary on the same rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from everfit.domain.errors import RequestError
from everfit.jobs import classification_metrics, regression_metrics
from everfit.jobs.answers import Classified, Codes, LabelOrder, canonical, labels, numbers
from everfit.jobs.figures import Figure, Floats, Paired
from everfit.jobs.request_log import Reply, Request
from everfit.jobs.resampling import draw, time_order

Predictions = Floats | Classified
Rows = NDArray[np.int64]

FEWEST_LABELS: Final = 2


class Judge(Protocol):
    """Knows what really was, and so what predictions are worth."""

    def read(self, answers: Iterable[tuple[Request, Reply]]) -> Predictions:
        """Return the predictions that the answers hold, or raise ``UnjudgeableError``."""
        ...

    def measure(self, rows: Rows, predicted: Predictions) -> dict[str, Figure]:
        """Return every metric on *rows*."""
        ...

    def resample(
        self, rows: Rows, both: tuple[Predictions, Predictions], resamples: int, random: np.random.Generator
    ) -> dict[str, Paired]:
        """Return how every metric of challenger and champion varies on *rows*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberJudge:
    """For regression, and with *order* (the place in time of each row) for forecasts."""

    actual: Floats
    order: NDArray[np.int64] | None = None

    def read(self, answers: Iterable[tuple[Request, Reply]]) -> Predictions:
        return numbers(answers)

    def measure(self, rows: Rows, predicted: Predictions) -> dict[str, Figure]:
        assert not isinstance(predicted, Classified)  # noqa: S101 - read made it
        return regression_metrics.measure(self.actual[rows], predicted[rows])

    def resample(
        self, rows: Rows, both: tuple[Predictions, Predictions], resamples: int, random: np.random.Generator
    ) -> dict[str, Paired]:
        challenger, champion = both
        assert not isinstance(challenger, Classified)  # noqa: S101 - read made it
        assert not isinstance(champion, Classified)  # noqa: S101 - read made it
        order = None if self.order is None else time_order(self.order[rows])
        draws = draw(len(rows), resamples, random, order)
        return regression_metrics.resample(self.actual[rows], challenger[rows], champion[rows], draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJudge:
    """For classification; *actual* holds places in *order*."""

    actual: Codes
    order: LabelOrder

    def read(self, answers: Iterable[tuple[Request, Reply]]) -> Predictions:
        return labels(answers, self.order)

    def measure(self, rows: Rows, predicted: Predictions) -> dict[str, Figure]:
        return classification_metrics.measure(self.actual[rows], _part(predicted, rows), self.order.labels)

    def resample(
        self, rows: Rows, both: tuple[Predictions, Predictions], resamples: int, random: np.random.Generator
    ) -> dict[str, Paired]:
        challenger, champion = (_part(predicted, rows) for predicted in both)
        draws = draw(len(rows), resamples, random)
        return classification_metrics.resample(self.actual[rows], challenger, champion, draws, random, len(self.order))


def _part(predicted: Predictions, rows: Rows) -> Classified:
    assert isinstance(predicted, Classified)  # noqa: S101 - read made it
    table = predicted.probabilities
    return Classified(
        codes=predicted.codes[rows], probabilities=None if table is None else table[rows], reason=predicted.reason
    )


def number_judge(actual: Sequence[object], times: Sequence[object] | None) -> NumberJudge:
    """Return the judge for numbers; *times* is None when rows are independent, and may be empty without a column."""
    values = np.array([_number(value, row) for row, value in enumerate(actual, start=1)], dtype=np.float64)
    order = None if times is None else order_of(times, len(values))
    return NumberJudge(actual=values, order=order)


def _number(value: object, row: int) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else float("nan")
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or not isfinite(number):
        raise RequestError(f"Row {row} of the holdout has the target {value!r}, which is not a finite number.")
    return number


def order_of(times: Sequence[object], rows: int) -> NDArray[np.int64]:
    """Return the place in time of each row, as the prepare job reads times; without them, that of the files."""
    try:
        values = [float(time) for time in times if isinstance(time, str | int | float)]
    except ValueError:
        values = _seconds(times) or _microseconds(times)
    if len(values) != rows:
        return np.arange(rows)
    return time_order(np.array(values))


def _seconds(times: Sequence[object]) -> list[float]:
    try:
        moments = [datetime.fromisoformat(time) for time in times if isinstance(time, str)]
        # Aware and naive times in one column cannot be ordered; then neither can the rows.
        return [(moment - moments[0]).total_seconds() for moment in moments]
    except (ValueError, TypeError):
        return []


def _microseconds(times: Sequence[object]) -> list[float]:
    from everfit.jobs.moments import microseconds  # noqa: PLC0415 - only unusual times pay for loading DuckDB

    return microseconds(times)


def label_judge(actual: Sequence[object], known: Sequence[str] | None) -> LabelJudge:
    """Return the judge for labels; *known* is the label order, None takes the labels of the holdout, sorted."""
    if known is None:
        found = sorted({str(value) for value in actual})
        known = sorted(found, key=lambda label: (_numeric(label), label))
    order = LabelOrder(known)
    if len(order) < FEWEST_LABELS:
        raise RequestError(f"The data has {len(order)} label; a classification needs at least two.")
    codes = np.array([order.place(value) for value in actual], dtype=np.int64)
    unknown = np.flatnonzero(codes < 0)
    if unknown.size:
        row = int(unknown[0])
        raise RequestError(
            f"Row {row + 1} of the holdout has the label {actual[row]!r}, which is none of {', '.join(order.labels)}."
        )
    return LabelJudge(actual=codes, order=order)


def _numeric(label: str) -> float:
    try:
        value = float(canonical(label))
    except ValueError:
        return float("inf")
    return value if isfinite(value) else float("inf")
