"""The grammar of a gate rule, and what a rule asks of the evaluation.

``METRIC OP NUMBER``, ``METRIC OP champion [* FACTOR] [+ OFFSET]``, either with ``for COLUMN in [VALUE, …]``;
``latency_p50 OP TIME``, ``latency_p99 OP TIME``, ``size OP BYTES``, ``claim(NAME) OP NUMBER``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from math import inf, isfinite
from types import MappingProxyType
from typing import Final, assert_never

from everfit.domain.errors import RuleError
from everfit.domain.metric import CUSTOM, METRICS, Direction, Metric, metrics_of, nearest_name


class Subject(Enum):
    """What a rule is about."""

    METRIC = "metric"
    LATENCY = "latency"
    SIZE = "size"
    CLAIM = "claim"


class Operator(Enum):
    """How a value must stand to its threshold."""

    AT_LEAST = ">="
    ABOVE = ">"
    AT_MOST = "<="
    BELOW = "<"

    @property
    def wants_more(self) -> bool:
        """Whether larger values are more likely to pass."""
        return self in (Operator.AT_LEAST, Operator.ABOVE)

    @property
    def is_strict(self) -> bool:
        """Whether the threshold itself fails."""
        return self in (Operator.ABOVE, Operator.BELOW)

    def holds(self, value: float, threshold: float) -> bool:
        """Return whether *value* passes, exactly as written; nothing is rounded."""
        if value == threshold:
            return not self.is_strict
        return value > threshold if self.wants_more else value < threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The parts of the holdout that a rule must hold for, each by itself."""

    column: str
    values: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names under which the evaluation files these parts."""
        return tuple(f"{self.column}={value}" for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """One line of ``gate:``; ``parse_rule`` makes it.

    Args:
        text: as the user wrote it, with single spaces.
        name: of the metric or claim; ``p50`` or ``p99`` for latency.
        factor: of the champion's value; None for a rule with a fixed threshold.
        offset: the fixed threshold (seconds for latency, bytes for size), or what is added to the champion's value.
    """

    text: str
    subject: Subject
    name: str
    operator: Operator
    offset: float
    factor: float | None = None
    slices: Slices | None = None

    @property
    def is_relative(self) -> bool:
        """Whether the threshold depends on the champion."""
        return self.factor is not None

    @property
    def parts(self) -> tuple[str | None, ...]:
        """The parts of the holdout that must each pass; None is the whole of it."""
        return (None,) if self.slices is None else self.slices.parts


RULE_SHAPE: Final = "such as r2 >= 0.95, rmse <= champion * 1.02, accuracy >= 0.9 for region in [north, south]"
LATENCIES: Final = ("latency_p50", "latency_p99")
SECONDS: Final[Mapping[str, float]] = MappingProxyType({"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0})
BYTES: Final[Mapping[str, float]] = MappingProxyType(
    {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
)

_RULE: Final = re.compile(r"(?P<left>claim\s*\([^()]*\)|[^\s<>=!]+)\s*(?P<operator>[<>=!]+)\s*(?P<right>.+)")
_SLICES: Final = re.compile(r"(?P<right>.*?)\s+for\s+(?P<column>\S.*?)\s+in\s+\[(?P<values>[^\[\]]*)\]")
_NAME: Final = re.compile(r"[A-Za-z_][\w.:@/-]*")
_DIGITS: Final = r"(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY: Final = re.compile(rf"(?P<number>[-+]?{_DIGITS})\s*(?P<unit>%|[A-Za-z]*)")
_CHAMPION: Final = re.compile(
    rf"(?:(?P<before>{_DIGITS})\s*\*\s*)?champion(?:\s*\*\s*(?P<factor>{_DIGITS}))?"
    rf"(?:\s*(?P<sign>[-+])\s*(?P<offset>{_DIGITS}\s*%?))?"
)


def parse_rule(text: str) -> GateRule:
    """Return the rule that *text* says, or raise ``RuleError`` with what was expected."""
    text = " ".join(text.split())
    match = _RULE.fullmatch(text)
    if match is None:
        raise RuleError(f"The rule {text!r} cannot be read.", expected=RULE_SHAPE)
    subject, name = _subject(match["left"])
    operator = _operator(match["operator"])
    right, slices = _slices(match["right"])
    factor, offset = _threshold(subject, name, right)
    if subject is not Subject.METRIC and (slices is not None or factor is not None):
        raise RuleError(
            f"The rule {text!r} asks too much: {match['left']} is compared with a fixed limit, over all rows.",
            expected=f"{match['left']} {operator.value} a fixed limit",
        )
    return GateRule(
        text=text, subject=subject, name=name, operator=operator, offset=offset, factor=factor, slices=slices
    )


def _subject(left: str) -> tuple[Subject, str]:
    if left.startswith("claim") and "(" in left:
        name = left[left.index("(") + 1 : -1].strip()
        if not name:
            raise RuleError("claim() names nothing.", expected="claim(NAME), a name in train.metric_definitions")
        return Subject.CLAIM, name
    if left == "size":
        return Subject.SIZE, left
    if left in LATENCIES:
        return Subject.LATENCY, left.removeprefix("latency_")
    if left.startswith("latency"):
        raise RuleError(
            f"Everfit does not measure {left!r}.",
            expected=" or ".join(LATENCIES),
            nearest=nearest_name(left, LATENCIES),
        )
    if not _NAME.fullmatch(left):
        raise RuleError(f"{left!r} is not the name of a metric.", expected=RULE_SHAPE)
    return Subject.METRIC, left


def _operator(sign: str) -> Operator:
    try:
        return Operator(sign)
    except ValueError:
        nearest = {"=>": ">=", "=<": "<=", "=": "<= or >=", "==": "<= or >="}.get(sign)
        raise RuleError(
            f"A gate rule cannot compare with {sign!r}.", expected="one of >=, >, <=, <", nearest=nearest
        ) from None


def _slices(right: str) -> tuple[str, Slices | None]:
    match = _SLICES.fullmatch(right)
    if match is None:
        return right, None
    values = tuple(value.strip().strip("\"'") for value in match["values"].split(","))
    if not all(values):
        raise RuleError(f"The list [{match['values']}] has an empty place.", expected="for COLUMN in [VALUE, …]")
    if len(set(values)) < len(values):
        raise RuleError(f"The list [{match['values']}] names a value twice.", expected="each value once")
    return match["right"], Slices(column=match["column"].strip("\"'"), values=values)


def _threshold(subject: Subject, name: str, right: str) -> tuple[float | None, float]:
    """Return the factor of the champion's value (None for a fixed threshold) and the offset."""
    match = _CHAMPION.fullmatch(right)
    if match is None:
        return None, _quantity(subject, name, right)
    if match["before"] and match["factor"]:
        raise RuleError(f"{right!r} has two factors.", expected="champion * FACTOR + OFFSET")
    factor = float((match["factor"] or match["before"] or "1").replace("_", ""))
    if not 0 < factor < inf:
        raise RuleError(f"{right!r}: the champion's value is multiplied by {factor:g}.", expected="a factor above 0")
    offset = _quantity(subject, name, match["offset"].strip()) if match["offset"] else 0.0
    return factor, -offset if match["sign"] == "-" else offset


