"""The default ``input_fn``: the body of a request becomes a data frame, an array or plain rows."""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from everfit.serving.decimal_csv import decimal_rows
from everfit.serving.errors import UnreadableRequestError
from everfit.serving.packages import optional
from everfit.serving.shapes import is_list, is_object
from everfit.serving.table import INT64, Table, table_of

WRAPPERS = ("instances", "records", "rows", "inputs", "data")
JSON_LINES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
NUMPY = "application/x-npy"
PLAIN_NUMBERS = re.compile(r"[-+.0-9eE,]+")
WHOLE_NUMBER = re.compile(r"[-+]?[0-9]{1,18}")
PLAIN_NAME = re.compile(r"\S(?:.*\S)?")


def parse_request(body: bytes | str, content_type: str) -> Any:
    """Return the rows of a request; those with names may be a ``Table``, which can be joined before it is finished."""
    if content_type == NUMPY:
        return read_numpy(body.encode() if isinstance(body, str) else body)
    text = as_text(body)
    if content_type == "application/json":
        return from_items(unwrapped(read_json(text)))
    if content_type in JSON_LINES:
        return from_items([read_json(line) for line in text.splitlines() if line.strip()])
    if content_type == "text/csv":
        return read_csv(text)
    raise UnreadableRequestError(
        f"The default handlers do not read {content_type}; send application/json, text/csv, application/jsonlines or "
        f"{NUMPY}, or write an input_fn.",
        status=415,
    )


def as_text(body: bytes | str) -> str:
    """Return the body as text; a byte order mark is not part of it."""
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableRequestError(f"The body is not UTF-8 text: {error}.") from error


def read_json(text: str) -> Any:
    """Return what the text says."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise UnreadableRequestError(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise UnreadableRequestError("The body is JSON that is nested too deeply.") from error


def unwrapped(value: Any) -> list[Any]:
    """Return the rows that a JSON value holds, whichever way they are wrapped."""
    if is_list(value):
        return value
    if not is_object(value):
        raise UnreadableRequestError('The body holds no rows; send {"instances": [{column: value, …}, …]}.')
    for name in WRAPPERS:
        inner = value.get(name)
        if is_list(inner):
            return named_columns(value, inner)
        if is_object(inner):
            return unwrapped(inner)
    return [value]


def named_columns(record: dict[str, Any], rows: list[Any]) -> list[Any]:
    """Give the rows of ``{"columns": […], "data": [[…]]}`` their names."""
    columns = record.get("columns")
    if not is_list(columns) or not all(is_list(row) for row in rows):
        return rows
    return [dict(zip(columns, row, strict=False)) for row in rows]


def from_items(items: Sequence[Any]) -> Any:
    """Return rows: records by name, lists by place, single values as rows of one."""
    if not items:
        raise UnreadableRequestError("The request holds no rows.")
    records = [item for item in items if is_object(item)]
    if len(records) == len(items):
        return from_records(records)
    if records:
        raise UnreadableRequestError("Some rows are objects and some are not; send all of them alike.")
    if all(isinstance(item, (int, float)) for item in items):
        return as_array([[item] for item in items])
    return as_array(items)


def from_records(records: Sequence[dict[str, Any]]) -> Any:
    """Return named rows; without pandas they stay records."""
    table = table_of(records)
    if table is not None:
        return table
    pandas = optional("pandas")
    return list(records) if pandas is None else pandas.DataFrame(list(records))


def as_array(rows: Sequence[Any]) -> Any:
    """Return an array when numpy is there."""
    numpy = optional("numpy")
    if numpy is None:
        return list(rows)
    try:
        return numpy.asarray(rows)
    except ValueError as error:
        raise UnreadableRequestError(f"The rows are not all of one length: {error}.") from error


def read_csv(text: str) -> Any:
    """Return the rows of CSV; a first line of numbers only is a row, anything else names the columns."""
    lines = text.replace("\r\n", "\n")
    rows = None if '"' in lines or "\r" in lines else plain_numbers(lines)
    return read_any_csv(text) if rows is None else rows


def plain_numbers(text: str) -> Any:
    """Return the rows of CSV that holds nothing but numbers below at most one line of names; None for any other.

    A shorter way to what ``read_any_csv`` returns.
    """
    decimals = decimal_rows(text)
    if decimals is not None:
        return decimals
    lines = [line for line in text.split("\n") if line]
    try:
        return as_array([list(map(float, line.split(","))) for line in lines]) if lines else None
    except ValueError:
        return numeric_table(lines)


def numeric_table(lines: Sequence[str]) -> Table | None:
    """Return lines of CSV as a table when the first one names columns and the others are plain numbers."""
    names = plain_names(lines[0])
    cells = [line.split(",") for line in lines[1:] if PLAIN_NUMBERS.fullmatch(line)]
    if not cells or names is None or len(cells) < len(lines) - 1 or {len(row) for row in cells} != {len(names)}:
        return None
    try:
        columns = [numeric_column(column) for column in zip(*cells, strict=True)]
    except ValueError:
        return None
    types = tuple(type(column[0]) for column in columns)
    return Table(names=names, types=types, rows=list(zip(*columns, strict=True)))


@lru_cache(maxsize=64)
def plain_names(line: str) -> tuple[str, ...] | None:
    """Return the columns that a first line names; None when pandas would name some of them otherwise."""
    names = tuple(line.split(","))
    return names if all(map(PLAIN_NAME.fullmatch, names)) and len(set(names)) == len(names) else None


def numeric_column(cells: Sequence[str]) -> list[int] | list[float]:
    """Return a column as whole numbers if all of them are, as pandas does; raise ``ValueError`` if some are none."""
    if "." in cells[0] or any("." in cell or "e" in cell or "E" in cell for cell in cells):
        numbers = list(map(float, cells))
        if not all(map(math.isfinite, numbers)):
            # Pandas takes a number that is too large for text.
            raise ValueError(cells)
        return numbers
    whole = list(map(int, cells))
    if any(number not in INT64 for number in whole):
        raise ValueError(cells)
    return whole


def csv_lines(text: str) -> list[list[str]]:
    """Return the cells of each line that has any."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text)) if line]
    except csv.Error as error:
        raise UnreadableRequestError(f"The body is not CSV: {error}.") from error
    if not lines:
        raise UnreadableRequestError("The request holds no rows.")
    return lines


