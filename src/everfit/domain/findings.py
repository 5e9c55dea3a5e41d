"""Measured figures in, findings out: one judgement for each data rule, with its reason."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Final, cast

from everfit.domain.check import ColumnType, DataFinding, DataRule, Measure, age_in_words, holds, nearest
from everfit.domain.conclusion import Result

Figures = Mapping[str, object]
Judgement = tuple[Result, str]


def missing_column(rule: str, column: str, columns: Sequence[str]) -> DataFinding:
    """Return a failing finding for a *column* that is not among *columns*."""
    near = nearest(column, columns)
    hint = f"did you mean {near}?" if near else f"the columns are {', '.join(columns)}."
    reason = f"The data has no column {column}; {hint}"
    return DataFinding(rule=rule, column=column, result=Result.FAIL, reason=reason)


def judge(rule: DataRule, figures: Figures) -> DataFinding:
    """Say whether *rule* holds for what was measured.

    Args:
        figures: what the measure needs, as ``everfit.jobs.preparation.figures`` names it.
    """
    result, reason = JUDGES[rule.measure](rule, figures)
    column = rule.columns[0] if len(rule.columns) == 1 else None
    return DataFinding(rule=rule.text, column=column, result=result, reason=reason, figures=figures)


def percent(count: int, total: int) -> str:
    """Return a share in words, never rounded onto 0 or 100 percent when it is neither."""
    text = f"{100 * count / total:.2f}".rstrip("0").rstrip(".") if total else "0"
    if text in ("0", "100") and 0 < count < total:
        return "less than 0.01%" if text == "0" else "more than 99.99%"
    return f"{text}%"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 row`` or ``2 rows``."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{ending}"


def _count(figures: Figures, name: str) -> int:
    value = figures.get(name, 0)
    return value if isinstance(value, int) else 0


def _against(rule: DataRule, value: Fraction) -> Result:
    limit = Fraction(0) if rule.limit is None else rule.limit
    return Result.PASS if holds(value, rule.operator, limit) else Result.FAIL


def _counted(rule: DataRule, count: int, rows: int) -> Result:
    if rule.is_share:
        return _against(rule, Fraction(count, rows)) if rows else Result.INCONCLUSIVE
    return _against(rule, Fraction(count))


def _rows(rule: DataRule, figures: Figures) -> Judgement:
    rows = _count(figures, "rows")
    return _against(rule, Fraction(rows)), f"There {'is' if rows == 1 else 'are'} {plural(rows, 'row')}."


def _missing(rule: DataRule, figures: Figures) -> Judgement:
    missing, rows = _count(figures, "missing"), _count(figures, "rows")
    words = f"{missing} of {plural(rows, 'value')} of {rule.columns[0]} {'is' if missing == 1 else 'are'} missing"
    return _counted(rule, missing, rows), f"{words} ({percent(missing, rows)})."


def _range(rule: DataRule, figures: Figures) -> Judgement:
    column, present, wrong = rule.columns[0], _count(figures, "present"), _count(figures, "not_numbers")
    values = f"{plural(present, 'value')} of {column}"
    if not present:
        return Result.INCONCLUSIVE, f"{column} has no value to judge."
    if wrong:
        return Result.FAIL, f"{wrong} of {values} are no numbers, such as {figures.get('example')!r}."
    outside = _count(figures, "below") + _count(figures, "above")
    spread = f"the values go from {figures.get('smallest')} to {figures.get('largest')}"
    if outside:
        return Result.FAIL, f"{outside} of {values} {'is' if outside == 1 else 'are'} outside; {spread}."
    return Result.PASS, f"All {values} are inside; {spread}."


def _values(rule: DataRule, figures: Figures) -> Judgement:
    column, present, other = rule.columns[0], _count(figures, "present"), _count(figures, "other")
    values = f"{plural(present, 'value')} of {column}"
    if not present:
        return Result.INCONCLUSIVE, f"{column} has no value to judge."
    if other:
        verb = "is" if other == 1 else "are"
        return Result.FAIL, f"{other} of {values} {verb} not allowed, such as {figures.get('example')!r}."
    return Result.PASS, f"All {values} are allowed."


def _duplicates(rule: DataRule, figures: Figures) -> Judgement:
    repeated, rows = _count(figures, "duplicates"), _count(figures, "rows")
    what = f"the {', '.join(rule.columns)} of an earlier row" if rule.columns else "an earlier row"
    example = figures.get("example")
    such = f", such as {example}" if example is not None else ""
    words = f"{repeated} of {plural(rows, 'row')} {'repeats' if repeated == 1 else 'repeat'} {what}"
    return _counted(rule, repeated, rows), f"{words} ({percent(repeated, rows)}){such}."


def _type(rule: DataRule, figures: Figures) -> Judgement:
    column, found, wanted = rule.columns[0], ColumnType(str(figures.get("type"))), rule.wanted
    if found is ColumnType.EMPTY or wanted is None:
        return Result.INCONCLUSIVE, f"{column} has no value to judge."
    if wanted.holds(found) or wanted is ColumnType.TEXT:
        return Result.PASS, f"The values of {column} are of type {found.value}."
    reason = f"The values of {column} are of type {found.value}, not {wanted.value}"
    other, values = _count(figures, "other"), plural(_count(figures, "present"), "value")
    if other:
        reason += f": {other} of {values} {'is' if other == 1 else 'are'} not, such as {figures.get('example')!r}"
    return Result.FAIL, f"{reason}."


def _class_share(rule: DataRule, figures: Figures) -> Judgement:
    count, rows, label = _count(figures, "count"), _count(figures, "rows"), figures.get("label")
    if not rows or label is None:
        return Result.INCONCLUSIVE, "There is no class to judge."
    which = f"The class {label}" if rule.label is not None else f"The smallest class, {label},"
    return _counted(rule, count, rows), f"{which} has {count} of {plural(rows, 'row')} ({percent(count, rows)})."


def _classes(rule: DataRule, figures: Figures) -> Judgement:
    classes = _count(figures, "classes")
    return _against(rule, Fraction(classes)), f"There {'is' if classes == 1 else 'are'} {plural(classes, 'class')}."


def _columns(rule: DataRule, figures: Figures) -> Judgement:
    columns = tuple(str(name) for name in cast("Sequence[object]", figures.get("columns", ())))
    if columns == rule.allowed:
        return Result.PASS, f"The columns are {', '.join(columns)}."
    missing = [name for name in rule.allowed if name not in columns]
    extra = [name for name in columns if name not in rule.allowed]
    parts = [f"missing: {', '.join(missing)}" if missing else "", f"extra: {', '.join(extra)}" if extra else ""]
    difference = "; ".join(part for part in parts if part) or f"their order is {', '.join(columns)}"
    return Result.FAIL, f"The columns are not the ones that were asked for; {difference}."


def _freshness(rule: DataRule, figures: Figures) -> Judgement:
    column, newest, microseconds = rule.columns[0], figures.get("newest"), figures.get("age_microseconds")
    if newest is None or not isinstance(microseconds, int):
        return Result.INCONCLUSIVE, f"{column} holds no time that can be read."
    age = age_in_words(timedelta(microseconds=microseconds))
    words = f"{age} old" if microseconds >= 0 else f"{age} in the future"
    return _against(rule, Fraction(microseconds, 1_000_000)), f"The newest {column} is {newest}, {words}."


JUDGES: Final[Mapping[Measure, Callable[[DataRule, Figures], Judgement]]] = {
    Measure.ROWS: _rows,
    Measure.MISSING: _missing,
    Measure.RANGE: _range,
    Measure.VALUES: _values,
    Measure.DUPLICATES: _duplicates,
    Measure.TYPE: _type,
    Measure.CLASS_SHARE: _class_share,
    Measure.CLASSES: _classes,
    Measure.COLUMNS: _columns,
    Measure.FRESHNESS: _freshness,
}
