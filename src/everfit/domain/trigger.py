"""Trigger events: why a run may start. Each accepted one has exactly one recorded end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from everfit.domain.run import Outcome

NO_DETAIL: Mapping[str, object] = MappingProxyType({})


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
class Amount:
    """How much data is new."""

    files: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(files=self.files + other.files, rows=self.rows + other.rows, bytes=self.bytes + other.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """One occurrence.

    Args:
        id: the sender's own; it stays the same when the event is delivered twice, and through restarts.
        actor: who or what caused it.
        at: when it happened, by its sender.
        trigger: key of the trigger in the project that it belongs to, such as ``data``; see ``Trigger.key``.
        subject: what happened, in words for people.
        amount: how much data it is about.
        detail: JSON of at most 16 kB that the run needs; ``Wish`` names the keys that mean something.
    """

    id: str
    kind: TriggerKind
    model: str
    environment: str
    actor: str
    at: datetime
    trigger: str = ""
    subject: str = ""
    amount: Amount = field(default_factory=Amount)
    detail: Mapping[str, object] = field(default_factory=lambda: NO_DETAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a run is to do otherwise than usual, as its events ask for it.

    Args:
        force: train even when there is nothing new to learn from.
        accept_schema: learn columns and labels anew.
        promote: version whose bytes are taken instead of training.
        hold: wait for a person before the deployment, whatever the approval policy says.
        commit: of the code that is wanted; None takes what lies in the project folder.
        release: what a tag calls it, such as ``0.1.2``.
    """

    force: bool = False
    accept_schema: bool = False
    promote: int | None = None
    hold: bool = False
    commit: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An accepted event, the run it went into, and how it ended.

    Args:
        place: counts the accepted events of an installation; it only grows.
        accepted: when it was written down.
    """

    event: TriggerEvent
    end: EventEnd
    run: str | None = None
    reason: str | None = None
    place: int = 0
    accepted: datetime | None = None
    ended: datetime | None = None


def end_of_event(outcome: Outcome, *, is_first: bool) -> EventEnd:
    """Return how an event ends whose run ended with *outcome*; the first event of a run is the one that started it."""
    if outcome in (Outcome.SKIPPED, Outcome.CANCELLED):
        return EventEnd.SKIPPED
    if outcome is Outcome.FAILED:
        return EventEnd.FAILED
    return EventEnd.RAN if is_first else EventEnd.MERGED


def consumes(outcome: Outcome) -> bool:
    """Tell whether a run that ended so has used up the data it was started for; else it counts for the next one."""
    return outcome not in (Outcome.REJECTED, Outcome.FAILED, Outcome.CANCELLED)
