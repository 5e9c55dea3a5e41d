"""Measures a table for its rules: one pass for everything that can be counted in passing."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

from collections.abc import Mapping
from typing import Any, Final

from everfit.domain.check import ColumnType, DataRule
from everfit.domain.schema import Column
from everfit.jobs.preparation.figures import Measured, example, want_figures
from everfit.jobs.preparation.order import Order
from everfit.jobs.preparation.tables import Database, Table
from everfit.jobs.preparation.values import Pass, boolean_of, moment_of, number_of, plain

GUESS_ROWS: Final = 200
NUMERIC: Final = (ColumnType.NUMBER, ColumnType.INTEGER)
CLASS_LIMIT: Final = 1000


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


def _has_columns(rule: DataRule, table: Table) -> bool:
    return all(name in table.names for name in rule.columns)


def count_labels(database: Database, table: Table, target: str) -> dict[str, int]:
    """Return the classes and their rows; one more than ``CLASS_LIMIT`` of them at most."""
    source = f"(SELECT {table.text(table.number(target))} AS label FROM {table.relation})"
    answer = database.rows(
        f"SELECT label, count(*) FROM {source} WHERE label IS NOT NULL GROUP BY label "
        f"ORDER BY 2 DESC, 1 LIMIT {CLASS_LIMIT + 1}"
    )
    return {str(label): int(count) for label, count in answer}
