"""The alert that comes when nothing does: no run has deployed for too long, whatever the reason.

It looks at what was deployed last and at nothing else, so that it also works when the schedule was lost, the model is
paused or every trigger is broken.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.amounts import lasting
from everfit.domain.message import moment
from everfit.domain.notice import Notice, NoticeKind

CAUSE: Final = "no success"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A model in an environment.

    Args:
        limit: how long nothing may be deployed.
        since: when it was first seen here.
        success: when a run has deployed last, if one ever has.
    """

    model: str
    environment: str
    limit: timedelta
    since: datetime
    success: datetime | None


def watch_for_silence(workspaces: Mapping[str, Workspace], ports: Ports) -> int:
    """Note each place in which no run has deployed for too long, and each that has recovered; return how many."""
    return sum(_look(place, ports) for place in _watched(workspaces, ports))


def _watched(workspaces: Mapping[str, Workspace], ports: Ports) -> Iterator[_Watched]:
    limits = {
        (model, environment): workspace.project.no_success_for
        for model, workspace in workspaces.items()
        for environment in workspace.project.environments
        if workspace.project.no_success_for is not None
    }
    if not limits:
        return
    seen, successes = ports.outbox.watch(list(limits)), ports.store.last_successes()
    for (model, environment), limit in limits.items():
        place = (model, environment)
        yield _Watched(
            model=model, environment=environment, limit=limit, since=seen[place], success=successes.get(place)
        )


def _look(place: _Watched, ports: Ports) -> bool:
    now = ports.clock.now()
    # What was deployed before anybody watched says how long ago that is as well.
    silent_since = place.since if place.success is None else place.success
    windows = (now - silent_since) // place.limit
    if windows >= 1:
        return ports.outbox.note(_silence(place, silent_since, windows, now))
    told = ports.outbox.newest(place.model, place.environment, CAUSE)
    if told is None or place.success is None or told.at > place.success:
        return False
    return ports.outbox.note(_recovery(place, told, now))


def _silence(place: _Watched, silent_since: datetime, windows: int, now: datetime) -> Notice:
    """The number of the window is in the id: each is told once, whoever looks and however often."""
    last = "since this model is watched" if place.success is None else "since the last one"
    return Notice(
        id=f"{CAUSE}:{place.model}:{place.environment}:{silent_since.isoformat()}:{windows}",
        kind=NoticeKind.NO_SUCCESS,
        model=place.model,
        environment=place.environment,
        run=None,
        cause=CAUSE,
        at=now,
        facts={
            "reason": f"no successful retraining for {lasting(windows * place.limit)}: no run has deployed a version "
            f"{last}, {moment(silent_since)}",
        },
    )


def _recovery(place: _Watched, told: Notice, now: datetime) -> Notice:
    return Notice(
        id=f"recovered:{told.id}",
        kind=NoticeKind.RECOVERED,
        model=place.model,
        environment=place.environment,
        run=None,
        cause=f"{CAUSE}:{NoticeKind.RECOVERED.value}",
        at=now,
        facts={"reason": "a run has deployed a version again", "outcome": NoticeKind.DEPLOYED.value},
    )
