"""Notices: what people are to be told. One is written in the transaction of what it tells of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final

from everfit.domain.inbox import Pause
from everfit.domain.run import Outcome, Run
from everfit.domain.version import Served


class NoticeKind(Enum):
    """What is told."""

    DEPLOYED = "deployed"
    APPROVED = "approved"
    REJECTED = "rejected"
    NEEDS_APPROVAL = "needs approval"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled back"
    PAUSED = "paused"
    RESUMED = "resumed"
    NO_SUCCESS = "no success"
    RECOVERED = "recovered"
    TROUBLE = "trouble"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell.

    Args:
        id: the same whenever the same thing is told again, so that it is told once.
        environment: None when it is about the whole model.
        cause: alike for notices that repeat each other; a storm of them is told once for each window.
        facts: JSON that the words are made of, besides what the store knows of the run.
        place: counts the notices of an installation, from the moment it is kept.
    """

    id: str
    kind: NoticeKind
    model: str
    environment: str | None
    run: str | None
    cause: str
    at: datetime
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    place: int = 0


TOLD = {
    Outcome.DEPLOYED: NoticeKind.DEPLOYED,
    Outcome.APPROVED: NoticeKind.APPROVED,
    Outcome.REJECTED: NoticeKind.REJECTED,
    Outcome.NEEDS_APPROVAL: NoticeKind.NEEDS_APPROVAL,
    Outcome.FAILED: NoticeKind.FAILED,
    Outcome.CANCELLED: NoticeKind.CANCELLED,
}
"""A run that is skipped is told to nobody: nothing changed, and nothing is to be done."""

WELL: Final = (Outcome.DEPLOYED, Outcome.APPROVED, Outcome.SKIPPED)
"""A run that ended so shows that nothing is broken any more."""
TURNED_BACK: Final = "was rolled back"
"""In the reason of a run that is skipped as it would only bring back what failed: that shows nothing."""


def notices_of(run: Run, *, now: datetime, serving: int | None, had_failed: bool) -> tuple[Notice, ...]:
    """Return what is told of a run that has ended, or that waits for a person from now on.

    Args:
        serving: the version that serves when it has ended.
        had_failed: whether a run of the same place has failed since the last one that ended well.
    """
    if run.outcome is None:
        return ()
    facts: dict[str, object] = {"reason": run.reason, "version": run.version, "serving": serving}
    kinds = [TOLD[run.outcome]] if run.outcome in TOLD else []
    is_well = run.outcome in WELL and not (run.outcome is Outcome.SKIPPED and TURNED_BACK in (run.reason or ""))
    if had_failed and is_well:
        kinds.append(NoticeKind.RECOVERED)
        facts |= {"outcome": run.outcome.value}
    return tuple(
        Notice(
            id=f"run:{run.id}:{kind.value}",
            kind=kind,
            model=run.model,
            environment=run.environment,
            run=run.id,
            cause=_cause(run, kind),
            at=now,
            facts=facts,
        )
        for kind in kinds
    )


def _cause(run: Run, kind: NoticeKind) -> str:
    """Return what makes two ends of runs alike: failures of one step, rejections; else no two are."""
    match kind:
        case NoticeKind.FAILED:
            # The reason of a failed run begins with the step; the rest may hold numbers that differ each time.
            return f"failed:{(run.reason or '').partition(' ')[0]}"
        case NoticeKind.REJECTED | NoticeKind.RECOVERED:
            return str(kind.value)
        case _:
            return f"{kind.value}:{run.id}"


def rolled_back(served: Served, before: int | None) -> Notice:
    """Return what is told when the traffic went back to an older version."""
    return Notice(
        id=f"rolled back:{served.model}:{served.environment}:{served.version}:{served.since.isoformat()}",
        kind=NoticeKind.ROLLED_BACK,
        model=served.model,
        environment=served.environment,
        run=served.run,
        cause=f"rolled back:{served.version}:{served.since.isoformat()}",
        at=served.since,
        facts={
            "version": served.version,
            "before": before,
            "serving": served.version,
            "reason": served.reason,
            "actor": served.actor,
        },
    )


def paused(pause: Pause) -> Notice:
    """Return what is told when somebody pauses a model."""
    name = f"paused:{pause.model}:{pause.environment or ''}:{pause.since.isoformat()}"
    return Notice(
        id=name,
        kind=NoticeKind.PAUSED,
        model=pause.model,
        environment=pause.environment,
        run=None,
        cause=name,
        at=pause.since,
        facts={"reason": pause.reason, "actor": pause.actor},
    )


def resumed(model: str, environment: str | None, now: datetime) -> Notice:
    """Return what is told when a pause is taken back."""
    name = f"resumed:{model}:{environment or ''}:{now.isoformat()}"
    return Notice(id=name, kind=NoticeKind.RESUMED, model=model, environment=environment, run=None, cause=name, at=now)
