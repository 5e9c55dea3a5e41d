"""Measures a table for its rules: one pass for everything that can be counted in passing, one for each grouping."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from math import isfinite
from typing import Any, Final

from everfit.domain.check import ColumnType, DataRule, Measure
from everfit.domain.schema import Column
from everfit.jobs.preparation.order import Order
from everfit.jobs.preparation.tables import Database, Table, quote

GUESS_ROWS: Final = 200
VALUE: Final = re.compile(r"\b([tdbme])(\d+)\b")
NO_NUMBER: Final = "t{n} IS NOT NULL AND (d{n} IS NULL OR isnan(d{n}))"
NUMERIC: Final = (ColumnType.NUMBER, ColumnType.INTEGER)
CLASS_LIMIT: Final = 1000

MONTH_FIRST: Final = tuple(
    f"%m/%d/%Y{clock}" for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f")
)
DAY_FIRST: Final = tuple(f"%d.%m.%Y{clock}" for clock in ("", " %H:%M", " %H:%M:%S"))


def number_of(text: str) -> str:
    """Return SQL for the number that *text* says, or NULL."""
    return f"TRY_CAST({text} AS DOUBLE)"


def moment_of(text: str, *, epoch: bool = False) -> str:
    """Return SQL for the time (UTC) that *text* says, or NULL.

    Args:
        epoch: whether plain numbers are times too: years, days such as 20240131, else seconds, milliseconds,
            microseconds or nanoseconds since 1970, told apart by their size.
    """
    formats = ", ".join(quote(form) for form in (*MONTH_FIRST, *DAY_FIRST))
    # Most texts are too short for an offset or end in seconds; the dearer questions are for the others only.
    is_zoned = (
        f"strlen({text}) > 15 AND NOT ({text}[-3] = ':' AND {text}[-6] = ':') "
        f"AND regexp_matches({text}, ':.*[0-9][+-][0-9]{{2}}(:?[0-9]{{2}})?$')"
    )
    forms = [
        f"CASE WHEN {is_zoned} THEN CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP) "
        f"ELSE TRY_CAST({text} AS TIMESTAMP) END",
        *([_numbered(text)] if epoch else []),
        f"TRY_STRPTIME({text}, [{formats}])",
    ]
    return f"coalesce({', '.join(forms)})"


def _numbered(text: str) -> str:
    value = number_of(text)
    return (
        f"CASE WHEN regexp_full_match({text}, '(19|20)[0-9]{{2}}') THEN TRY_STRPTIME({text}, '%Y') "
        f"WHEN regexp_full_match({text}, '(19|20)[0-9]{{6}}') THEN TRY_STRPTIME({text}, '%Y%m%d') "
        f"WHEN abs({value}) < 1e17 THEN make_timestamp(CAST({value} * CASE WHEN abs({value}) < 1e11 THEN 1000000 "
        f"WHEN abs({value}) < 1e14 THEN 1000 ELSE 1 END AS BIGINT)) "
        f"WHEN abs({value}) < 1e19 THEN make_timestamp(CAST({value} / 1000 AS BIGINT)) END"
    )


def boolean_of(text: str) -> str:
    """Return SQL for the truth that *text* says, or NULL."""
    return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"


@dataclass(slots=True)
class Measured:
    """What was measured; the figures of a rule are those that its judge needs."""

    rows: int = 0
    columns: list[Column] = field(default_factory=list[Column])
    missing: dict[str, int] = field(default_factory=dict[str, int])
    counts: dict[str, Any] = field(default_factory=dict[str, Any])
    figures: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    labels: dict[str, int] | None = None


def guess_types(database: Database, table: Table) -> list[ColumnType | None]:
    """Return what the first rows of each column look like; None when they tell nothing."""
    numbers, first = range(len(table.names)), table.head or table.relation
    texts = ", ".join(f"{table.text(n)} AS c{n}" for n in numbers)
    database.rows(f"CREATE TEMP TABLE head AS SELECT {texts} FROM (FROM {first} LIMIT {GUESS_ROWS})")
    forms = ("c{0}", number_of("c{0}"), boolean_of("c{0}"), moment_of("c{0}"))
    counts = ", ".join(f"count({form.replace('c{0}', f'c{n}')})" for n in numbers for form in forms)
    answer = database.row(f"SELECT {counts} FROM head")
    return [known or _guess(*answer[4 * n : 4 * n + 4]) for n, known in enumerate(table.types)]


def _guess(present: int, numbers: int, booleans: int, moments: int) -> ColumnType | None:
    if not present:
        return None
    found = ((numbers, ColumnType.NUMBER), (booleans, ColumnType.BOOLEAN), (moments, ColumnType.TIME))
    return next((kind for count, kind in found if count == present), ColumnType.TEXT)


class Pass:
    """One pass over a table: aggregates that were asked for by name."""

    def __init__(self) -> None:
        self._wanted: dict[str, str] = {}

    def want(self, aggregate: str) -> str:
        """Ask for *aggregate*; return the name of its answer."""
        return self._wanted.setdefault(aggregate, f"a{len(self._wanted)}")

    def run(self, database: Database, table: Table, source: str) -> dict[str, Any]:
        """Read *source*, rows of *table*, once."""
        wanted = ", ".join(f"{aggregate} AS {name}" for aggregate, name in self._wanted.items())
        return dict(
            zip(
                self._wanted.values(), database.row(f"SELECT {wanted} FROM {typed(table, source, wanted)}"), strict=True
            )
        )


def typed(table: Table, source: str, wanted: str) -> str:
    """Return SQL for the rows of *source* and what *wanted* names of each column's text, number, truth and times.

    ``t3 d3 b3 m3 e3`` are those of column 3; ``e3`` reads plain numbers as times too.
    """
    # A user's own text in *wanted* may look like a name; that costs a little and changes nothing.
    found = {(kind, int(number)) for kind, number in VALUE.findall(wanted)}
    named = {(kind, n) for kind, n in found if n < len(table.names)}
    texts = [f"{table.text(n)} AS t{n}" for n in sorted({n for _, n in named})]
    readers = {"d": number_of, "b": boolean_of, "m": moment_of, "e": partial(moment_of, epoch=True)}
    values = [f"{readers[kind](f't{n}')} AS {kind}{n}" for kind, n in sorted(named) if kind != "t"]
    return f"(SELECT {', '.join(['*', *values])} FROM (SELECT {', '.join(['*', *texts])} FROM {source}))"


def measure(database: Database, table: Table, order: Order) -> Measured:
    """Measure the types of all columns and what the rules that need no grouping ask for."""
    guesses = guess_types(database, table)
    reading = Pass()
    rows = reading.want("count(*)")
    answers = [
        _want_types(reading, n, guess, _types_asked(order, name))
        for n, (guess, name) in enumerate(zip(guesses, table.names, strict=True))
    ]
    asked = {rule.text: want_figures(reading, table, rule) for rule in order.rules if _has_columns(rule, table)}
    if order.time in table.names:
        n = table.number(str(order.time))
        asked["time"] = {"present": reading.want(f"count(t{n})"), "read": reading.want(f"count(e{n})")}
    found = reading.run(database, table, table.strict_relation or table.relation)
    measured = Measured(rows=int(found[rows]))
    for n, name in enumerate(table.names):
        counts = {kind: found[answer] for kind, answer in answers[n].items()}
        measured.counts[name] = counts
        measured.missing[name] = measured.rows - counts["present"]
        measured.columns.append(Column(name=name, type=settle_type(table.types[n], counts)))
    for rule, figures in asked.items():
        measured.figures[rule] = {name: plain(found[answer]) for name, answer in figures.items()}
    if order.time in table.names and measured.figures["time"]["read"] != measured.figures["time"]["present"]:
        unreadable = "t{n} IS NOT NULL AND e{n} IS NULL"
        measured.figures["time"]["example"] = example(database, table, str(order.time), unreadable)
    return measured


def _types_asked(order: Order, name: str) -> set[ColumnType]:
    asked = {rule.wanted for rule in order.rules if rule.wanted is not None and rule.columns == (name,)}
    return asked | {column.type for column in order.columns if column.name == name}


def _want_types(reading: Pass, n: int, guess: ColumnType | None, asked: set[ColumnType]) -> dict[str, str]:
    answers = {"present": reading.want(f"count(t{n})")}
    every = guess is None
    if every or guess in NUMERIC or asked & set(NUMERIC):
        answers["numbers"] = reading.want(f"count(d{n})")
        answers["fractions"] = reading.want(f"bool_or(d{n} <> trunc(d{n}) OR isinf(d{n}))")
    if every or guess is ColumnType.BOOLEAN or ColumnType.BOOLEAN in asked:
        answers["booleans"] = reading.want(f"count(b{n})")
    if every or guess is ColumnType.TIME or ColumnType.TIME in asked:
        answers["times"] = reading.want(f"count(m{n})")
    return answers


def settle_type(known: ColumnType | None, counts: Mapping[str, Any]) -> ColumnType:
    """Return the type of a column, now that all of its values have been counted."""
    present = counts["present"]
    if not present:
        return ColumnType.EMPTY
    if known is not None:
        return known
    if counts.get("numbers") == present:
        return ColumnType.NUMBER if counts["fractions"] else ColumnType.INTEGER
    if counts.get("booleans") == present:
        return ColumnType.BOOLEAN
    return ColumnType.TIME if counts.get("times") == present else ColumnType.TEXT


def example(database: Database, table: Table, name: str, condition: str) -> object:
    """Return a text of the column for which *condition* holds; ``t`` in it is followed by the column's number."""
    n = table.number(name)
    found = condition.format(n=n)
    return database.row(f"SELECT min(t{n}) FROM {typed(table, table.relation, f't{n} {found}')} WHERE {found}")[0]


