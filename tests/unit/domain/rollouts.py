"""Rollouts and what a host has counted, made short for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from everfit.domain.live import Observation, Tally, bucket_of
from everfit.domain.rollout import Evidence, Order, OrderKind, Progress, advanced, applied, decide, shares_of
from everfit.domain.rollout_plan import Rollout, Strategy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTES = timedelta(minutes=10)
CHAMPION, CHALLENGER = 7, 8
CANARY = Rollout(strategy=Strategy.CANARY, steps=(0.1, 0.5), bake=MINUTES)


def rollout(plan: Rollout = CANARY, **given: Any) -> Progress:
    known = {"model": "m", "environment": "production", "endpoint": "e", "run": "r1", "champion": CHAMPION}
    return Progress(**{**known, "challenger": CHALLENGER, "plan": plan, "begun": NOON, **given})


def tally(requests: int, *, errors: int = 0, seconds: float = 0.02, **given: Any) -> Tally:
    latency = {bucket_of(seconds): requests} if requests else {}
    return Tally(requests=requests, errors=errors, latency=latency, **given)


def observed(progress: Progress, totals: Mapping[int, Tally], epoch: str = "a", **given: Any) -> Observation:
    """Return what a host has counted that gives what the rollout says."""
    shares = shares_of(progress)
    return Observation(epoch=epoch, weights=shares.weights, shadows=shares.shadows, totals=totals, **given)


def in_effect(progress: Progress, totals: Mapping[int, Tally] | None = None, at: datetime = NOON) -> Progress:
    return applied(progress, observed(progress, totals or {CHAMPION: tally(10_000)}), at)


def evidence(progress: Progress, champion: Tally, challenger: Tally, **given: Any) -> Evidence:
    """Return what both have done since the phase took effect."""
    nothing = Tally()
    done = {CHAMPION: champion, CHALLENGER: challenger}
    totals = {version: progress.baseline.get(version, nothing).plus(each) for version, each in done.items()}
    return Evidence(observation=observed(progress, totals), **given)


def looked(progress: Progress, found: Evidence, at: datetime) -> Progress:
    return advanced(progress, decide(progress, found, at), found.observation, at)


def order(kind: OrderKind, at: datetime = NOON) -> Order:
    return Order(kind=kind, actor="ann", reason="so be it", at=at)
