"""Compares a challenger with its champion: errors, latency, disagreement, matured quality; pure.

Every comparison may be looked at after each request. Together they are wrong about a challenger that is as good as
its champion in at most ``FALSE_ALARMS`` of all rollouts; ``evidence_sequential`` says how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite, nan, sqrt
from typing import Final

from everfit.domain.evidence_sequential import (
    farthest_deviation,
    highest_share,
    is_above,
    is_below,
    normal_tail,
    tail,
)
from everfit.domain.live import Losses, Quality, Tally, upper_bound

FALSE_ALARMS: Final = 0.01
"""Share of the rollouts of equal versions in which any comparison ever says worse."""
KINDS: Final = 5
"""How many comparisons share it in each step."""
FEWEST_ROWS: Final = 30
"""Labelled rows of each version below which quality is not compared."""
_DOUBT: Final = 0.05
"""Chance under equality below which something looks worse; it only ever holds."""
_MORE_ERRORS: Final = 1.1
_MORE_LOSS: Final = 1.02
"""Factors within which a challenger counts as equal, so that no rollout is held for a difference without meaning."""


class Result(Enum):
    """What one comparison of challenger and champion came to."""

    BETTER_OR_EQUAL = "no worse"
    WORSE = "worse"
    UNCLEAR = "unclear"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One thing that was compared, with its numbers.

    Args:
        name: ``errors``, ``latency_p50``, ``latency_p99``, ``disagreement``, ``quality``, or ``watch`` for a rule.
        challenger: its value: a share, seconds, or a mean loss; None when it has none.
        champion: its value; None when there is none to compare with.
        words: one sentence with the numbers.
    """

    name: str
    result: Result
    challenger: float | None
    champion: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What a challenger and its champion did.

    Args:
        are_parallel: whether both answered over the same time; else the champion's is from before.
        alpha: share of false alarms that one comparison may have.
    """

    challenger: Tally
    champion: Tally
    are_parallel: bool
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slowness:
    """A quantile of latency that is compared.

    Args:
        slower: share of the champion's answers above its quantile.
        factor: of the quantile, that a challenger may take.
        leeway: seconds that it may take longer in any case.
    """

    name: str
    words: str
    slower: float
    factor: float
    leeway: float


_SLOWNESS: Final = (
    _Slowness(name="latency_p50", words="median latency", slower=0.5, factor=1.25, leeway=0.002),
    _Slowness(name="latency_p99", words="p99 latency", slower=0.01, factor=1.5, leeway=0.005),
)


def compared(sides: Sides) -> tuple[Comparison, ...]:
    """Return the comparisons that need no labels: errors and latency."""
    return (_errors(sides), *(_latency(sides, kind) for kind in _SLOWNESS))


def _errors(sides: Sides) -> Comparison:
    """Compare the shares of requests that failed or were refused.

    Of errors that both versions make equally often, the challenger makes one with the chance of its share of the
    requests, whatever the rate of errors is and however it changes; so its share of the errors is what is tested. With
    a champion from before, the highest rate that this one may have had is tested.
    """
    ours, theirs = sides.challenger, sides.champion
    failed, failed_before = ours.errors + ours.refused, theirs.errors + theirs.refused
    rate, usual = _ratio(failed, ours.requests), _ratio(failed_before, theirs.requests)
    words = f"errors {share_words(rate)} of {ours.requests} against {share_words(usual)} of {theirs.requests}"
    if rate is None or usual is None:
        return Comparison(name="errors", result=Result.NO_DATA, challenger=rate, champion=usual, words=words)
    part = ours.requests / (ours.requests + theirs.requests)
    if sides.are_parallel:
        is_worse = is_above(failed, failed + failed_before, part, sides.alpha)
    else:
        highest = highest_share(failed_before, theirs.requests, sides.alpha / 2)
        is_worse = is_above(failed, ours.requests, highest, sides.alpha / 2)
    looks_worse = rate > usual * _MORE_ERRORS and tail(failed, failed + failed_before, part) < _DOUBT
    return Comparison(
        name="errors", result=_result(is_worse, looks_worse), challenger=rate, champion=usual, words=words
    )


def _latency(sides: Sides, kind: _Slowness) -> Comparison:
    """Compare a quantile by the share of the challenger's answers that are slower than the champion's may be."""
    ours, theirs = sides.challenger, sides.champion
    value, usual = ours.quantile(1.0 - kind.slower), theirs.quantile(1.0 - kind.slower)
    words = f"{kind.words} {time_words(value)} against {time_words(usual)}"
    if value is None or usual is None:
        return Comparison(name=kind.name, result=Result.NO_DATA, challenger=value, champion=usual, words=words)
    limit = _allowed(usual, kind)
    looks_worse = value > limit and tail(ours.slower_than(limit), _answers(ours), kind.slower) < _DOUBT
    result = _result(_is_slower(sides, kind), looks_worse)
    return Comparison(name=kind.name, result=result, challenger=value, champion=usual, words=words)


def _is_slower(sides: Sides, kind: _Slowness) -> bool:
    """Return whether a quantile of the challenger is above what the champion's allows.

    By definition, a quantile's own share of the champion's answers is slower than it. So is tested the challenger's
    share that is slower, even with the leeway; half of the false alarms are for a champion's quantile that is longer
    than measured. A machine that stands still for a moment makes both slow, and so the limit longer.
    """
    ours, theirs = sides.challenger, sides.champion
    longest = _longest_quantile(theirs, kind.slower, sides.alpha / 2)
    if longest is None:
        return False
    slow = ours.slower_than(_allowed(longest, kind))
    return is_above(slow, _answers(ours), kind.slower, sides.alpha / 2)


def _answers(tally: Tally) -> int:
    return sum(tally.latency.values())


def _allowed(quantile: float, kind: _Slowness) -> float:
    return max(quantile * kind.factor, quantile + kind.leeway)


def _longest_quantile(tally: Tally, slower: float, alpha: float) -> float | None:
    """Return a latency that the true quantile is never above, except with chance *alpha*; None with too few answers.

    Inverts the confidence sequence of the share that is slower (Howard and Ramdas, "Sequential estimation of quantiles
    with applications to A/B testing and best-arm identification", 2022).
    """
    left = answers = _answers(tally)
    for bucket, count in sorted(tally.latency.items()):
        left -= count
        if is_below(left, answers, slower, alpha):
            return upper_bound(bucket)
    return None


def disagreed(challenger: Tally, most: float, alpha: float) -> Comparison:
    """Compare how often a shadow answered otherwise than the version that served with what was declared."""
    value = _ratio(challenger.disagreed, challenger.compared)
    words = f"other answers to {share_words(value)} of {challenger.compared}, {share_words(most)} allowed"
    if value is None:
        result = Result.NO_DATA
    else:
        # The limit is a person's, so what is measured above it never goes on.
        result = _result(is_above(challenger.disagreed, challenger.compared, most, alpha), value > most)
    return Comparison(name="disagreement", result=result, challenger=value, champion=None, words=words)


def quality_compared(challenger: Quality | None, champion: Quality | None, alpha: float) -> Comparison:
    """Compare mean losses on rows whose labels have come."""
    ours = None if challenger is None else challenger.losses
    theirs = None if champion is None else champion.losses
    if ours is None or theirs is None or min(ours.rows, theirs.rows) < FEWEST_ROWS:
        rows = 0 if ours is None else ours.rows
        words = f"quality is not compared: {rows} labelled rows, {FEWEST_ROWS} of each version are needed"
        return Comparison(name="quality", result=Result.NO_DATA, challenger=None, champion=None, words=words)
    words = f"mean loss {ours.mean:.4g} on {ours.rows} rows against {theirs.mean:.4g} on {theirs.rows}"
    deviation = _deviation(ours, theirs)
    # Of numbers too large to calculate with, or none at all, nothing follows.
    if not all(isfinite(each) for each in (ours.mean, ours.variance, theirs.mean, theirs.variance, deviation)):
        return Comparison(name="quality", result=Result.UNCLEAR, challenger=None, champion=None, words=words)
    harmonic = ours.rows * theirs.rows / (ours.rows + theirs.rows)
    is_worse = deviation > farthest_deviation(harmonic, alpha)
    looks_worse = normal_tail(deviation) < _DOUBT
    return Comparison(
        name="quality",
        result=_result(is_worse, looks_worse),
        challenger=ours.mean,
        champion=theirs.mean,
        words=words,
    )


def _deviation(ours: Losses, theirs: Losses) -> float:
    """Return by how many standard errors the challenger's mean loss is above what is still equal.

    The larger of two standard errors counts: Welch's, and that of both sets as one, which is not zero even when every
    row of a set has the same loss.
    """
    difference = ours.mean - theirs.mean * _MORE_LOSS
    rows = ours.rows + theirs.rows
    apart = ours.variance / ours.rows + theirs.variance * _MORE_LOSS**2 / theirs.rows
    spread = ours.variance * (ours.rows - 1) + theirs.variance * (theirs.rows - 1)
    spread += (ours.mean - theirs.mean) * (ours.mean - theirs.mean) * ours.rows * theirs.rows / rows
    together = spread / (rows - 1) * rows / (ours.rows * theirs.rows)
    largest = sqrt(max(apart, together, 0.0))
    if not largest:
        return 0.0
    return difference / largest if isfinite(largest) else nan


def worst(comparisons: Sequence[Comparison], result: Result) -> str:
    """Return, in words, what came to *result*."""
    return "; ".join(f"{each.words} ({each.result.value})" for each in comparisons if each.result is result)


def of_versions(quality: Mapping[int, Quality], challenger: int, champion: int, alpha: float) -> Comparison:
    """Compare the quality of two versions by number."""
    return quality_compared(quality.get(challenger), quality.get(champion), alpha)


def _result(is_worse: bool, looks_worse: bool) -> Result:
    if is_worse:
        return Result.WORSE
    return Result.UNCLEAR if looks_worse else Result.BETTER_OR_EQUAL


def _ratio(count: int, of: int) -> float | None:
    return count / of if of > 0 else None


def share_words(share: float | None) -> str:
    """Return a share for people; what is not known is nothing."""
    return "nothing" if share is None else f"{100 * share:.3g}%"


def time_words(seconds: float | None) -> str:
    """Return a latency for people; what is not known is nothing."""
    if seconds is None:
        return "nothing"
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
