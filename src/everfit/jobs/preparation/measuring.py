"""Measures a table for its rules: one pass for everything that can be counted in passing, one for each grouping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from everfit.domain.check import ColumnType, DataRule, Measure
from everfit.domain.schema import Column
from everfit.jobs.preparation.order import Order
from everfit.jobs.preparation.tables import Database, Table, quote

GUESS_ROWS: Final = 5000
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
    zoned = f"CASE WHEN regexp_matches({text}, '[0-9][+-][0-9]{{2}}(:?[0-9]{{2}})?$') AND contains({text}, ':') THEN "
    plain = f"{zoned} CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP) ELSE TRY_CAST({text} AS TIMESTAMP) END"
    forms = [plain, f"TRY_STRPTIME({text}, [{formats}])"]
    if epoch:
        value = number_of(text)
        forms.insert(
            0,
            f"CASE WHEN regexp_full_match({text}, '(19|20)[0-9]{{2}}') THEN TRY_STRPTIME({text}, '%Y') "
            f"WHEN regexp_full_match({text}, '(19|20)[0-9]{{6}}') THEN TRY_STRPTIME({text}, '%Y%m%d') "
            f"WHEN abs({value}) < 1e17 THEN make_timestamp(CAST({value} * CASE WHEN abs({value}) < 1e11 THEN 1000000 "
            f"WHEN abs({value}) < 1e14 THEN 1000 ELSE 1 END AS BIGINT)) "
            f"WHEN abs({value}) < 1e19 THEN make_timestamp(CAST({value} / 1000 AS BIGINT)) END",
        )
    return f"coalesce({', '.join(forms)})"


def boolean_of(text: str) -> str:
    """Return SQL for the truth that *text* says, or NULL."""
    return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"


@dataclass(slots=True)
class Measured:
    """What was measured; the figures of a rule are those that its judge needs."""

    rows: int = 0
    columns: list[Column] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, dict[str, object]] = field(default_factory=dict)
    labels: dict[str, int] | None = None


def guess_types(database: Database, table: Table) -> list[ColumnType | None]:
    """Return what the first rows of each column look like; None when they tell nothing."""
    if all(known is not None for known in table.types):
        return list(table.types)
    texts = ", ".join(f"{table.text(number)} AS c{number}" for number in range(len(table.names)))
    wanted = ", ".join(
        f"count(c{n}), count({number_of(f'c{n}')}), count({boolean_of(f'c{n}')}), count({moment_of(f'c{n}')})"
        for n in range(len(table.names))
    )
    answer = database.row(f"SELECT {wanted} FROM (SELECT {texts} FROM {table.relation} LIMIT {GUESS_ROWS})")
    guesses: list[ColumnType | None] = []
    for n, known in enumerate(table.types):
        present, numbers, booleans, moments = answer[4 * n : 4 * n + 4]
        guesses.append(known or _guess(present, numbers, booleans, moments))
    return guesses


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

    def run(self, database: Database, source: str) -> dict[str, Any]:
        """Read the table once."""
        wanted = ", ".join(f"{aggregate} AS {name}" for aggregate, name in self._wanted.items())
        return dict(zip(self._wanted.values(), database.row(f"SELECT {wanted} FROM {source}"), strict=True))


def typed(table: Table, source: str) -> str:
    """Return SQL for the rows of *source* with each column's text, number, truth and times: ``t0 d0 b0 m0 e0`` …"""
    numbers = range(len(table.names))
    texts = ", ".join(f"{table.text(n)} AS t{n}" for n in numbers)
    values = ", ".join(
        f"{number_of(f't{n}')} AS d{n}, {boolean_of(f't{n}')} AS b{n}, {moment_of(f't{n}')} AS m{n}, "
        f"{moment_of(f't{n}', epoch=True)} AS e{n}"
        for n in numbers
    )
    # Only what an aggregate asks for is computed.
    return f"(SELECT *, {values} FROM (SELECT {texts} FROM {source}))"


