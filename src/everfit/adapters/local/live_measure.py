"""Metrics of live answers whose labels have come, by the formulas of the gate."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from everfit.domain.live import Losses, Quality
from everfit.domain.metric import LABELS, METRICS, NUMBERS
from everfit.jobs import classification_metrics, regression_metrics
from everfit.jobs.answers import Classified, LabelOrder, UnjudgeableError, canonical, is_list, labels
from everfit.jobs.classification_metrics import LabelledRows
from everfit.jobs.figures import Figure
from everfit.jobs.judges import in_label_order
from everfit.jobs.request_log import Reply, Request

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

OF_PROBABILITIES: Final = frozenset({"roc_auc", "log_loss", "brier"})
MOST_SCORED: Final = 50_000
"""Requests of each version whose probabilities are read, the newest."""

IS_LABELS: Final = """
SELECT EXISTS (FROM read WHERE is_scored)
    OR EXISTS (FROM pairs WHERE prediction IS NOT NULL AND TRY_CAST(prediction AS DOUBLE) IS NULL)
    OR EXISTS (FROM pairs WHERE TRY_CAST(label AS DOUBLE) IS NULL)"""
NUMBER_PAIRS: Final = """
SELECT TRY_CAST(label AS DOUBLE) AS actual, TRY_CAST(prediction AS DOUBLE) AS predicted FROM pairs
WHERE version = $version AND isfinite(TRY_CAST(label AS DOUBLE)) AND isfinite(TRY_CAST(prediction AS DOUBLE))"""
TEXTS: Final = """
SELECT label FROM pairs UNION SELECT prediction FROM pairs WHERE prediction IS NOT NULL"""
LABEL_PAIRS: Final = """
SELECT actual.place AS actual, coalesce(predicted.place, -1) AS predicted FROM pairs
JOIN places AS actual ON actual.text = label LEFT JOIN places AS predicted ON predicted.text = prediction
WHERE version = $version AND prediction IS NOT NULL"""
SCORED: Final = """
SELECT answer_type, answer, actual FROM read
JOIN (SELECT version, id, list(label ORDER BY place) AS actual FROM pairs GROUP BY version, id) USING (version, id)
WHERE version = $version ORDER BY answered_at DESC LIMIT $most"""


def measured(connection: Any, versions: Sequence[int], metrics: Sequence[str]) -> dict[int, Quality]:
    """Return each version's quality, from the tables ``pairs`` and ``read``.

    Without the name of a metric that tells the task, the answers tell it: probabilities, or a label or prediction
    that is no number, are of a classification.
    """
    tasks = {task for name in metrics if name in METRICS for task in METRICS[name].tasks}
    if not tasks:
        tasks = {*LABELS} if connection.execute(IS_LABELS).fetchall()[0][0] else {*NUMBERS}
    found: dict[int, Quality] = {}
    if tasks.issuperset(NUMBERS):
        found |= {version: quality for version in versions if (quality := _of_numbers(connection, version, metrics))}
    if tasks.issuperset(LABELS):
        order = _make_places(connection)
        found |= {
            version: quality for version in versions if (quality := _of_labels(connection, version, metrics, order))
        }
    return found


def _of_numbers(connection: Any, version: int, metrics: Sequence[str]) -> Quality | None:
    columns = connection.execute(NUMBER_PAIRS, {"version": version}).fetchnumpy()
    actual, predicted = np.asarray(columns["actual"]), np.asarray(columns["predicted"])
    if not len(actual):
        return None
    figures = regression_metrics.measure(actual, predicted)
    return _quality(len(actual), figures, metrics, np.abs(predicted - actual))


def _of_labels(connection: Any, version: int, metrics: Sequence[str], order: LabelOrder) -> Quality | None:
    columns = connection.execute(LABEL_PAIRS, {"version": version}).fetchnumpy()
    actual, codes = (np.asarray(columns[name], dtype=np.int64) for name in ("actual", "predicted"))
    if not len(actual):
        return None
    predicted = Classified(codes=codes, probabilities=None, reason="only labels were read")
    figures = classification_metrics.measure(LabelledRows(actual=actual, predicted=predicted, labels=order.labels))
    if len(order) < 2:
        # Which of two labels is the positive one, or whether there are more, cannot be told from one.
        figures = {"accuracy": figures["accuracy"]}
    elif OF_PROBABILITIES.intersection(metrics):
        figures |= _of_probabilities(connection, version, order)
    return _quality(len(actual), figures, metrics, (actual != codes).astype(np.float64))


def _quality(rows: int, figures: Mapping[str, Figure], metrics: Sequence[str], losses: Floats) -> Quality:
    return Quality(
        rows=rows,
        metrics={name: figures[name].value if name in figures else None for name in metrics},
        losses=Losses(
            rows=len(losses), mean=float(losses.mean()), variance=float(losses.var(ddof=1)) if len(losses) > 1 else 0.0
        ),
    )


def _make_places(connection: Any) -> LabelOrder:
    """Make the table ``places`` of each text that stands for a label, and return the label order.

    That is the one that a first version gets: of all labels that were given, predicted, or named by a model.
    """
    texts: list[str] = [row[0] for row in connection.execute(TEXTS).fetchall()]
    named = connection.execute("SELECT DISTINCT names FROM read WHERE names IS NOT NULL LIMIT 100").fetchall()
    spelled = {canonical(text) for text in texts} | set(_named(row[0] for row in named))
    order = LabelOrder(in_label_order(spelled))
    connection.register(
        "spelling",
        {
            "text": np.array(texts or [""], dtype=object),
            "place": np.array([order.place(text) for text in texts] or [-1], dtype=np.int64),
        },
    )
    connection.execute("CREATE TEMP TABLE places AS SELECT text, place FROM spelling")
    connection.unregister("spelling")
    return order


def _named(documents: Iterable[str]) -> Iterable[str]:
    for document in documents:
        names = json.loads(document)
        if is_list(names):
            yield from (canonical(str(name)) for name in names)


def _of_probabilities(connection: Any, version: int, order: LabelOrder) -> dict[str, Figure]:
    """Return the metrics that need probabilities; none when an answer gives none."""
    rows = connection.execute(SCORED, {"version": version, "most": MOST_SCORED}).fetchall()
    scored = [found for kind, answer, actual in rows if (found := _scored(kind, answer, actual, order)) is not None]
    tables = [found.probabilities for found in scored if found.probabilities is not None]
    if not tables or len(tables) < len(scored):
        return {}
    predicted = Classified(
        codes=np.concatenate([found.codes for found in scored]), probabilities=np.concatenate(tables), reason=None
    )
    actual = np.concatenate([found.actual for found in scored])
    figures = classification_metrics.measure(LabelledRows(actual=actual, predicted=predicted, labels=order.labels))
    return {name: figures[name] for name in OF_PROBABILITIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    actual: Codes
    codes: Codes
    probabilities: Floats | None


def _scored(kind: str, answer: bytes, actual: Sequence[str], order: LabelOrder) -> _Scored | None:
    """Return one answer with its probabilities; None unless each of its rows has a label, and it can be read."""
    request = Request(body=b"", content_type="", rows=len(actual))
    try:
        found = labels([(request, Reply(body=answer, content_type=kind, seconds=0.0, timed=False))], order)
    except UnjudgeableError:
        return None
    codes = np.array([order.place(label) for label in actual], dtype=np.int64)
    return _Scored(actual=codes, codes=found.codes, probabilities=found.probabilities)
