"""The figures that each data rule is judged by."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from math import isfinite
from typing import Any, Final

from everfit.domain.check import ColumnType, DataRule, Measure
from everfit.domain.schema import Column
from everfit.jobs.preparation.order import Order
from everfit.jobs.preparation.tables import Database, Table, quote
from everfit.jobs.preparation.values import Pass, key_of, typed

NO_NUMBER: Final = "t{n} IS NOT NULL AND (d{n} IS NULL OR isnan(d{n}))"


@dataclass(slots=True)
class Measured:
    """What was measured; the figures of a rule are those that its judge needs."""

    rows: int = 0
    columns: list[Column] = field(default_factory=list[Column])
    missing: dict[str, int] = field(default_factory=dict[str, int])
    counts: dict[str, Any] = field(default_factory=dict[str, Any])
    figures: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    labels: dict[str, int] | None = None


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


def example(database: Database, table: Table, name: str, condition: str) -> object:
    """Return a text of the column for which *condition* holds; ``t`` in it is followed by the column's number."""
    n = table.number(name)
    found = condition.format(n=n)
    return database.row(f"SELECT min(t{n}) FROM {typed(table, table.relation, f't{n} {found}')} WHERE {found}")[0]
