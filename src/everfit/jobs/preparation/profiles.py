"""Profiles the training rows: a few kB per column, enough to judge drift later without the data.

Counts, means and extremes are of all training rows; quantiles, frequent values and correlations are of a sample that
depends on the rows alone, and the profile says how large it was.
"""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

from collections.abc import Sequence
from itertools import combinations
from math import isnan
from typing import Any, Final

from everfit.domain.check import ColumnType
from everfit.domain.schema import Column
from everfit.jobs.preparation.measuring import NUMERIC
from everfit.jobs.preparation.tables import Database, Table
from everfit.jobs.preparation.values import Pass, plain, typed

SAMPLE_ROWS: Final = 100_000
CORRELATED: Final = 50
FREQUENT: Final = 50
LONGEST: Final = 100
QUANTILES: Final = tuple(step / 100 for step in range(101))


def profile(database: Database, table: Table, columns: Sequence[Column], source: str) -> dict[str, object]:
    """Return the profile of the rows that *source* gives."""
    rows, counted = _count(database, table, columns, source)
    sampled = _take_sample(database, table, columns, source, rows)
    spreads = _quantiles(database, columns)
    described = {
        column.name: counted[n] | spreads.get(n, {}) | _frequent(database, n, column.type, sampled)
        for n, column in enumerate(columns)
    }
    return {"rows": rows, "sample": sampled, "columns": described, "correlation": _correlation(database, columns)}


def _count(
    database: Database, table: Table, columns: Sequence[Column], source: str
) -> tuple[int, list[dict[str, object]]]:
    reading = Pass()
    wanted: list[dict[str, str]] = []
    rows = reading.want("count(*)")
    for n, column in enumerate(columns):
        answers = {"count": f"count(t{n})", "distinct": f"approx_count_distinct(t{n})"}
        if column.type in NUMERIC:
            answers |= {"min": f"min(d{n})", "max": f"max(d{n})", "mean": f"avg(d{n})", "std": f"stddev_samp(d{n})"}
        elif column.type is ColumnType.TIME:
            answers |= {"min": f"min(m{n})", "max": f"max(m{n})"}
        elif column.type is ColumnType.BOOLEAN:
            answers |= {"true": f"count(*) FILTER (WHERE b{n})"}
        elif column.type is ColumnType.TEXT:
            answers |= {
                "min_length": f"min(length(t{n}))",
                "max_length": f"max(length(t{n}))",
                "mean_length": f"avg(length(t{n}))",
            }
        wanted.append({name: reading.want(aggregate) for name, aggregate in answers.items()})
    found = reading.run(database, table, source)
    total = int(found[rows])
    described: list[dict[str, object]] = []
    for column, answers in zip(columns, wanted, strict=True):
        figures = {name: rounded(found[answer]) for name, answer in answers.items()}
        described.append({"type": column.type.value, "missing": total - found[answers["count"]]} | figures)
    return total, described


def rounded(value: Any) -> object:
    """Return a figure without the digits in which two runs of several threads may differ."""
    value = plain(value)
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _take_sample(database: Database, table: Table, columns: Sequence[Column], source: str, rows: int) -> int:
    limit = int(min(1.0, SAMPLE_ROWS / max(rows, 1)) * (2**64 - 1))
    every = ", ".join(f"c{n}" for n in range(len(columns)))
    picked = source if rows <= SAMPLE_ROWS else f"(FROM {source} WHERE hash({every}) <= {limit}::UBIGINT)"
    kept = ", ".join(
        f"d{n}" if column.type in NUMERIC else f"left(t{n}, {LONGEST}) AS t{n}" for n, column in enumerate(columns)
    )
    database.rows(f"CREATE TEMP TABLE sampled AS SELECT {kept} FROM {typed(table, picked, kept)}")
    return int(database.row("SELECT count(*) FROM sampled")[0])


def _quantiles(database: Database, columns: Sequence[Column]) -> dict[int, dict[str, object]]:
    numeric = [n for n, column in enumerate(columns) if column.type in NUMERIC]
    if not numeric:
        return {}
    wanted = ", ".join(f"quantile_cont(d{n}, getvariable('q')) FILTER (WHERE isfinite(d{n}))" for n in numeric)
    database.rows(f"SET VARIABLE q = {list(QUANTILES)}")
    spreads = database.row(f"SELECT {wanted} FROM sampled")
    return {
        n: {"quantiles": [rounded(value) for value in spread or ()]} for n, spread in zip(numeric, spreads, strict=True)
    }


def _frequent(database: Database, n: int, kind: ColumnType, rows: int) -> dict[str, object]:
    if kind is not ColumnType.TEXT:
        return {}
    frequent = database.rows(
        f"SELECT t{n}, count(*) FROM sampled WHERE t{n} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {FREQUENT}"
    )
    return {"top": [[value, count] for value, count in frequent], "top_of": rows}


def _correlation(database: Database, columns: Sequence[Column]) -> dict[str, object]:
    numeric = [n for n, column in enumerate(columns) if column.type in NUMERIC][:CORRELATED]
    pairs = list(combinations(numeric, 2))
    matrix: dict[tuple[int, int], object] = {(n, n): 1.0 for n in numeric}
    if pairs:
        wanted = ", ".join(f"corr(d{a}, d{b})" for a, b in pairs)
        for (a, b), value in zip(pairs, database.row(f"SELECT {wanted} FROM sampled"), strict=True):
            matrix[a, b] = matrix[b, a] = None if value is None or isnan(value) else round(value, 4)
    return {
        "columns": [columns[n].name for n in numeric],
        "matrix": [[matrix[a, b] for b in numeric] for a in numeric],
    }
