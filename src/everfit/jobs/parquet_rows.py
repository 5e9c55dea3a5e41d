"""Rows of a Parquet file as plain JSON values."""

from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, cast

import duckdb

ROWS_AT_ONCE = 10_000


def read_parquet(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of *path* in their order."""
    connection: Any = duckdb.connect()
    try:
        cursor: Any = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [str(column[0]) for column in cursor.description]
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                yield {name: plain(value) for name, value in zip(names, row, strict=True)}
    finally:
        connection.close()


def plain(value: Any) -> object:
    """Return *value* as JSON knows it: times in ISO form, NaN as null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if isfinite(value) else None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in cast("dict[object, object]", value).items()}
    return value.total_seconds() if isinstance(value, timedelta) else str(value)
