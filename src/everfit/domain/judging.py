"""One rule and the scores in, one finding out. Whatever is not known is inconclusive, and that never approves."""

from dataclasses import dataclass
from math import isfinite
from typing import Final, assert_never

from everfit.domain.conclusion import Result
from everfit.domain.gate_rule import GateRule, Subject
from everfit.domain.scores import NOT_MEASURED, ComparisonKey, Difference, Measured, Scores, SideScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's answer, in words and numbers."""

    rule: str
    result: Result
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """How many rows a figure must come from before it can decide.

    Args:
        rows: for figures of the whole holdout.
        slice_rows: for figures of a part of it.
    """

    rows: int = 2
    slice_rows: int = 10


NO_CHAMPION: Final = "no champion: the absolute rules alone decide"
_SEVERITY: Final = (Result.PASS, Result.INCONCLUSIVE, Result.FAIL)


def find(rule: GateRule, scores: Scores, champion: int | None, minimum: Minimum) -> Finding:
    """Return what *rule* says of *scores*, when version *champion* serves (None: no version does)."""
    answers = [_answer(rule, part, scores, champion, minimum) for part in rule.parts]
    worst = max((result for result, _ in answers), key=_SEVERITY.index)
    return Finding(rule=rule.text, result=worst, reason="; ".join(dict.fromkeys(reason for _, reason in answers)))


def _answer(
    rule: GateRule, part: str | None, scores: Scores, champion: int | None, minimum: Minimum
) -> tuple[Result, str]:
    measured, what = _measured(rule, part, scores)
    enough = minimum.rows if part is None else minimum.slice_rows
    if measured.value is None:
        return Result.INCONCLUSIVE, f"{what} is not known: {measured.reason}"
    if measured.rows is not None and measured.rows < enough:
        return Result.INCONCLUSIVE, f"{what} comes from {_rows(measured.rows)}, fewer than {enough}"
    if not rule.is_relative:
        result = Result.PASS if rule.operator.holds(measured.value, rule.offset) else Result.FAIL
        remark = "" if measured.reason is None else f" ({measured.reason})"
        return result, f"{what} is {_shown(rule, measured.value)}{remark}"
    if champion is None and scores.champion is None:
        return Result.PASS, NO_CHAMPION
    stranger = _stranger(scores.champion, champion)
    if stranger is not None:
        return Result.INCONCLUSIVE, stranger
    return _compared(rule, part, scores, f"{what} is {measured.value:.6g}")


def _measured(rule: GateRule, part: str | None, scores: Scores) -> tuple[Measured, str]:
    """Return the challenger's figure that *rule* is about, and what to call it."""
    match rule.subject:
        case Subject.METRIC:
            return scores.challenger.metric(rule.name, part), rule.name if part is None else f"{rule.name} for {part}"
        case Subject.LATENCY:
            unknown = Measured(value=None, reason=scores.challenger.error or NOT_MEASURED)
            return scores.challenger.latency.get(rule.name, unknown), f"latency_{rule.name}"
        case Subject.SIZE:
            return Measured(value=float(scores.size)), "size"
        case Subject.CLAIM:
            claim = scores.claims.get(rule.name)
            # A claim that is NaN or infinite says nothing.
            value = claim if claim is not None and isfinite(claim) else None
            reason = "the training script printed no such figure" if claim is None else f"it is {claim}"
            return Measured(value=value, reason=reason), f"the script's own {rule.name}"
        case _:
            assert_never(rule.subject)


def _stranger(scored: SideScores | None, champion: int | None) -> str | None:
    """Return why what was scored is not the champion that is meant, or None when it is."""
    if scored is None:
        return f"version {champion} serves, but it was not scored"
    if champion is None:
        return "a champion was scored, but none serves"
    if scored.version is not None and scored.version != champion:
        return f"it was compared with version {scored.version}, but version {champion} serves"
    return None


def _compared(rule: GateRule, part: str | None, scores: Scores, words: str) -> tuple[Result, str]:
    assert rule.factor is not None  # noqa: S101 - narrows the type; only relative rules come here
    champion = scores.champion.metric(rule.name, part) if scores.champion else Measured(value=None)
    if champion.value is None:
        return Result.INCONCLUSIVE, f"{words}; the champion's is not known: {champion.reason}"
    if rule.factor != 1.0 and champion.value < 0:
        return Result.INCONCLUSIVE, f"{words}; a multiple of the champion's {champion.value:.6g} means nothing below 0"
    difference = scores.comparisons.get(ComparisonKey(rule.name, rule.factor, rule.offset, part))
    if difference is None or difference.value is None:
        why = "they were not compared" if difference is None else difference.reason
        return Result.INCONCLUSIVE, f"{words}, the champion's {champion.value:.6g}; {why}"
    result, how = _side_of_zero(rule, difference)
    return result, f"{words}, the champion's {champion.value:.6g}; {how}"


def _side_of_zero(rule: GateRule, difference: Difference) -> tuple[Result, str]:
    """Return on which side of the threshold the whole interval lies; across it nothing is proved."""
    assert difference.value is not None  # noqa: S101 - narrows the type; the caller has looked
    words = f"the distance to the threshold is {difference.value:+.6g}"
    if difference.low is None and difference.high is None:
        result = Result.PASS if rule.operator.holds(difference.value, 0.0) else Result.FAIL
        return result, f"{words}, as a single value: {difference.reason or 'there is no confidence interval'}"
    if difference.low is None or difference.high is None:
        return Result.INCONCLUSIVE, f"{words}, with half a confidence interval"
    ends = [rule.operator.holds(end, 0.0) for end in (difference.low, difference.value, difference.high)]
    words = f"{words}, between {difference.low:+.6g} and {difference.high:+.6g} with confidence"
    if all(ends):
        return Result.PASS, words
    if not any(ends):
        return Result.FAIL, words
    return Result.INCONCLUSIVE, f"{words}, so these rows do not decide"


def _shown(rule: GateRule, value: float) -> str:
    """Return *value* and the limit in the rule's units, with enough digits to tell them apart."""
    match rule.subject:
        case Subject.LATENCY:
            shown, limit = (f"{figure * 1e3:.6g} ms" for figure in (value, rule.offset))
        case Subject.SIZE:
            shown, limit = (f"{figure / 1e6:.6g} MB" for figure in (value, rule.offset))
        case Subject.METRIC | Subject.CLAIM:
            shown, limit = f"{value:.6g}", f"{rule.offset:.6g}"
        case _:
            assert_never(rule.subject)
    if shown == limit and value != rule.offset:
        shown, limit = repr(value), repr(rule.offset)
    return f"{shown}, the limit {limit}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
