"""Trigger events: why a run may start. Each accepted one has exactly one recorded end."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


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
