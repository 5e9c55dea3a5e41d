"""What a model answered, as arrays; every answer that cannot be judged becomes one sentence that says why."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from everfit.jobs.request_log import Reply, Request

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

TOLERANCE: Final = 1e-3


class UnjudgeableError(Exception):
    """The answers cannot be judged; the message says why, as the end of a sentence about the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The predictions of one answer.

    Args:
        values: one a row.
        probabilities: one list a row in the order of *labels*; None when the model gives none.
        labels: as the model names them; None means the label order of the data.
    """

    values: Sequence[object]
    probabilities: Sequence[object] | None = None
    labels: Sequence[object] | None = None


def entries(request: Request, reply: Reply, first: int) -> Entries:
    """Return what *reply* holds; *first* is the place of the request's first row, counted from 1."""
    values, details = _unwrapped(_document(reply))
    if not is_list(values) and values is not None and request.rows == 1:
        # One row may be answered by its bare value.
        values = [values]
    if not is_list(values):
        raise UnjudgeableError("it answered with JSON that holds no list of predictions")
    probabilities, labels = details.get("probabilities"), details.get("labels")
    if probabilities is not None and not is_list(probabilities):
        raise UnjudgeableError("its probabilities are not a list")
    for given in (values, values if probabilities is None else probabilities):
        if len(given) != request.rows:
            wanted = f"1 for row {first}" if request.rows == 1 else f"{request.rows} for rows {first} and following"
            raise UnjudgeableError(f"it gave {len(given)} predictions instead of {wanted}")
    return Entries(values=values, probabilities=probabilities, labels=labels if is_list(labels) else None)


def _unwrapped(document: object) -> tuple[object, dict[str, object]]:
    """Return the predictions of a JSON document, and what stands beside them."""
    if not is_object(document):
        return document, {}
    values = document.get("predictions", document.get("prediction"))
    if values is not None:
        return values, document
    # A single row may be answered by its object; probabilities alone are rows of scores.
    return ([document], {}) if "label" in document else (document.get("probabilities"), {})


def is_list(value: object) -> TypeGuard[list[object]]:
    """Return whether *value* is a JSON list."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether *value* is a JSON object."""
    return isinstance(value, dict)


def _document(reply: Reply) -> Any:
    kind = reply.content_type.partition(";")[0].strip().lower()
    try:
        text = reply.body.decode("utf-8-sig")
        if kind == "text/csv":
            return [row[0] if len(row) == 1 else row for row in csv.reader(StringIO(text)) if row]
        if kind.startswith("application/") and ("jsonl" in kind or "ndjson" in kind):
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except ValueError:
        raise UnjudgeableError(f"it answered with {kind}, which is not readable as predictions") from None


