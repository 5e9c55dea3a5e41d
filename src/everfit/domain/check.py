"""Data rules: what the data must be before money is spent on training.

Three-valued and fail-closed like the gate: shares, counts and ages are compared exactly, and a rule that has nothing
to judge is inconclusive, never passed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from everfit.domain.conclusion import Result
from everfit.domain.errors import RuleError


class Measure(Enum):
    """What a data rule measures."""

    ROWS = "rows"
    MISSING = "missing"
    RANGE = "range"
    VALUES = "values"
    DUPLICATES = "duplicates"
    TYPE = "type"
    CLASS_SHARE = "class_share"
    CLASSES = "classes"
    COLUMNS = "columns"
    FRESHNESS = "freshness"


class ColumnType(Enum):
    """What the values of a column are; ``EMPTY`` when every one is missing."""

    NUMBER = "number"
    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    EMPTY = "empty"

    def holds(self, other: "ColumnType") -> bool:
        """Whether a column of type *other* is also one of this type."""
        return other is self or (self is ColumnType.NUMBER and other is ColumnType.INTEGER)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRule:
    """One line of ``data.checks``.

    Args:
        columns: that it is about; empty for the whole table, and for ``duplicates(rows)``.
        operator: one of ``>= <= > < == !=`` or ``in``.
        limit: a count, a share when ``is_share``, or an age in seconds.
        low: smallest value allowed by ``range``, None for no bound.
        high: largest value allowed by ``range``, None for no bound.
        allowed: values, or the columns in order.
        label: whose share ``class_share`` means; None means the smallest class.
    """

    text: str
    measure: Measure
    operator: str
    columns: tuple[str, ...] = ()
    limit: Fraction | None = None
    is_share: bool = False
    low: Fraction | None = None
    high: Fraction | None = None
    allowed: tuple[str, ...] = ()
    wanted: ColumnType | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFinding:
    """What one rule says of the data: in words, and the figures behind them."""

    rule: str
    result: Result
    reason: str
    column: str | None = None
    figures: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


RULE: Final = re.compile(
    r"^(?P<measure>\w+)\s*(?:\((?P<argument>.*)\))?\s*(?P<operator>>=|<=|==|!=|<|>|\bin\b)\s*(?P<value>.+)$"
)
ITEM: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,]*?))\s*(?:,|$)""")
AGES: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
NUMBER: Final = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$")
FORMS: Final[Mapping[Measure, str]] = {
    Measure.ROWS: "rows >= 1000",
    Measure.MISSING: "missing(column) <= 1%",
    Measure.RANGE: "range(column) in [0, 500]",
    Measure.VALUES: "values(column) in [a, b]",
    Measure.DUPLICATES: "duplicates(column) == 0",
    Measure.TYPE: "type(column) == number",
    Measure.CLASS_SHARE: "class_share(label) >= 5%",
    Measure.CLASSES: "classes >= 2",
    Measure.COLUMNS: "columns == [a, b]",
    Measure.FRESHNESS: "freshness(column) <= 2d",
}
ORDERED: Final = (">=", "<=", ">", "<", "==", "!=")
OPERATORS: Final[Mapping[Measure, tuple[str, ...]]] = {
    Measure.RANGE: ("in",),
    Measure.VALUES: ("in",),
    Measure.TYPE: ("==",),
    Measure.COLUMNS: ("==",),
}
COLUMN_COUNTS: Final[Mapping[Measure, tuple[int, int]]] = {
    Measure.ROWS: (0, 0),
    Measure.CLASSES: (0, 0),
    Measure.COLUMNS: (0, 0),
    Measure.CLASS_SHARE: (0, 1),
    Measure.DUPLICATES: (1, 100),
}


def nearest(word: str, words: Sequence[str]) -> str | None:
    """Return the word that was probably meant, if one is near."""
    by_lower = {known.lower(): known for known in reversed(words)}
    close = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def parse_check(text: str) -> DataRule:
    """Read one line of ``data.checks``, or raise ``RuleError``."""
    text = text.strip()
    match = RULE.match(text)
    word = re.split(r"\W", text, maxsplit=1)[0]
    if word not in {measure.value for measure in Measure}:
        raise RuleError(
            f"The data check {text!r} does not begin with something that can be measured.",
            expected=", ".join(measure.value for measure in Measure),
            nearest=nearest(word, [measure.value for measure in Measure]) if word else None,
        )
    measure = Measure(word)
    if match is None or match["operator"] not in OPERATORS.get(measure, ORDERED):
        raise _refused(text, measure, "cannot be read")
    columns = _items(match["argument"] or "")
    least, most = COLUMN_COUNTS.get(measure, (1, 1))
    if not least <= len(columns) <= most or not all(columns):
        raise _refused(text, measure, "names no column" if len(columns) < least else "names too many columns")
    return _with_value(text, measure, match["operator"], columns, match["value"].strip())


