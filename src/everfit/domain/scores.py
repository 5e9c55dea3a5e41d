"""What was measured on the holdout, as the evaluation wrote it down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Final, cast

NOT_MEASURED: Final = "it was not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure.

    Args:
        value: None when there is none; NaN and infinity never occur here.
        reason: why there is no value, in words.
        rows: how many rows it was computed from; None when that is not known.
    """

    value: float | None
    reason: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Challenger minus what the rule compares it with, on the same rows.

    Args:
        low: lower end of the confidence interval; None, like ``high``, when only single values are known.
        reason: why there is no value or no interval, in words.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ComparisonKey:
    """Which comparison is meant; *part* is None for the whole holdout, else ``column=value``."""

    metric: str
    factor: float
    offset: float
    part: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideScores:
    """The figures of one version.

    Args:
        version: its number; None for a challenger that has none yet.
        slices: ``column=value`` -> metric -> figure.
        latency: ``p50`` and ``p99`` of one request with one row, in seconds.
        error: why the model could not be scored at all.
    """

    version: int | None = None
    metrics: Mapping[str, Measured] = field(default_factory=lambda: MappingProxyType({}))
    slices: Mapping[str, Mapping[str, Measured]] = field(default_factory=lambda: MappingProxyType({}))
    latency: Mapping[str, Measured] = field(default_factory=lambda: MappingProxyType({}))
    error: str | None = None

    def metric(self, name: str, part: str | None = None) -> Measured:
        """Return a figure of the whole holdout or of a part of it, or why there is none."""
        figures = self.metrics if part is None else self.slices.get(part, {})
        return figures.get(name) or Measured(value=None, reason=self.error or NOT_MEASURED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Everything the gate looks at.

    Args:
        rows: of the holdout.
        champion: None when no version was compared with.
        size: of the challenger's packed artifact, in bytes.
        claims: what the training script said of itself.
    """

    rows: int
    challenger: SideScores
    champion: SideScores | None = None
    comparisons: Mapping[ComparisonKey, Difference] = field(default_factory=lambda: MappingProxyType({}))
    size: int = 0
    claims: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def scores_from_json(evaluation: Mapping[str, object], size: int, claims: Mapping[str, float]) -> Scores:
    """Return what ``evaluation.json`` says, with what is known besides; what is not a number there is no figure."""
    champion = evaluation.get("champion")
    return Scores(
        rows=_count(evaluation.get("rows")) or 0,
        challenger=_side(_mapping(evaluation.get("challenger"))),
        champion=_side(_mapping(champion)) if champion is not None else None,
        comparisons=dict(_comparison(_mapping(entry)) for entry in _sequence(evaluation.get("comparisons"))),
        size=size,
        claims=dict(claims),
    )


def _side(side: Mapping[str, object]) -> SideScores:
    latency = _mapping(side.get("latency"))
    samples = _count(latency.get("samples"))
    return SideScores(
        version=_count(side.get("version")),
        metrics=_figures(side.get("metrics")),
        slices={name: _figures(figures) for name, figures in _mapping(side.get("slices")).items()},
        latency={
            name: _figure({"value": latency.get(name), "rows": samples, "reason": latency.get("reason")})
            for name in ("p50", "p99")
        },
        error=_text(side.get("error")),
    )


def _figures(figures: object) -> dict[str, Measured]:
    return {name: _figure(_mapping(figure)) for name, figure in _mapping(figures).items()}


def _figure(figure: Mapping[str, object]) -> Measured:
    value = _number(figure.get("value"))
    reason = _text(figure.get("reason"))
    if value is None and reason is None:
        reason = NOT_MEASURED if figure.get("value") is None else f"its value is {figure['value']!r}"
    return Measured(value=value, reason=reason, rows=_count(figure.get("rows")))


def _comparison(entry: Mapping[str, object]) -> tuple[ComparisonKey, Difference]:
    key = ComparisonKey(
        metric=str(entry.get("metric")),
        factor=_number(entry.get("factor")) or 0.0,
        offset=_number(entry.get("offset")) or 0.0,
        part=_text(entry.get("slice")),
    )
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    difference = Difference(
        value=_number(entry.get("value")),
        low=low,
        high=high,
        reason=_text(entry.get("reason")),
    )
    return key, difference


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _sequence(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