def numbers(answers: Iterable[tuple[Request, Reply]]) -> Floats:
    """Return the predicted numbers of all rows in order, or raise ``UnjudgeableError``."""
    parts: list[Floats] = []
    done, wrong, example = 0, 0, ""
    for request, reply in answers:
        found = entries(request, reply, done + 1).values
        is_text = reply.content_type.startswith("text/csv")
        column = np.array([number(value, is_text=is_text) for value in found], dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size and not wrong:
            example = f"row {done + int(bad[0]) + 1}: {_shown(found[int(bad[0])])}"
        wrong += int(bad.size)
        parts.append(column)
        done += request.rows
    if wrong:
        raise UnjudgeableError(f"{wrong} of its {done} predictions are not finite numbers, first {example}")
    return np.concatenate(parts) if parts else np.zeros(0)


def number(value: object, *, is_text: bool) -> float:
    """Return a predicted number; NaN when it is none."""
    if is_list(value) and len(value) == 1:
        value = value[0]
    if is_object(value) and "prediction" in value:
        value = value["prediction"]
    if isinstance(value, str) and is_text:
        try:
            return float(value)
        except ValueError:
            return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    return float(value) if abs(value) < 1e308 else np.nan


def _shown(value: object) -> str:
    if value is None:
        return "null or NaN"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """Predicted labels as places in the label order.

    Args:
        probabilities: rows times labels; None when there are none.
        reason: why there are no probabilities.
    """

    codes: Codes
    probabilities: Floats | None
    reason: str | None


class LabelOrder:
    """The labels that the data knows, each with its place."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._exact = {label: place for place, label in enumerate(self.labels)}
        plain: dict[str, int] = {}
        for place, label in enumerate(self.labels):
            plain.setdefault(canonical(label), place)
        # "01" and "1" may both be labels; then only the exact text counts.
        self._plain = plain if len(plain) == len(self.labels) else {}

    def __len__(self) -> int:
        return len(self.labels)

    def place(self, label: object) -> int:
        """Return the place of *label*, or -1 when the data does not know it."""
        if is_list(label) and len(label) == 1:
            label = label[0]
        if label is None or isinstance(label, list | dict):
            return -1
        text = str(label)
        exact = self._exact.get(text)
        return exact if exact is not None else self._plain.get(canonical(text), -1)


def canonical(label: str) -> str:
    """Return one spelling for a label that JSON, CSV and pandas spell differently: 1, 1.0; true, True."""
    if label.lower() in ("true", "false"):
        return label.lower()
    try:
        value = float(label)
    except ValueError:
        return label
    if not isfinite(value):
        return label
    return str(int(value)) if value.is_integer() else repr(value)


def labels(answers: Iterable[tuple[Request, Reply]], order: LabelOrder) -> Classified:
    """Return the predicted labels of all rows in order, or raise ``UnjudgeableError``."""
    codes: list[Codes] = []
    tables: list[Floats] = []
    done, wrong, example, reason = 0, 0, "", None
    for request, reply in answers:
        found = entries(request, reply, done + 1)
        column, table, problem = _labels_of(found, order)
        bad = np.flatnonzero(column < 0)
        if bad.size and not wrong:
            example = f"row {done + int(bad[0]) + 1}: {_shown(found.values[int(bad[0])])}"
        wrong += int(bad.size)
        reason = reason or problem
        codes.append(column)
        if table is not None:
            tables.append(table)
        done += request.rows
    if wrong:
        known = ", ".join(order.labels[:10]) + (" …" if len(order) > 10 else "")
        raise UnjudgeableError(f"{wrong} of its {done} predictions are none of the labels {known}; first {example}")
    return Classified(
        codes=np.concatenate(codes) if codes else np.zeros(0, dtype=np.int64),
        probabilities=np.concatenate(tables) if tables and reason is None else None,
        reason=reason,
    )


def _labels_of(found: Entries, order: LabelOrder) -> tuple[Codes, Floats | None, str | None]:
    """Return the places, the probabilities, and why there are none."""
    first = found.values[0] if found.values else None
    if is_object(first):
        return _from_objects(found.values, order)
    if is_list(first) and len(first) == len(order) > 1:
        # A row of scores, one a label: the highest one is the answer.
        table, problem = _table(found.values, range(len(order)), len(order))
        if table is None:
            return np.full(len(found.values), -1), None, problem
        scores = np.array(found.values, dtype=np.float64)
        return scores.argmax(axis=1), table if problem is None else None, problem
    column = np.array([order.place(value) for value in found.values], dtype=np.int64)
    if found.probabilities is None:
        return column, None, "the model gives no probabilities"
    places = [order.place(label) for label in found.labels] if found.labels else list(range(len(order)))
    table, problem = _table(found.probabilities, places, len(order))
    return column, table if problem is None else None, problem


def _from_objects(values: Sequence[object], order: LabelOrder) -> tuple[Codes, Floats | None, str | None]:
    objects = [value if is_object(value) else {} for value in values]
    column = np.array([order.place(value.get("label")) for value in objects], dtype=np.int64)
    given = [value.get("probabilities") for value in objects]
    tables = [table if is_object(table) else {} for table in given]
    names = list(tables[0])
    if not names:
        return column, None, "the model gives no probabilities"
    rows = [[table.get(name) for name in names] for table in tables]
    table, problem = _table(rows, [order.place(name) for name in names], len(order))
    return column, table if problem is None else None, problem


def _table(rows: Sequence[object], places: Sequence[int], count: int) -> tuple[Floats | None, str | None]:
    """Return the scores in the label order and what keeps them from being probabilities."""
    try:
        given = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        return None, "its probabilities are not all numbers"
    if given.ndim == 1 and count == 2:
        given, places = np.column_stack([1.0 - given, given]), [0, 1]
    if given.ndim != 2 or given.shape[1] != len(places):
        return None, f"its probabilities are not one for each of {len(places)} labels"
    if not np.isfinite(given).all():
        return None, "its probabilities are not all finite"
    if min(places, default=-1) < 0 or len(set(places)) < len(places):
        return None, "its probabilities are for labels that the data does not know"
    table = np.zeros((len(given), count))
    table[:, list(places)] = given
    if (table < -TOLERANCE).any() or (np.abs(table.sum(axis=1) - 1.0) > TOLERANCE).any():
        return table, "its scores are not probabilities: they do not sum to 1 or lie below 0"
    return np.clip(table, 0.0, 1.0), None