def _has_columns(rule: DataRule, table: Table) -> bool:
    return all(name in table.names for name in rule.columns)


def want_figures(reading: Pass, table: Table, rule: DataRule) -> dict[str, str]:
    """Ask for those figures of a rule that come from the one pass over all rows."""
    numbers = [table.number(name) for name in rule.columns]
    match rule.measure:
        case Measure.RANGE:
            n = numbers[0]
            return {
                "present": reading.want(f"count(t{n})"),
                "not_numbers": reading.want(f"count_if({NO_NUMBER.format(n=n)})"),
                "below": reading.want(f"count_if(d{n} < {_bound(rule.low, '-')})"),
                "above": reading.want(f"count_if(d{n} > {_bound(rule.high, '')})"),
                "smallest": reading.want(f"min(d{n})"),
                "largest": reading.want(f"max(d{n})"),
            }
        case Measure.VALUES:
            other = not_allowed(rule).format(n=numbers[0])
            return {"present": reading.want(f"count(t{numbers[0]})"), "other": reading.want(f"count_if({other})")}
        case Measure.DUPLICATES:
            every = key_of(table, numbers or range(len(table.names)))
            distinct = f"coalesce({table.raw(numbers[0])}, '')" if len(numbers) == 1 else f"md5_number({every})"
            return {"distinct": reading.want(f"count(DISTINCT {distinct})")}
        case Measure.FRESHNESS:
            return {"newest": reading.want(f"max(e{numbers[0]})")}
        case _:
            return {}


