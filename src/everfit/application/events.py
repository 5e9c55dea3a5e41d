"""Put what other programs tell into the inbox, for every project that listens to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never, cast

from everfit.application.ports import Catalog, Ports
from everfit.application.ports.topics import Topics
from everfit.domain.errors import RefusedError, RequestError
from everfit.domain.outside_event import OutsideEvent, binary_event, outside_events, trigger_events
from everfit.domain.s3_event import s3_events, s3_places
from everfit.domain.sns_message import SnsKind, SnsMessage, check_age, sns_message
from everfit.domain.trigger import TriggerEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a delivery.

    Args:
        accepted: events that were written down now.
        known: events that had been written down before.
        note: what else there is to say.
    """

    accepted: Sequence[TriggerEvent] = ()
    known: Sequence[TriggerEvent] = ()
    note: str | None = None


def take_events(body: bytes, headers: Mapping[str, str], actor: str, catalog: Catalog, ports: Ports) -> Taken:
    """Accept events that a program sends, in one transaction.

    Args:
        headers: with names in lower case; those of a CloudEvent may hold its attributes.

    Raises:
        RequestError: it cannot be read.
    """
    projects = [workspace.project for workspace in catalog.workspaces().values()]
    now = ports.clock.now()
    if "ce-id" in headers or "ce-specversion" in headers:
        return _taken(trigger_events([binary_event(headers, body)], projects, actor, now), ports)
    content = _json(body)
    stored = s3_events(content, s3_places(projects), now)
    if _is_of_storage(content):
        return _taken(stored, ports)
    return _taken([*stored, *trigger_events(outside_events(content), projects, actor, now)], ports)


def take_sns(body: bytes, topics: Topics, catalog: Catalog, ports: Ports) -> Taken:
    """Accept what SNS sends, once its signature was checked.

    Raises:
        RequestError: it cannot be read.
        RefusedError: it is not signed by SNS, too old, or of a topic that is not allowed.
    """
    message = sns_message(body)
    if not topics.is_allowed(message.topic):
        raise RefusedError(
            "The topic is not allowed to send messages here. Name it in EVERFIT_SNS_TOPICS and start the service again."
        )
    check_age(message, ports.clock.now())
    topics.check(message)
    match message.kind:
        case SnsKind.NOTIFICATION:
            return _notified(message, catalog, ports)
        case SnsKind.SUBSCRIPTION:
            topics.confirm(message)
            return Taken(note=f"the subscription to {message.topic} is confirmed")
        case SnsKind.UNSUBSCRIPTION:
            return Taken(note=f"the subscription to {message.topic} has ended; it was not renewed")
        case _:
            assert_never(message.kind)


def _notified(message: SnsMessage, catalog: Catalog, ports: Ports) -> Taken:
    projects = [workspace.project for workspace in catalog.workspaces().values()]
    actor, now = f"sns:{message.topic}", ports.clock.now()
    content, found = _wrapped(message)
    stored = s3_events(content, s3_places(projects), now)
    of_topic = OutsideEvent(
        id=message.id, source=message.topic, type=message.subject or "Notification", at=message.at, payload=None
    )
    return _taken([*stored, *trigger_events([*found, of_topic], projects, actor, now)], ports)


def _wrapped(message: SnsMessage) -> tuple[object, list[OutsideEvent]]:
    """Return what the message wraps, as JSON and as events; a text of any other kind is neither."""
    try:
        content = _json(message.text.encode(errors="replace"))
    except RequestError:
        return None, []
    try:
        return content, outside_events(content)
    except RequestError:
        return content, []


def _is_of_storage(content: object) -> bool:
    """Tell whether it is in S3's own form, which no other reader knows, rather than an event of EventBridge."""
    if not isinstance(content, dict):
        return False
    values = cast("Mapping[str, object]", content)
    return "Records" in values or values.get("Event") == "s3:TestEvent"


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("The body is no valid JSON.") from None


def _taken(events: Sequence[TriggerEvent], ports: Ports) -> Taken:
    if not events:
        return Taken(note="nobody here waits for this")
    new = ports.inbox.accept(events)
    pairs = list(zip(events, new, strict=True))
    return Taken(accepted=[event for event, is_new in pairs if is_new], known=[e for e, is_new in pairs if not is_new])