def _refused(text: str, measure: Measure, what: str) -> RuleError:
    return RuleError(f"The data check {text!r} {what}.", expected=FORMS[measure])


def _items(text: str) -> tuple[str, ...]:
    if not text.strip():
        return ()
    found: list[str] = []
    position = 0
    while position < len(text):
        match = ITEM.match(text, position)
        if match is None:
            return ()
        found.append(next((group for group in match.groups() if group is not None), ""))
        position = match.end()
    return tuple(found)


def _with_value(text: str, measure: Measure, operator: str, columns: tuple[str, ...], value: str) -> DataRule:
    match measure:
        case Measure.RANGE:
            low, high = _bounds(text, value)
            return DataRule(text=text, measure=measure, operator=operator, columns=columns, low=low, high=high)
        case Measure.VALUES | Measure.COLUMNS:
            allowed = _list(text, measure, value)
            return DataRule(text=text, measure=measure, operator=operator, columns=columns, allowed=allowed)
        case Measure.TYPE:
            return DataRule(text=text, measure=measure, operator=operator, columns=columns, wanted=_type(text, value))
        case Measure.CLASS_SHARE:
            limit, is_share = _limit(text, measure, value)
            label = columns[0] if columns else None
            return DataRule(text=text, measure=measure, operator=operator, limit=limit, is_share=is_share, label=label)
        case _:
            if measure is Measure.DUPLICATES and columns == ("rows",):
                columns = ()
            limit, is_share = _limit(text, measure, value)
            return DataRule(
                text=text, measure=measure, operator=operator, columns=columns, limit=limit, is_share=is_share
            )


def _list(text: str, measure: Measure, value: str) -> tuple[str, ...]:
    items = _items(value[1:-1]) if value.startswith("[") and value.endswith("]") else ()
    if not items:
        raise _refused(text, measure, "needs a list")
    return items


def _bounds(text: str, value: str) -> tuple[Fraction | None, Fraction | None]:
    items = _list(text, Measure.RANGE, value)
    unbounded = ("-inf", "inf")
    if len(items) != 2 or not all(
        NUMBER.match(item) or item == end for item, end in zip(items, unbounded, strict=True)
    ):
        raise _refused(text, Measure.RANGE, "needs two numbers")
    low, high = (None if item == end else Fraction(item) for item, end in zip(items, unbounded, strict=True))
    if low is not None and high is not None and low > high:
        raise RuleError(f"The data check {text!r} can never hold: {items[0]} is more than {items[1]}.")
    return low, high


def _type(text: str, value: str) -> ColumnType:
    words = [known.value for known in ColumnType if known is not ColumnType.EMPTY]
    if value not in words:
        raise RuleError(
            f"The data check {text!r} asks for an unknown type.",
            expected=", ".join(words),
            nearest=nearest(value, words),
        )
    return ColumnType(value)


def _limit(text: str, measure: Measure, value: str) -> tuple[Fraction, bool]:
    if measure is Measure.FRESHNESS:
        if value[-1:] not in AGES or not NUMBER.match(value[:-1]):
            raise RuleError(
                f"The data check {text!r} needs an age.", expected="a number with s, m, h, d or w, such as 2d"
            )
        return Fraction(value[:-1]) * AGES[value[-1]], False
    is_share = value.endswith("%")
    number = value[:-1].strip() if is_share else value.replace("_", "")
    if not NUMBER.match(number) or Fraction(number) < 0:
        raise _refused(
            text,
            measure,
            "needs a number" if measure in (Measure.ROWS, Measure.CLASSES) else "needs a number or a share",
        )
    limit = Fraction(number) / 100 if is_share else Fraction(number)
    if is_share and (measure in (Measure.ROWS, Measure.CLASSES) or limit > 1):
        raise _refused(text, measure, "has a share that makes no sense")
    if measure is Measure.CLASS_SHARE and not is_share:
        is_share = True
        if limit > 1:
            raise _refused(text, measure, "needs a share")
    return limit, is_share


def holds(value: Fraction, operator: str, limit: Fraction) -> bool:
    """Whether *value* stands to *limit* as *operator* says, exactly."""
    return {
        ">=": value >= limit,
        "<=": value <= limit,
        ">": value > limit,
        "<": value < limit,
        "==": value == limit,
        "!=": value != limit,
    }[operator]


def age_in_words(age: timedelta) -> str:
    """Return an age such as ``3d 4h``, ``12m`` or ``5s``."""
    seconds = int(abs(age).total_seconds())
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    parts = [f"{days}d" if days else "", f"{hours}h" if hours else "", f"{minutes}m" if minutes and not days else ""]
    return " ".join(part for part in parts if part) or f"{seconds}s"