def measure(database: Database, table: Table, order: Order) -> Measured:
    """Measure the types of all columns and what the rules that need no grouping ask for."""
    guesses = guess_types(database, table)
    reading, answers = Pass(), {}
    rows = reading.want("count(*)")
    for n, guess in enumerate(guesses):
        answers[n] = _want_types(reading, n, guess, _types_asked(order, table.names[n]))
    asked = {rule.text: want_figures(reading, table, rule) for rule in order.rules if is_countable(rule, table)}
    if order.time in table.names:
        n = table.number(str(order.time))
        asked["time"] = {
            "present": reading.want(f"count(t{n})"),
            "read": reading.want(f"count(e{n})"),
            "example": reading.want(f"min(t{n}) FILTER (WHERE t{n} IS NOT NULL AND e{n} IS NULL)"),
            "latest": reading.want(f"max(e{n})"),
            "earliest": reading.want(f"min(e{n})"),
        }
    found = reading.run(database, typed(table, table.strict_relation or table.relation))
    measured = Measured(rows=int(found[rows]))
    for n, name in enumerate(table.names):
        counts = {kind: found[answer] for kind, answer in answers[n].items()}
        measured.counts[name] = counts
        measured.missing[name] = measured.rows - counts["present"]
        measured.columns.append(Column(name=name, type=settle_type(guesses[n], table.types[n], counts)))
    for rule, figures in asked.items():
        measured.figures[rule] = {name: plain(found[answer]) for name, answer in figures.items()}
    return measured


def _types_asked(order: Order, name: str) -> set[ColumnType]:
    asked = {rule.wanted for rule in order.rules if rule.wanted is not None and rule.columns == (name,)}
    return asked | {column.type for column in order.columns if column.name == name}


def _want_types(reading: Pass, n: int, guess: ColumnType | None, asked: set[ColumnType]) -> dict[str, str]:
    answers = {"present": reading.want(f"count(t{n})")}
    every = guess is None
    if every or guess in NUMERIC or asked & set(NUMERIC):
        answers["numbers"] = reading.want(f"count(d{n})")
        answers["fractions"] = reading.want(f"count(*) FILTER (WHERE d{n} <> trunc(d{n}) OR isinf(d{n}))")
        answers["no_number"] = reading.want(f"min(t{n}) FILTER (WHERE d{n} IS NULL)")
    if every or guess is ColumnType.BOOLEAN or ColumnType.BOOLEAN in asked:
        answers["booleans"] = reading.want(f"count(b{n})")
        answers["no_boolean"] = reading.want(f"min(t{n}) FILTER (WHERE b{n} IS NULL)")
    if every or guess is ColumnType.TIME or ColumnType.TIME in asked:
        answers["times"] = reading.want(f"count(m{n})")
        answers["no_time"] = reading.want(f"min(t{n}) FILTER (WHERE m{n} IS NULL)")
    return answers


def settle_type(guess: ColumnType | None, known: ColumnType | None, counts: Mapping[str, Any]) -> ColumnType:
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


def is_countable(rule: DataRule, table: Table) -> bool:
    """Whether the rule's figures come from the one pass over all rows."""
    return rule.measure in (Measure.RANGE, Measure.VALUES, Measure.FRESHNESS) and rule.columns[0] in table.names


def want_figures(reading: Pass, table: Table, rule: DataRule) -> dict[str, str]:
    """Ask for the figures of a countable rule."""
    n = table.number(rule.columns[0])
    match rule.measure:
        case Measure.RANGE:
            return {
                "present": reading.want(f"count(t{n})"),
                "not_numbers": reading.want(
                    f"count(*) FILTER (WHERE t{n} IS NOT NULL AND (d{n} IS NULL OR isnan(d{n})))"
                ),
                "example": reading.want(f"min(t{n}) FILTER (WHERE d{n} IS NULL)"),
                "below": reading.want(f"count(*) FILTER (WHERE d{n} < {_number(rule.low, '-')})"),
                "above": reading.want(f"count(*) FILTER (WHERE d{n} > {_number(rule.high, '')})"),
                "smallest": reading.want(f"min(d{n})"),
                "largest": reading.want(f"max(d{n})"),
            }
        case Measure.VALUES:
            other = f"t{n} IS NOT NULL AND t{n} NOT IN ({', '.join(quote(value) for value in rule.allowed)})"
            numbers = [value for value in rule.allowed if _is_number(value)]
            if len(numbers) == len(rule.allowed):
                other += f" AND (d{n} IS NULL OR d{n} NOT IN ({', '.join(numbers)}))"
            return {
                "present": reading.want(f"count(t{n})"),
                "other": reading.want(f"count(*) FILTER (WHERE {other})"),
                "example": reading.want(f"min(t{n}) FILTER (WHERE {other})"),
            }
        case _:
            return {"newest": reading.want(f"max(e{n})")}


