"""What the text of a CSV cell means to a model: the value that a client would send as JSON."""

import re
from collections.abc import Callable, Mapping
from math import inf
from typing import Final

MISSING: Final = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
"""Texts that count as missing, as they do for pandas."""

_NUMBER: Final = re.compile(r"[-+]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][-+]?\d+)?")


def text(cell: str) -> object:
    """Return the cell as it is."""
    return cell


def number(cell: str) -> object:
    """Return the number that the cell says; text stays text."""
    if cell.isdecimal() or (cell.startswith("-") and cell[1:].isdecimal()):
        return int(cell)
    try:
        value = float(cell)
    except ValueError:
        return cell
    # JSON knows no infinity.
    return value if -inf < value < inf else cell


def boolean(cell: str) -> object:
    """Return the truth value that the cell says; text stays text."""
    return {"true": True, "false": False}.get(cell.lower(), cell)


CONVERTERS: Final[Mapping[str, Callable[[str], object]]] = {"number": number, "integer": number, "boolean": boolean}


def narrow(kinds: set[str], cell: str) -> None:
    """Remove from *kinds* what the cell cannot be."""
    if cell in MISSING:
        return
    if "number" in kinds and not (_NUMBER.fullmatch(cell) and any(map(str.isdigit, cell))):
        kinds.discard("number")
    if "boolean" in kinds and cell.lower() not in ("true", "false"):
        kinds.discard("boolean")
