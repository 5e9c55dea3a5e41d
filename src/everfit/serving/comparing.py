"""Whether two versions answered the same: numbers to a millionth, everything else exactly; pure."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from math import isclose, isnan
from typing import Any, Final, cast

from everfit.serving.frames import Reply
from everfit.serving.request_body import JSON_LINES

CLOSE: Final = 1e-6
"""Relative to the larger number of the two."""
NOTHING: Final = 1e-12
"""Both below this are zero: noise of the last digits has no relative size."""


def agrees(one: Reply, other: Reply) -> bool:
    """Tell whether two answers say the same."""
    if plain_type(one) != plain_type(other):
        return False
    read = READERS.get(plain_type(one))
    if one.body == other.body or read is None:
        return one.body == other.body
    try:
        return is_same(read(one.body), read(other.body))
    except (ValueError, RecursionError, csv.Error):
        return False


def plain_type(reply: Reply) -> str:
    """Return the content type without its parameters."""
    return reply.content_type.partition(";")[0].strip().lower()


def lines(body: bytes) -> list[Any]:
    """Return the documents of JSON Lines."""
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def rows(body: bytes) -> list[list[float | str]]:
    """Return the cells of CSV, numbers as such."""
    return [[cell(text) for text in row] for row in csv.reader(StringIO(body.decode()))]


def cell(text: str) -> float | str:
    """Return the number that the text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values of JSON are the same; the order of keys does not matter, that of entries does."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return is_close(one, other)
    if isinstance(one, list) and isinstance(other, list):
        first, second = cast("Sequence[Any]", one), cast("Sequence[Any]", other)
        return len(first) == len(second) and all(map(is_same, first, second))
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other)
        return left.keys() == right.keys() and all(is_same(left[key], right[key]) for key in left)
    return bool(one == other)


def is_close(one: float, other: float) -> bool:
    """Tell whether two numbers are the same but for rounding; what is no number is the same as itself."""
    try:
        first, second = float(one), float(other)
    except OverflowError:
        return one == other
    return (isnan(first) and isnan(second)) or isclose(first, second, rel_tol=CLOSE, abs_tol=NOTHING)


READERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "application/json": json.loads,
    **dict.fromkeys(JSON_LINES, lines),
    "text/csv": rows,
}
"""What numbers can be found in; anything else is compared byte by byte."""