def _number(bound: Fraction | None, sign: str) -> str:
    return f"CAST('{sign}inf' AS DOUBLE)" if bound is None else f"CAST({quote(repr(float(bound)))} AS DOUBLE)"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
    name = rule.columns[0] if rule.columns else None
    match rule.measure:
        case Measure.ROWS:
            return {"rows": measured.rows}
        case Measure.MISSING:
            return {"missing": measured.missing[str(name)], "rows": measured.rows}
        case Measure.DUPLICATES:
            return duplicates(database, table, rule.columns, measured.rows)
        case Measure.TYPE:
            return _type_figures(rule, measured)
        case Measure.CLASS_SHARE:
            return _class_figures(rule, measured)
        case Measure.CLASSES:
            return {"classes": len(measured.labels or {})}
        case Measure.COLUMNS:
            return {"columns": list(table.names)}
        case Measure.FRESHNESS:
            return _age(measured.figures[rule.text], order.now)
        case Measure.RANGE | Measure.VALUES:
            return measured.figures[rule.text]


def _age(figures: Mapping[str, object], now: datetime) -> dict[str, object]:
    newest = figures.get("newest")
    if not isinstance(newest, str):
        return {"newest": None}
    age = now - datetime.fromisoformat(newest).replace(tzinfo=UTC)
    microseconds = (age.days * 86400 + age.seconds) * 1_000_000 + age.microseconds
    return {"newest": newest, "age_microseconds": microseconds}


def _type_figures(rule: DataRule, measured: Measured) -> dict[str, object]:
    column = next(column for column in measured.columns if column.name == rule.columns[0])
    counts = measured.counts[column.name]
    kind = {ColumnType.BOOLEAN: "boolean", ColumnType.TIME: "time"}.get(rule.wanted or ColumnType.TEXT, "number")
    figures: dict[str, object] = {"type": column.type.value, "present": counts["present"]}
    if f"{kind}s" in counts:
        figures |= {"other": counts["present"] - counts[f"{kind}s"], "example": counts[f"no_{kind}"]}
    return figures


def _class_figures(rule: DataRule, measured: Measured) -> dict[str, object]:
    labels = measured.labels or {}
    if rule.label is not None:
        return {"label": rule.label, "count": labels.get(rule.label, 0), "rows": sum(labels.values())}
    if not labels:
        return {"label": None, "count": 0, "rows": 0}
    label = min(labels, key=lambda label: (labels[label], label))
    return {"label": label, "count": labels[label], "rows": sum(labels.values())}


def duplicates(database: Database, table: Table, columns: Sequence[str], rows: int) -> dict[str, object]:
    """Count the rows that repeat an earlier one, by *columns* or by all of them."""
    numbers = [table.number(name) for name in columns] or list(range(len(table.names)))
    key = key_of(table, numbers)
    distinct = int(database.row(f"SELECT count(DISTINCT md5_number({key})) FROM {table.relation}")[0])
    figures: dict[str, object] = {"duplicates": rows - distinct, "rows": rows}
    if distinct < rows and len(columns) == 1:
        example = database.row(
            f"SELECT {key} AS k FROM {table.relation} GROUP BY k HAVING count(*) > 1 ORDER BY k LIMIT 1"
        )
        figures["example"] = example[0]
    return figures


def key_of(table: Table, numbers: Sequence[int]) -> str:
    """Return SQL for the text that a row is known by: its values, in the order of *numbers*."""
    return "concat_ws(chr(31), " + ", ".join(f"coalesce({table.raw(n)}, '')" for n in numbers) + ")"


def count_labels(database: Database, table: Table, target: str) -> dict[str, int]:
    """Return the classes and their rows; one more than ``CLASS_LIMIT`` of them at most."""
    text = table.text(table.number(target))
    answer = database.rows(
        f"SELECT {text} AS label, count(*) FROM {table.relation} WHERE {text} IS NOT NULL GROUP BY label ORDER BY 2 DESC, 1 LIMIT {CLASS_LIMIT + 1}"
    )
    return {str(label): int(count) for label, count in answer}
