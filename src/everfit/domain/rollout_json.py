"""A rollout as plain JSON, and back; what an older release wrote takes the defaults of what came later."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from everfit.domain.live import Tally
from everfit.domain.record import from_plain, to_plain
from everfit.domain.rollout_plan import Rollout, Strategy
from everfit.domain.rollout_progress import Progress

_TIMES: Final = ("bake", "patience")


def to_json(progress: Progress) -> dict[str, Any]:
    """Return all of the rollout as what JSON can hold; lengths of time are in seconds."""
    plain: dict[str, Any] = to_plain(progress)
    for name in _TIMES:
        plain["plan"][name] = getattr(progress.plan, name).total_seconds()
    return plain


def from_json(plain: Mapping[str, Any]) -> Progress:
    """Return the rollout that ``to_json`` wrote."""
    simple = {name: value for name, value in plain.items() if name not in ("baseline", "earlier")}
    baseline = {int(version): _tally(tally) for version, tally in plain.get("baseline", {}).items()}
    return replace(
        from_plain(Progress, simple),
        plan=_plan(plain["plan"]),
        baseline=MappingProxyType(baseline),
        earlier=_tally(plain.get("earlier", {})),
    )


def _plan(plain: Mapping[str, Any]) -> Rollout:
    given = {each.name: plain[each.name] for each in fields(Rollout) if each.name in plain}
    given.update({name: timedelta(seconds=plain[name]) for name in _TIMES if name in plain})
    given.update(strategy=Strategy(plain["strategy"]), steps=tuple(plain.get("steps", ())))
    return Rollout(**given)


def _tally(plain: Mapping[str, Any]) -> Tally:
    buckets = {int(bucket): count for bucket, count in plain.get("latency", {}).items()}
    counts = {each.name: plain[each.name] for each in fields(Tally) if each.name in plain and each.name != "latency"}
    return Tally(**counts, latency=MappingProxyType(buckets))
