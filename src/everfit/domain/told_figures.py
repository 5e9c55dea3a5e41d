"""What programs outside are told of a notice: points for CloudWatch, and the object that says what was trained last."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, cast

from everfit.domain.conclusion import Result
from everfit.domain.notice import NoticeKind
from everfit.domain.record import instant
from everfit.domain.version import Version

Content = Mapping[str, object]
SCHEMA: Final = 1
COUNTS: Final[Mapping[str, str]] = {
    NoticeKind.DEPLOYED.value: "RunDeployed",
    NoticeKind.APPROVED.value: "RunApproved",
    NoticeKind.REJECTED.value: "RunRejected",
    NoticeKind.NEEDS_APPROVAL.value: "RunNeedsApproval",
    NoticeKind.FAILED.value: "RunFailed",
    NoticeKind.ROLLED_BACK.value: "RolledBack",
}
JUDGED: Final = frozenset({NoticeKind.DEPLOYED.value, NoticeKind.REJECTED.value, NoticeKind.NEEDS_APPROVAL.value})
"""Kinds of notices that tell of a model that was measured, whatever became of it."""
DRIFT: Final = "ModelDriftDetected"
DATA_DRIFT: Final = "DataDrift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of what a notice tells of.

    Args:
        version: None when it is about none, or that one is gone.
        figures: of the run's own evaluation, by the metric's name.
    """

    version: Version | None = None
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of one metric."""

    name: str
    value: float
    dimensions: Mapping[str, str]
    is_count: bool = False


def metric_name(metric: str) -> str:
    """Return under which name a figure of a model is seen: ``ModelMAPE`` for mape."""
    return f"Model{metric.upper()}"


def points(content: Content, evidence: Evidence, endpoint: str) -> list[Point]:
    """Return what CloudWatch is given.

    Each figure comes twice: by ``EndpointName``, which the drift alarms look at, and by model and environment, with the
    counts. CloudWatch keeps each set of dimensions as a metric of its own and adds up none of them.
    """
    kind = str(content["kind"])
    here = {"Model": str(content["model"]), "Environment": str(content["environment"])}
    found = [
        Point(name=metric_name(name), value=value, dimensions=dimensions)
        for name, value in (evidence.figures.items() if kind in JUDGED else ())
        for dimensions in ({"EndpointName": endpoint}, here)
    ]
    return [*found, *(_count(name, here) for name in _counted(content, kind))]


def _counted(content: Content, kind: str) -> Iterator[str]:
    if kind in COUNTS:
        yield COUNTS[kind]
    rules = content.get("rules")
    failed = [
        each
        for each in (cast("list[Mapping[str, object]]", rules) if isinstance(rules, list) else [])
        if each.get("result") == Result.FAIL.value
    ]
    # A limit from which on a person is asked is as much missed as one of the gate.
    is_asked = kind == NoticeKind.NEEDS_APPROVAL.value and " holds (" in str(content.get("reason"))
    if is_asked or (kind == NoticeKind.REJECTED.value and failed):
        yield DRIFT
    if content.get("trigger") == "drift":
        yield DATA_DRIFT


def _count(name: str, dimensions: Mapping[str, str]) -> Point:
    return Point(name=name, value=1.0, dimensions=dimensions, is_count=True)


def last_trained(content: Content, evidence: Evidence) -> Mapping[str, object] | None:
    """Return what the object says: a shape that stays; None when the notice is about no version.

    ``at`` is when the run had its outcome. Whoever wants to know what serves reads ``serving``.
    """
    version = evidence.version
    if version is None:
        return None
    counted = version.lineage.get("rows")
    rows = dict(cast("Content", counted)) if isinstance(counted, Mapping) else {}
    return {
        "schema": SCHEMA,
        "model": version.model,
        "environment": content["environment"],
        "version": version.number,
        "outcome": content["kind"],
        "serving": content["serving"],
        "trained_at": instant(version.created),
        "at": content["at"],
        "run": content["run"],
        "data": {
            "snapshot": version.snapshot,
            "rows": rows,
        },
        "metrics": dict(evidence.figures),
        "artifact": version.artifact,
        "commit": version.lineage.get("commit"),
    }


def is_newer(new: Mapping[str, object], kept: object) -> bool:
    """Tell whether *new* takes the place of what the object says; what cannot be read is replaced."""
    before = _moment(cast("Content", kept).get("at")) if isinstance(kept, dict) else None
    after = _moment(new["at"])
    return before is None or (after is not None and after > before)


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
