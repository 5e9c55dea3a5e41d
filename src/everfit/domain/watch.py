"""The rules of ``watch``, held against what a version does with live traffic; pure.

A rule says what is bad. It is breached only when the evidence says so with 99 % for the whole time of the watch,
however often it is looked at; without evidence there is "no data", which is neither healthy nor failing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite, sqrt
from typing import Any, Final

from everfit.domain.errors import RuleError
from everfit.domain.evidence import FEWEST_ROWS, share_words, time_words
from everfit.domain.evidence_sequential import farthest_deviation, is_above, is_below, tail
from everfit.domain.gate_rule import SECONDS, Operator
from everfit.domain.live import RECENT, Losses, Quality, Tally
from everfit.domain.metric import METRICS

FEWEST_REQUESTS: Final = 20
"""Requests below which a share of them is not judged."""
DOUBT: Final = 0.01
"""Chance, over the whole time of a watch, of calling a version bad that is just at the limit."""
ERROR_RATE: Final = "error_rate"
SLOWER: Final[Mapping[str, float]] = {"latency_p50": 0.5, "latency_p99": 0.01}
"""Share of the answers that are slower than a quantile, by definition."""

_RULE: Final = re.compile(r"([A-Za-z]\w*) *(>=|>|<=|<) *([0-9]+(?:\.[0-9]+)?)(%|us|ms|s|m)?")


class Health(Enum):
    """What live evidence says about a rule."""

    HOLDS = "holds"
    BREACHED = "breached"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRule:
    """A rule of ``watch.roll_back_when``; it is breached when it is true.

    Args:
        text: as the user wrote it.
        name: ``error_rate``, ``latency_p50``, ``latency_p99``, or a metric.
        threshold: a share of the requests, seconds, or in the metric's own unit.
    """

    text: str
    name: str
    operator: Operator
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule came to.

    Args:
        value: what was measured; None without data.
        words: one sentence with the numbers.
    """

    rule: WatchRule
    health: Health
    value: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """What is watched after a rollout.

    Args:
        lasts: how long from the moment that the version took all of the traffic.
    """

    lasts: timedelta
    rules: tuple[WatchRule, ...]

    @property
    def doubt(self) -> float:
        """The chance of a false alarm that one look at the last minutes may have: the whole, over all such minutes."""
        return DOUBT / max(-(-self.lasts // RECENT), 1)


def watch_policy(declared: Mapping[str, Any]) -> WatchPolicy | None:
    """Return what an environment's ``watch`` declares; None when it declares nothing."""
    if not declared:
        return None
    return WatchPolicy(lasts=declared["for"], rules=watch_rules(declared.get("roll_back_when", ())))


def watch_rules(texts: Iterable[str]) -> tuple[WatchRule, ...]:
    """Return the rules that the texts say.

    Raises:
        RuleError: one of them is not a rule.
    """
    return tuple(_rule(text.strip()) for text in texts)


def _rule(text: str) -> WatchRule:
    match = _RULE.fullmatch(text)
    if match is None:
        raise RuleError(f"The rule {text!r} cannot be read.", expected="such as error_rate > 1% or latency_p99 > 500ms")
    name, unit = match[1], match[4] or ""
    scale = _percent_of(name) if unit == "%" else SECONDS.get(unit, 1.0)
    # In floats 29 * 0.01 is not 0.29, and a threshold must mean what is written.
    threshold = float(Decimal(match[3]) * Decimal(str(scale)))
    return WatchRule(text=text, name=name, operator=Operator(match[2]), threshold=threshold)


def _percent_of(name: str) -> float:
    metric = METRICS.get(name)
    return 0.01 if metric is None or metric.percent is None else metric.percent


def is_watched(since: datetime, policy: WatchPolicy, now: datetime) -> bool:
    """Return whether a version that took the traffic then is still watched; a clock that went back ends nothing."""
    return now < since + policy.lasts


def judged(policy: WatchPolicy, recent: Tally, total: Tally, quality: Quality | None) -> tuple[Finding, ...]:
    """Return what each rule comes to; see ``evaluate``."""
    return tuple(evaluate(rule, recent, total, quality, doubt=policy.doubt) for rule in policy.rules)


def evaluate(rule: WatchRule, recent: Tally, total: Tally, quality: Quality | None, *, doubt: float = DOUBT) -> Finding:
    """Return whether the rule is breached.

    Args:
        recent: what the version did in the last minutes.
        total: what it did since it took the traffic, or since the host started.
        quality: of its answers whose labels have come; None where none has.
        doubt: chance of a false alarm in one look at *recent*; *total* has one of ``DOUBT`` over all looks.
    """
    if rule.name == ERROR_RATE:
        return _judged_share(rule, _failed(recent), _failed(total), rule.threshold, doubt)
    slower = SLOWER.get(rule.name)
    if slower is not None:
        found = _judged_share(rule, _slow(recent, rule), _slow(total, rule), slower, doubt)
        return _as_latency(found, recent, total)
    return _judged_metric(rule, quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """So many of so many."""

    count: int
    of: int


def _failed(tally: Tally) -> _Counted:
    return _Counted(count=tally.errors, of=tally.requests)


def _slow(tally: Tally, rule: WatchRule) -> _Counted:
    return _Counted(count=tally.slower_than(rule.threshold), of=sum(tally.latency.values()))


def _judged_share(rule: WatchRule, recent: _Counted, total: _Counted, limit: float, doubt: float) -> Finding:
    """Hold the share of the last minutes, and that of the whole time, against the limit.

    The first is an exact binomial test, the same as a limit below the lower end of the interval of Clopper and Pearson;
    it sees what has just become bad. The second is one that may be looked at always; it sees what is rare.
    """
    shown = recent if recent.of >= FEWEST_REQUESTS else total
    if shown.of < FEWEST_REQUESTS:
        words = f"{rule.text}: no data, {shown.of} of {FEWEST_REQUESTS} requests"
        return Finding(rule=rule, health=Health.NO_DATA, value=None, words=words)
    wants_more = rule.operator.wants_more
    is_bad = shown is recent and _is_beyond_once(recent, limit, doubt, wants_more=wants_more)
    if not is_bad and total.of >= FEWEST_REQUESTS:
        is_bad = (is_above if wants_more else is_below)(total.count, total.of, limit, DOUBT)
        shown = total if is_bad else shown
    value = shown.count / shown.of
    words = f"{rule.text}: {share_words(value)} of {shown.of} requests"
    return Finding(rule=rule, health=Health.BREACHED if is_bad else Health.HOLDS, value=value, words=words)


def _is_beyond_once(counted: _Counted, limit: float, doubt: float, *, wants_more: bool) -> bool:
    if wants_more:
        return tail(counted.count, counted.of, limit) <= doubt
    return tail(counted.of - counted.count, counted.of, 1.0 - limit) <= doubt


def _as_latency(finding: Finding, recent: Tally, total: Tally) -> Finding:
    """Return the finding with the quantile in place of the share that is slower."""
    rule = finding.rule
    if finding.value is None:
        return finding
    tally = recent if sum(recent.latency.values()) >= FEWEST_REQUESTS else total
    value = tally.quantile(1.0 - SLOWER[rule.name])
    shown = "nothing" if value is None else time_words(value)
    words = f"{rule.text}: {shown}, {share_words(finding.value)} of the answers were slower than the limit"
    return Finding(rule=rule, health=finding.health, value=value, words=words)


def _judged_metric(rule: WatchRule, quality: Quality | None) -> Finding:
    rows = 0 if quality is None else quality.rows
    value = None if quality is None else quality.metrics.get(rule.name)
    if quality is None or value is None or rows < FEWEST_ROWS or not isfinite(value):
        words = f"{rule.text}: no data, {rows} labelled rows"
        if rows >= FEWEST_ROWS:
            words += f" do not define {rule.name}"
        return Finding(rule=rule, health=Health.NO_DATA, value=None, words=words)
    is_bad = rule.operator.holds(value, rule.threshold) and _is_sure(rule, quality.losses)
    words = f"{rule.text}: {value:.6g} on {rows} labelled rows"
    return Finding(rule=rule, health=Health.BREACHED if is_bad else Health.HOLDS, value=value, words=words)


_MEANS: Final = {"mae": 0.0, "accuracy": 1.0, "f1_micro": 1.0}
"""Metrics that are a mean loss, or what is left of 1 by it."""


def _is_sure(rule: WatchRule, losses: Losses | None) -> bool:
    """Return whether a metric that is a mean is beyond its threshold by more than chance.

    Nothing is known of how much the other metrics vary, so they are taken as they are.
    """
    if rule.name not in _MEANS or losses is None or losses.rows < FEWEST_ROWS or not losses.variance > 0:
        return True
    limit = abs(_MEANS[rule.name] - rule.threshold)
    return abs(losses.mean - limit) / sqrt(losses.variance / losses.rows) > farthest_deviation(losses.rows, DOUBT)
