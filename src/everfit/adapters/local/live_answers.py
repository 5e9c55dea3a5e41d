"""The predictions in captured answers, one a row, as text beside the label that came for it.

What the default handlers write is read by DuckDB, a million answers in a second; any other shape by the functions
that read answers for the gate.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Final

import numpy as np

from everfit.jobs.answers import Entries, UnjudgeableError, entries, is_list, is_object, number
from everfit.jobs.judges import in_label_order
from everfit.jobs.request_log import Reply, Request

MOST_SLOW: Final = 200_000
"""Requests whose answers are read one by one, the newest."""
AT_ONCE: Final = 5_000

# An answer without a quote or a comma is one prediction a line, as CSV and as JSON Lines.
READ: Final = """
CREATE TEMP TABLE read AS
SELECT version, id, answered_at, answer_type, answer, names, is_scored,
    CASE WHEN is_json AND json_type(list, '$[0]') NOT IN ('ARRAY', 'OBJECT') THEN TRY_CAST(list AS VARCHAR[])
         WHEN is_lines AND NOT regexp_matches(body, '["\\[{,]') THEN string_split(rtrim(body, chr(10)), chr(10))
    END AS predictions
FROM (
    SELECT *, json_extract(doc, '$.labels') AS names, json_extract(doc, '$.probabilities') IS NOT NULL AS is_scored,
        CASE json_type(doc) WHEN 'ARRAY' THEN doc
            WHEN 'OBJECT' THEN coalesce(json_extract(doc, '$.predictions'), json_extract(doc, '$.prediction'))
        END AS list
    FROM (
        SELECT *, CASE WHEN is_json THEN TRY_CAST(body AS JSON) END AS doc
        FROM (
            SELECT *, replace(TRY(decode(answer)), chr(13), '') AS body,
                is_type(answer_type, 'application/json') AS is_json,
                is_type(answer_type, 'text/csv') OR is_type(answer_type, 'application/jsonlines')
                    OR is_type(answer_type, 'application/x-jsonlines') AS is_lines
            FROM captured)))"""
IS_TYPE: Final = "CREATE TEMP MACRO is_type(given, kind) AS lower(trim(split_part(given, ';', 1))) = kind"
SLOW: Final = """
SELECT version, id, answer_type, answer, size FROM read
JOIN (SELECT id, max(size) AS size FROM labels GROUP BY id) USING (id)
WHERE predictions IS NULL ORDER BY answered_at DESC LIMIT $most"""
# A request that was given another number of labels than it has rows says nothing about any of them.
PAIRS: Final = """
CREATE TEMP TABLE pairs AS
SELECT version, id, place, prediction, label FROM (
    SELECT version, id, unnest(predictions) AS prediction, generate_subscripts(predictions, 1) AS place,
        len(predictions) AS size
    FROM read WHERE predictions IS NOT NULL
    UNION ALL SELECT version, id, nullif(prediction, ''), place, size FROM slow) AS answered
JOIN labels USING (id, place, size)"""


def make_pairs(connection: Any) -> None:
    """Make the table ``pairs`` from ``captured`` and ``labels``: a row for each prediction whose label has come.

    It holds ``version``, ``id``, ``place``, and ``prediction`` and ``label`` as text. The table ``read`` holds for each
    answer ``names``, the model's labels as JSON, and ``is_scored``, whether it gave probabilities.
    """
    connection.execute(IS_TYPE)
    connection.execute(READ)
    connection.execute(
        "CREATE TEMP TABLE slow (version INTEGER, id VARCHAR, place BIGINT, size BIGINT, prediction VARCHAR)"
    )
    known = [row[0] for row in connection.execute("SELECT DISTINCT label FROM labels LIMIT 1000").fetchall()]
    waiting = connection.execute(SLOW, {"most": MOST_SLOW}).fetchall()
    order = in_label_order(known)
    for start in range(0, len(waiting), AT_ONCE):
        found = list(_read_slowly(waiting[start : start + AT_ONCE], order))
        if found:
            connection.register("batch", _columns(found))
            connection.execute("INSERT INTO slow SELECT version, id, place, size, prediction FROM batch")
            connection.unregister("batch")
    connection.execute(PAIRS)


SlowRow = tuple[int, str, int, int, str]


def _columns(rows: Sequence[SlowRow]) -> dict[str, Any]:
    version, name, place, size, prediction = zip(*rows, strict=True)
    return {
        "version": np.array(version, dtype=np.int32),
        "id": np.array(name, dtype=object),
        "place": np.array(place, dtype=np.int64),
        "size": np.array(size, dtype=np.int64),
        "prediction": np.array(prediction, dtype=object),
    }


def _read_slowly(rows: Sequence[tuple[Any, ...]], order: Sequence[str]) -> Iterator[SlowRow]:
    for version, name, answer_type, answer, size in rows:
        reply = Reply(body=answer, content_type=answer_type, seconds=0.0, timed=False)
        try:
            found = entries(Request(body=b"", content_type="", rows=size), reply, 1)
        except UnjudgeableError:
            continue
        for place, value in enumerate(found.values, start=1):
            yield version, name, place, size, _prediction(value, found, order)


def _prediction(value: object, found: Entries, order: Sequence[str]) -> str:
    """Return a prediction as text, empty when there is none; a row of scores stands for its highest label."""
    if is_list(value) and len(value) > 1:
        names = [str(name) for name in found.labels] if found.labels else order
        scores = [number(score, is_text=False) for score in value]
        is_whole = len(names) == len(scores) and all(map(isfinite, scores))
        return names[scores.index(max(scores))] if is_whole else ""
    if is_list(value) and value:
        value = value[0]
    if is_object(value):
        value = value.get("prediction", value.get("label"))
    return "" if value is None or is_list(value) or is_object(value) else str(value)