def _quantity(subject: Subject, name: str, text: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise RuleError(
            f"{text!r} is neither a number nor the champion's value.",
            expected="a number, champion, champion * 1.02 or champion - 0.01",
            nearest=None if text.startswith("champion") else nearest_name(text.split(maxsplit=1)[0], ["champion"]),
        )
    unit, digits = _unit(subject, name, match["unit"], text), match["number"].replace("_", "")
    if not isfinite(float(digits) * unit):
        raise RuleError(f"{text!r} is not a finite number.", expected="a finite number")
    # In floats 29 * 0.01 is not 0.29, and a threshold must mean what is written.
    return float(Decimal(digits) * Decimal(str(unit)))


def _unit(subject: Subject, name: str, unit: str, text: str) -> float:
    units, what = _units(subject, name)
    if unit not in units:
        wrong = f"the unit {unit!r} is wrong there" if unit else "the unit is missing"
        raise RuleError(f"{text!r}: {wrong}.", expected=what, nearest=_same_unit(unit, units))
    return units[unit]


def _units(subject: Subject, name: str) -> tuple[Mapping[str, float], str]:
    match subject:
        case Subject.LATENCY:
            return SECONDS, "a time, such as 200ms or 1.5s"
        case Subject.SIZE:
            return BYTES, "a size, such as 500MB or 1GiB"
        case Subject.CLAIM:
            return {"": 1.0}, "a number without a unit"
        case Subject.METRIC:
            metric = METRICS.get(name)
            if metric is None or metric.percent is None:
                return {"": 1.0}, "a number without a unit"
            return {"": 1.0, "%": metric.percent}, "a number, or a percentage such as 5%"
        case _:
            assert_never(subject)


def _same_unit(unit: str, units: Mapping[str, float]) -> str | None:
    return next((known for known in units if unit and known.lower() == unit.lower()), None)


def check_fits(rule: GateRule, task: str, *, when: bool = False) -> None:
    """Raise ``RuleError`` when *rule* cannot be meant for *task*.

    Args:
        rule: any rule that ``parse_rule`` made.
        task: ``regression``, ``classification``, ``forecast`` or ``custom``.
        when: the rule says when a person is asked, and not what a model must reach; it may point either way.
    """
    if rule.subject is not Subject.METRIC:
        _check_direction(rule, Direction.LOWER if rule.subject is not Subject.CLAIM else None, when=when)
        if rule.subject is not Subject.CLAIM:
            _check_bounds(rule, 0.0, inf, f"a {rule.subject.value}")
        return
    metric = METRICS.get(rule.name)
    if task != CUSTOM and (metric is None or task not in metric.tasks):
        names = [known.name for known in metrics_of(task)]
        raise RuleError(
            f"The rule {rule.text!r} does not fit: {rule.name!r} is no metric of a {task} task.",
            expected=f"one of {', '.join(names)}",
            nearest=nearest_name(rule.name, [*names, *LATENCIES, "size"]),
        )
    if metric is not None:
        _check_metric(rule, metric, task, when=when)


def _check_metric(rule: GateRule, metric: Metric, task: str, *, when: bool) -> None:
    if rule.is_relative and metric.direction is Direction.ZERO:
        raise RuleError(
            f"The rule {rule.text!r} cannot decide: of {metric.name}, values closer to zero are better.",
            expected=f"fixed limits, such as {metric.name} <= 1 and {metric.name} >= -1",
        )
    _check_direction(rule, metric.direction, when=when)
    # A custom task brings its own figures: its accuracy may well be in percent.
    if task != CUSTOM and not rule.is_relative:
        _check_bounds(rule, metric.lowest, metric.highest, metric.name)


def _check_direction(rule: GateRule, direction: Direction | None, *, when: bool) -> None:
    if when or direction in (None, Direction.ZERO):
        return
    if rule.operator.wants_more != (direction is Direction.HIGHER):
        right = rule.operator.value.translate(str.maketrans("<>", "><"))
        word = "higher" if direction is Direction.HIGHER else "lower"
        subject = rule.text.split(rule.operator.value, maxsplit=1)[0].strip()
        raise RuleError(
            f"The rule {rule.text!r} points the wrong way: {subject} is better when it is {word}.",
            expected=f"{subject} {right} …",
            nearest=rule.text.replace(rule.operator.value, right, 1),
        )


def _check_bounds(rule: GateRule, lowest: float, highest: float, name: str) -> None:
    threshold, strict = rule.offset, rule.operator.is_strict
    possible = threshold < highest or (threshold == highest and not strict)
    if not rule.operator.wants_more:
        possible = threshold > lowest or (threshold == lowest and not strict)
    if possible and lowest <= threshold <= highest:
        return
    in_percent = highest == 1.0 and 2.0 <= threshold <= 100.0
    raise RuleError(
        f"The rule {rule.text!r} {'can never fail' if possible else 'can never hold'}: {name} lies between "
        f"{lowest:g} and {highest:g}.",
        expected=f"a number between {lowest:g} and {highest:g}",
        nearest=f"{threshold:g}%" if in_percent else None,
    )


def comparisons_needed(rules: Iterable[GateRule]) -> list[dict[str, object]]:
    """Return the ``comparisons`` that the evaluation must make for *rules*, each once."""
    needed: list[dict[str, object]] = []
    for rule in rules:
        if rule.factor is None:
            continue
        for part in rule.parts:
            wanted: dict[str, object] = {
                "metric": rule.name,
                "factor": rule.factor,
                "offset": rule.offset,
                "slice": part,
            }
            if wanted not in needed:
                needed.append(wanted)
    return needed


def slices_needed(rules: Iterable[GateRule]) -> list[dict[str, object]]:
    """Return the ``slices`` that the evaluation must score for *rules*: each column once, with all its values."""
    columns: dict[str, dict[str, None]] = {}
    for rule in rules:
        if rule.slices is not None:
            columns.setdefault(rule.slices.column, {}).update(dict.fromkeys(rule.slices.values))
    return [{"column": column, "values": list(values)} for column, values in columns.items()]
