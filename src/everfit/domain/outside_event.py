"""Events of other programs, as CloudEvents or as EventBridge sends them, and the trigger events that they are."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from everfit.domain.errors import RequestError
from everfit.domain.project import Project
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import OtherEvent

LONGEST: Final = 512
"""Characters in an id, a source or a type."""
LARGEST_PAYLOAD: Final = 8_000
PREFIX: Final = "ce-"

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideEvent:
    """One occurrence, told by another program.

    Args:
        id: unique within its source.
        at: None when the sender does not say.
        payload: what else it says; None when that is too much to keep.
    """

    id: str
    source: str
    type: str
    at: datetime | None
    payload: object


def outside_events(body: object) -> list[OutsideEvent]:
    """Read events out of JSON: one CloudEvent, a batch of them, or an event of EventBridge.

    Raises:
        RequestError: it is none of these.
    """
    if isinstance(body, list):
        return [_event(each) for each in cast("list[object]", body)]
    return [_event(body)]


def binary_event(headers: Mapping[str, str], body: bytes) -> OutsideEvent:
    """Read a CloudEvent whose attributes are headers that start with ``ce-``."""
    attributes = {name[len(PREFIX) :]: value for name, value in headers.items() if name.startswith(PREFIX)}
    try:
        data: object = json.loads(body) if body else None
    except (ValueError, RecursionError):
        data = None
    return _cloud_event({**attributes, "data": data})


def trigger_events(
    found: Sequence[OutsideEvent], projects: Iterable[Project], actor: str, now: datetime
) -> list[TriggerEvent]:
    """Return what the events start; none for what nobody listens to."""
    listening = [
        (project.model, trigger)
        for project in projects
        for trigger in project.triggers
        if isinstance(trigger, OtherEvent)
    ]
    return [each for event in found for each in _started(event, listening, actor, now)]


def _started(
    event: OutsideEvent, listening: Sequence[tuple[str, OtherEvent]], actor: str, now: datetime
) -> Iterator[TriggerEvent]:
    for model, trigger in listening:
        if trigger.source != event.source or trigger.type not in (None, event.type):
            continue
        for environment in trigger.environments:
            yield TriggerEvent(
                id=f"event:{event.source}:{event.id}",
                kind=TriggerKind.EVENT,
                model=model,
                environment=environment,
                actor=actor,
                at=event.at or now,
                trigger=trigger.key,
                subject=f"{event.type} from {event.source}",
                detail={"source": event.source, "type": event.type, "payload": event.payload},
            )


def _event(body: object) -> OutsideEvent:
    if not isinstance(body, dict):
        raise RequestError("The body is no event: neither a CloudEvent nor one of EventBridge.")
    values = cast("Json", body)
    if "specversion" in values:
        return _cloud_event(values)
    if "detail-type" in values:
        return OutsideEvent(
            id=_text(values, "id"),
            source=_text(values, "source"),
            type=_text(values, "detail-type"),
            at=_time(values.get("time")),
            payload=_bounded(values.get("detail")),
        )
    raise RequestError("The body is no event: it has neither specversion (CloudEvents) nor detail-type (EventBridge).")


def _cloud_event(values: Json) -> OutsideEvent:
    if values.get("specversion") != "1.0":
        raise RequestError("The event has a specversion that is not 1.0.")
    return OutsideEvent(
        id=_text(values, "id"),
        source=_text(values, "source"),
        type=_text(values, "type"),
        at=_time(values.get("time")),
        payload=_bounded(values.get("data")),
    )


def _text(values: Json, name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST or not value.isprintable():
        raise RequestError(f"The event needs {name}: a text of 1 to {LONGEST} characters.")
    return value


def _time(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RequestError("The event has a time that is no moment with a time zone, such as 2026-11-21T09:00:00Z.")
    return moment


def _bounded(payload: object) -> object:
    return payload if len(json.dumps(payload)) <= LARGEST_PAYLOAD else None