def read_any_csv(text: str) -> Any:
    """Return the rows of CSV as ``csv`` and pandas understand it."""
    lines = csv_lines(text)
    if all(is_number(cell) for cell in lines[0]):
        return as_array([[number_or_text(cell) for cell in line] for line in lines])
    header, rows = lines[0], lines[1:]
    if not rows:
        raise UnreadableRequestError("The CSV holds a header and no rows.")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UnreadableRequestError(f"Line {number} of the CSV has {len(row)} values for {len(header)} columns.")
    pandas = optional("pandas")
    if pandas is not None:
        try:
            # The usual reading of numbers is off in the last place now and then; JSON's is not.
            return pandas.read_csv(io.StringIO(text), skipinitialspace=True, float_precision="round_trip")
        except ValueError as error:
            raise UnreadableRequestError(f"The body is not CSV: {error}.") from error
    return [dict(zip(header, map(typed, row), strict=True)) for row in rows]


def is_number(cell: str) -> bool:
    """Whether the cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def number_or_text(cell: str) -> float | str | None:
    """Return the cell as a number if it is one; None when it is empty."""
    if not cell:
        return None
    return float(cell) if is_number(cell) else cell


def typed(cell: str) -> float | str | None:
    """Return the cell as a whole number if it is one, else as ``number_or_text`` does."""
    return int(cell) if WHOLE_NUMBER.fullmatch(cell) else number_or_text(cell)


def read_numpy(body: bytes) -> Any:
    """Return the array of a ``.npy`` body; one that would run code is refused."""
    numpy = optional("numpy")
    if numpy is None:
        raise UnreadableRequestError("The model's environment has no numpy to read the body with.", status=415)
    try:
        return numpy.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UnreadableRequestError(f"The body is no .npy array of plain values: {error}.") from error