def not_allowed(rule: DataRule) -> str:
    """Return the condition of a value that the rule ``values`` does not allow."""
    allowed = ", ".join(quote(value).replace("{", "{{").replace("}", "}}") for value in rule.allowed)
    other = f"t{{n}} IS NOT NULL AND t{{n}} NOT IN ({allowed})"
    if all(_is_number(value) for value in rule.allowed):
        other += f" AND (d{{n}} IS NULL OR d{{n}} NOT IN ({', '.join(rule.allowed)}))"
    return other


def _bound(bound: Fraction | None, sign: str) -> str:
    return f"CAST({quote(f'{sign}inf' if bound is None else repr(float(bound)))} AS DOUBLE)"


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def plain(value: object) -> object:
    """Return *value* as JSON can hold it."""
    match value:
        case datetime():
            return value.isoformat()
        case Decimal():
            return float(value)
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return str(value)
        case _:
            return value


def figures_of(database: Database, table: Table, rule: DataRule, measured: Measured, order: Order) -> dict[str, object]:
    """Return the figures that the judge of *rule* needs."""
    match rule.measure:
        case Measure.ROWS:
            return {"rows": measured.rows}
        case Measure.MISSING:
            return {"missing": measured.missing[rule.columns[0]], "rows": measured.rows}
        case Measure.CLASS_SHARE | Measure.CLASSES:
            return class_figures(rule, measured.labels or {})
        case Measure.COLUMNS:
            return {"columns": list(table.names)}
        case Measure.FRESHNESS:
            return _age(measured.figures[rule.text], order.now)
        case _:
            return _with_example(database, table, rule, measured)


