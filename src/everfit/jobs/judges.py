"""Per kind of task: read the answers, measure rows, and say how both versions' metrics vary on the same rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from everfit.domain.errors import RequestError
from everfit.jobs import classification_metrics, regression_metrics
from everfit.jobs.answers import Classified, Codes, LabelOrder, canonical, labels, numbers
from everfit.jobs.classification_metrics import LabelledRows
from everfit.jobs.figures import Figure, Floats, Paired
from everfit.jobs.request_log import Reply, Request
from everfit.jobs.resampling import draw, time_order

Predictions = Floats | Classified
Rows = NDArray[np.int64]

FEWEST_LABELS: Final = 2


Part = TypeVar("Part")


class Judge(Protocol[Part]):
    """Knows what really was, and so what predictions are worth; a *Part* is some rows with their predictions."""

    def read(self, answers: Iterable[tuple[Request, Reply]]) -> Predictions:
        """Return the predictions that the answers hold, or raise ``UnjudgeableError``."""
        ...

    def part(self, rows: Rows, predicted: Predictions) -> Part:
        """Return *rows* with their predictions."""
        ...

    def measure(self, part: Part) -> dict[str, Figure]:
        """Return every metric."""
        ...

    def resample(
        self, challenger: Part, champion: Part, resamples: int, random: np.random.Generator
    ) -> dict[str, Paired]:
        """Return how every metric of both versions varies on the same rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRows:
    """Rows with what was and what one version predicted; *order* is the place in time, None without one."""

    actual: Floats
    predicted: Floats
    order: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberJudge:
    """For regression, and with *order* (the place in time of each row) for forecasts."""

    actual: Floats
    order: NDArray[np.int64] | None = None

    def read(self, answers: Iterable[tuple[Request, Reply]]) -> Predictions:
        return numbers(answers)

    def part(self, rows: Rows, predicted: Predictions) -> NumberRows:
        assert not isinstance(predicted, Classified)  # noqa: S101 - read made it
        order = None if self.order is None else time_order(self.order[rows])
        return NumberRows(actual=self.actual[rows], predicted=predicted[rows], order=order)

    def measure(self, part: NumberRows) -> dict[str, Figure]:
        return regression_metrics.measure(part.actual, part.predicted)

    def resample(
        self, challenger: NumberRows, champion: NumberRows, resamples: int, random: np.random.Generator
    ) -> dict[str, Paired]:
        draws = draw(len(challenger.actual), resamples, random, challenger.order)
        return regression_metrics.resample(challenger.actual, challenger.predicted, champion.predicted, draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJudge:
    """For classification; *actual* holds places in *order*."""

    actual: Codes
    order: LabelOrder

    def read(self, answers: Iterable[tuple[Request, Reply]]) -> Predictions:
        return labels(answers, self.order)

    def part(self, rows: Rows, predicted: Predictions) -> LabelledRows:
        assert isinstance(predicted, Classified)  # noqa: S101 - read made it
        table = predicted.probabilities
        chosen = Classified(
            codes=predicted.codes[rows], probabilities=None if table is None else table[rows], reason=predicted.reason
        )
        return LabelledRows(actual=self.actual[rows], predicted=chosen, labels=self.order.labels)

    def measure(self, part: LabelledRows) -> dict[str, Figure]:
        return classification_metrics.measure(part)

    def resample(
        self, challenger: LabelledRows, champion: LabelledRows, resamples: int, random: np.random.Generator
    ) -> dict[str, Paired]:
        draws = draw(len(challenger.actual), resamples, random)
        return classification_metrics.resample(challenger, champion, draws, random)


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
    order = LabelOrder(in_label_order({str(value) for value in actual}) if known is None else known)
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


def in_label_order(labels: Iterable[str]) -> list[str]:
    """Return labels in the order that they have until one is chosen: numbers by value, then the others by text."""
    return sorted(labels, key=lambda label: (_numeric(label), label))


def _numeric(label: str) -> float:
    try:
        value = float(canonical(label))
    except ValueError:
        return float("inf")
    return value if isfinite(value) else float("inf")
