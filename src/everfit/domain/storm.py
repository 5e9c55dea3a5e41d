"""Storm control: of notices that repeat each other one is told in each window, and it says how many there were.

What repeats is not lost: the newest of them is held until the window is over and told then, so that the last thing
that people were told is never wrong for longer than a window. A change is told at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from everfit.domain.notice import Notice

WINDOW: Final = timedelta(hours=6)
RUNS: Final = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The newest notice of the same kind and cause that was told in the channel, or that is held for it."""

    planned: datetime
    repeats: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When to tell a notice, and what it stands for besides itself.

    Args:
        supersedes: whether the earlier one that is held is not told any more.
    """

    due: datetime
    repeats: int = 0
    since: datetime | None = None
    supersedes: bool = False


def thread_of(notice: Notice) -> str:
    """Return what the notice says the newest of: how the runs of a place end, or whether some trouble goes on."""
    return RUNS if notice.run is not None else notice.cause.replace(f":{notice.kind.value}", "")


def plan(
    notice: Notice, earlier: Earlier | None, changed: datetime | None, now: datetime, window: timedelta = WINDOW
) -> Plan:
    """Return when to tell the notice.

    Args:
        earlier: None when none was told or is held.
        changed: when the newest notice of another kind was told in the same thread.
    """
    if earlier is None:
        return Plan(due=now)
    if earlier.planned > now:
        return Plan(due=earlier.planned, repeats=earlier.repeats + 1, since=earlier.since, supersedes=True)
    is_change = changed is not None and changed >= earlier.planned and thread_of(notice) == RUNS
    if is_change or earlier.planned + window <= now:
        return Plan(due=now)
    return Plan(due=earlier.planned + window, since=earlier.planned)
