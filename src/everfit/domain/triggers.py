"""The triggers of a project, typed: what each waits for, in which environments, and at what pace runs may follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from everfit.domain.trigger import Amount, TriggerKind

AT_ONCE: Final = timedelta(0)
BY_API: Final = "api"
FORCED: Final = "api:forced"
"""Keys of what a person or a program asks for; what is forced waits for no pace and no budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast events become runs.

    Args:
        quiet_for: how long nothing more may arrive before a run starts.
        at_most: how long the first event waits in any case.
        cooldown: shortest time between the start of the last run and the next that this trigger starts.
        at_least: how much must be new.
    """

    quiet_for: timedelta = AT_ONCE
    at_most: timedelta | None = None
    cooldown: timedelta = AT_ONCE
    at_least: Amount = field(default_factory=Amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What every trigger has.

    Args:
        key: names it within its project, for ever: made of what it waits for, never of its position in the file.
        environments: in which it starts runs.
    """

    key: str
    environments: tuple[str, ...]
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Trigger):
    """Fires at the times of a cron line, or of EventBridge's ``cron(…)`` or ``rate(…)``."""

    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewData(Trigger):
    """Fires when the data changes; ``every`` is the time between two looks at all of it."""

    every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Push(Trigger):
    """Fires when a commit arrives on a branch; only paths that one of the globs matches count, empty means all."""

    branch: str = "main"
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Trigger):
    """Fires when a tag that matches the glob arrives and what stands for its ``*`` is a semantic version."""

    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Trigger):
    """Fires when the live data has moved away from the training data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEvent(Trigger):
    """Fires when another program's event arrives; ``type`` None takes every type of that source."""

    source: str
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api(Trigger):
    """Whether a program may start runs over HTTP."""

    is_allowed: bool = True


KINDS: Final[Mapping[type[Trigger], TriggerKind]] = {
    Schedule: TriggerKind.SCHEDULE,
    NewData: TriggerKind.DATA,
    Push: TriggerKind.PUSH,
    Tag: TriggerKind.TAG,
    Drift: TriggerKind.DRIFT,
    OtherEvent: TriggerKind.EVENT,
    Api: TriggerKind.API,
}


def kind_of(trigger: Trigger) -> TriggerKind:
    """Return the kind of event that the trigger waits for."""
    return KINDS[type(trigger)]
