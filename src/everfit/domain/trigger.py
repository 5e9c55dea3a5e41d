"""Trigger events: why a run may start. Each accepted one has exactly one recorded end."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from everfit.domain.run import Outcome


class TriggerKind(Enum):
    """What kind of thing happened."""

    SCHEDULE = "schedule"
    DATA = "data"
    PUSH = "push"
    TAG = "tag"
    DRIFT = "drift"
    API = "api"
    EVENT = "event"


class EventEnd(Enum):
    """How an event ended."""

    PENDING = "pending"
    RAN = "ran"
    MERGED = "merged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """One occurrence.

    Args:
        id: stays the same when the event is delivered twice.
        actor: who or what caused it.
    """

    id: str
    kind: TriggerKind
    model: str
    environment: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An accepted event, the run it went into, and how it ended."""

    event: TriggerEvent
    end: EventEnd
    run: str | None = None
    reason: str | None = None


def end_of_event(outcome: Outcome, *, is_first: bool) -> EventEnd:
    """Return how an event ends whose run ended with *outcome*; the first event of a run is the one that started it."""
    if outcome is Outcome.SKIPPED:
        return EventEnd.SKIPPED
    if outcome is Outcome.FAILED:
        return EventEnd.FAILED
    return EventEnd.RAN if is_first else EventEnd.MERGED