def _with_example(database: Database, table: Table, rule: DataRule, measured: Measured) -> dict[str, object]:
    figures = dict(measured.figures[rule.text])
    match rule.measure:
        case Measure.TYPE:
            return _type_figures(database, table, rule, measured)
        case Measure.DUPLICATES:
            repeated = measured.rows - int(str(figures.pop("distinct")))
            figures |= {"duplicates": repeated, "rows": measured.rows}
            if repeated and len(rule.columns) == 1:
                figures["example"] = _repeated(database, table, rule.columns[0])
        case Measure.RANGE if figures["not_numbers"]:
            figures["example"] = example(database, table, rule.columns[0], NO_NUMBER)
        case Measure.VALUES if figures["other"]:
            figures["example"] = example(database, table, rule.columns[0], not_allowed(rule))
        case _:
            pass
    return figures


def _repeated(database: Database, table: Table, name: str) -> object:
    text = f"coalesce({table.raw(table.number(name))}, '')"
    query = f"SELECT min(k) FROM (SELECT {text} AS k FROM {table.relation} GROUP BY k HAVING count(*) > 1)"
    return database.row(query)[0]


def _age(figures: Mapping[str, object], now: datetime) -> dict[str, object]:
    newest = figures.get("newest")
    if not isinstance(newest, str):
        return {"newest": None}
    age = now - datetime.fromisoformat(newest).replace(tzinfo=UTC)
    microseconds = (age.days * 86400 + age.seconds) * 1_000_000 + age.microseconds
    return {"newest": newest, "age_microseconds": microseconds}


def _type_figures(database: Database, table: Table, rule: DataRule, measured: Measured) -> dict[str, object]:
    column = next(column for column in measured.columns if column.name == rule.columns[0])
    counts = measured.counts[column.name]
    kinds = {ColumnType.BOOLEAN: ("booleans", "b"), ColumnType.TIME: ("times", "m")}
    kind, value = kinds.get(rule.wanted or ColumnType.TEXT, ("numbers", "d"))
    figures: dict[str, object] = {"type": column.type.value, "present": counts["present"]}
    if counts.get(kind, counts["present"]) < counts["present"]:
        figures["other"] = counts["present"] - counts[kind]
        figures["example"] = example(database, table, column.name, f"{value}{{n}} IS NULL")
    return figures


def class_figures(rule: DataRule, labels: Mapping[str, int]) -> dict[str, object]:
    """Return the figures of a rule about classes, from the rows of each."""
    if rule.measure is Measure.CLASSES:
        return {"classes": len(labels)}
    label = rule.label or min(labels, key=lambda label: (labels[label], label), default=None)
    return {"label": label, "count": labels.get(label or "", 0), "rows": sum(labels.values())}


def key_of(table: Table, numbers: Sequence[int]) -> str:
    """Return SQL for the text that a row is known by: its values, in the order of *numbers*."""
    return "concat_ws(chr(31), " + ", ".join(f"coalesce({table.raw(n)}, '')" for n in numbers) + ")"


def count_labels(database: Database, table: Table, target: str) -> dict[str, int]:
    """Return the classes and their rows; one more than ``CLASS_LIMIT`` of them at most."""
    source = f"(SELECT {table.text(table.number(target))} AS label FROM {table.relation})"
    answer = database.rows(
        f"SELECT label, count(*) FROM {source} WHERE label IS NOT NULL GROUP BY label "
        f"ORDER BY 2 DESC, 1 LIMIT {CLASS_LIMIT + 1}"
    )
    return {str(label): int(count) for label, count in answer}
