"""Whose data lies where: the data sources of all projects, each with the models and environments that wait for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from everfit.application.workspace import Workspace
from everfit.domain.project import Format
from everfit.domain.triggers import NewData

SETTLE: Final = timedelta(seconds=2)
"""How long a file must have been left alone; users who want no quiet time at all wait no time for it."""
NEVER_SETTLES: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model in an environment that is to learn from new data.

    Args:
        source: a folder, a glob or a URL.
        secrets: that must not be shown.
    """

    model: str
    environment: str
    source: str
    format: Format
    trigger: NewData
    secrets: frozenset[str]

    @property
    def mark(self) -> str:
        """Key of what is remembered of it in the inbox."""
        return f"data:{self.model}:{self.environment}"

    @property
    def source_digest(self) -> str:
        """Name the source without showing a password that its URL may hold."""
        return digest_of(self.source)

    @property
    def wants_rows(self) -> bool:
        """Whether it matters how many rows are new."""
        return self.format.is_table and self.trigger.pace.at_least.rows > 0


def targets_of(workspaces: Iterable[Workspace]) -> Mapping[str, tuple[Target, ...]]:
    """Return every target, by its source."""
    found: dict[str, dict[str, Target]] = {}
    for workspace in workspaces:
        for target in _targets_in(workspace):
            found.setdefault(target.source, {}).setdefault(target.mark, target)
    return {source: tuple(targets.values()) for source, targets in found.items()}


def _targets_in(workspace: Workspace) -> Iterator[Target]:
    project = workspace.project
    for trigger in (trigger for trigger in project.triggers if isinstance(trigger, NewData)):
        for name in trigger.environments:
            data = project.data_in(project.environments[name])
            yield Target(
                model=project.model,
                environment=name,
                source=data.source,
                format=data.format,
                trigger=trigger,
                secrets=project.secrets,
            )


def digest_of(text: str) -> str:
    """Return a short name of a text."""
    return sha256(text.encode()).hexdigest()[:16]


def settle_time(targets: Iterable[Target]) -> timedelta:
    """Return how long a file must have been left alone before it is reported."""
    return min(SETTLE, *(target.trigger.pace.quiet_for for target in targets))


def longest_wait(targets: Iterable[Target]) -> timedelta:
    """Return after what time a file is reported although it goes on changing."""
    return min(target.trigger.pace.at_most or NEVER_SETTLES for target in targets) or NEVER_SETTLES


def shortest_every(targets: Iterable[Target]) -> timedelta:
    """Return the time between two looks at all of a source."""
    return min(target.trigger.every for target in targets)


def next_turn(now: datetime, every: timedelta, source: str) -> datetime:
    """Return when to look at all of the source again, so that a thousand sources do not have the same moment."""
    step = max(every.total_seconds(), 1.0)
    phase = int(digest_of(source), 16) % 1_000_000 / 1_000_000 * step
    passed = (now.timestamp() - phase) % step
    return now + timedelta(seconds=step - passed)
