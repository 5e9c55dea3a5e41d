"""Notifications of S3, as trigger events of the models whose data lies there.

S3 tells of a change in three envelopes: its own records, those records as text in a message of SNS or SQS, and an event
of EventBridge. Its own records have URL-encoded keys, those of EventBridge are plain.

An event brings no amount: the listing that follows it says exactly how much is new, and nothing may be counted twice.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from everfit.domain.amounts import sized
from everfit.domain.data_names import has_magic, is_data, matches
from everfit.domain.project import Project
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import NewData

DEEPEST: Final = 4
"""Envelopes inside envelopes: EventBridge or S3, in SNS, in SQS."""
SCHEMES: Final = ("s3://", "s3a://")
LONGEST: Final = 1024
"""Bytes in a key of S3; nothing else in a notification is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """Where the data of a model lies, and whose trigger waits for it.

    Args:
        pattern: prefix of the keys, or a glob.
        trigger: key of the trigger.
    """

    model: str
    environment: str
    trigger: str
    bucket: str
    pattern: str

    def holds(self, key: str) -> bool:
        """Tell whether the object is a part of the data."""
        if has_magic(self.pattern):
            fixed = self.pattern.replace("?", "*").replace("[", "*").partition("*")[0].rpartition("/")[0]
            return is_data(key[len(fixed) :].lstrip("/")) and matches(key, self.pattern)
        if key == self.pattern:
            return True
        below = f"{self.pattern}/" if self.pattern else ""
        return key.startswith(below) and is_data(key[len(below) :])


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Change:
    """An object that was written or deleted.

    Args:
        version: of a bucket that keeps versions, else empty.
        sequencer: orders the changes of one object.
        size: in bytes, None for one that was deleted.
    """

    bucket: str
    key: str
    version: str
    sequencer: str
    is_removal: bool
    size: int | None
    at: datetime | None

    @property
    def id(self) -> str:
        """Name the change for ever, however often and in whichever envelope it is told."""
        return f"s3:{self.bucket}/{self.key}#{self.version}@{self.sequencer}"


def s3_places(projects: Iterable[Project]) -> tuple[S3Place, ...]:
    """Return where the data of these projects lies on S3, for each environment that a trigger for new data names."""
    return tuple(place for project in projects for place in _places_of(project))


def _places_of(project: Project) -> Iterator[S3Place]:
    for trigger in (trigger for trigger in project.triggers if isinstance(trigger, NewData)):
        for name in trigger.environments:
            source = project.data_in(project.environments[name]).source
            if source.startswith(SCHEMES):
                bucket, _, pattern = source.partition("://")[2].partition("/")
                yield S3Place(
                    model=project.model,
                    environment=name,
                    trigger=trigger.key,
                    bucket=bucket,
                    pattern=pattern.rstrip("/"),
                )


def s3_events(notification: object, places: Iterable[S3Place], now: datetime) -> list[TriggerEvent]:
    """Return what a notification starts: none for a test message, another service, or a key that is no model's data.

    Args:
        notification: what was posted, read from JSON.
        now: used when the notification does not say when the change was made.
    """
    every = tuple(places)
    return [
        _event(change, place, now)
        for change in s3_changes(notification)
        for place in every
        if place.bucket == change.bucket and place.holds(change.key)
    ]


def s3_changes(notification: object, depth: int = DEEPEST) -> Iterator[S3Change]:
    """Yield the objects that a notification tells of, whatever it is wrapped in."""
    body = _mapping(notification)
    if body is None or depth == 0:
        return
    if body.get("source") == "aws.s3":
        yield from _of_eventbridge(body)
    elif isinstance(body.get("Message"), str):
        yield from _inside(body["Message"], depth)
    records = body.get("Records")
    for record in map(_mapping, cast("list[object]", records) if isinstance(records, list) else ()):
        if record is not None:
            yield from _of_record(record, depth)


def _inside(text: object, depth: int) -> Iterator[S3Change]:
    try:
        wrapped: object = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return
    yield from s3_changes(wrapped, depth - 1)


def _of_record(record: Mapping[str, object], depth: int) -> Iterator[S3Change]:
    match record.get("eventSource", record.get("EventSource")):
        case "aws:sns":
            yield from s3_changes(record.get("Sns"), depth - 1)
        case "aws:sqs":
            yield from _inside(record.get("body"), depth)
        case "aws:s3":
            name, s3 = str(record.get("eventName", "")).removeprefix("s3:"), _mapping(record.get("s3")) or {}
            if name.startswith(("ObjectCreated", "ObjectRemoved", "LifecycleExpiration")):
                yield from _change(s3, record.get("eventTime"), is_removal=not name.startswith("ObjectCreated"))
        case _:
            return


def _of_eventbridge(body: Mapping[str, object]) -> Iterator[S3Change]:
    if body.get("detail-type") in ("Object Created", "Object Deleted"):
        is_removal, detail = body["detail-type"] == "Object Deleted", _mapping(body.get("detail")) or {}
        yield from _change(detail, body.get("time"), is_removal=is_removal, is_encoded=False)


def _change(told: Mapping[str, object], at: object, *, is_removal: bool, is_encoded: bool = True) -> Iterator[S3Change]:
    bucket, found = _mapping(told.get("bucket")) or {}, _mapping(told.get("object")) or {}
    key, size = found.get("key"), found.get("size")
    # A storage that only resembles S3 may give no sequencer; then the content and the time name the change.
    order = found.get("sequencer") or f"{found.get('eTag', found.get('etag', ''))}.{at}"
    change = S3Change(
        bucket=str(bucket.get("name") or ""),
        key=_decoded(str(key or "")) if is_encoded else str(key or ""),
        version=str(found.get("versionId") or found.get("version-id") or ""),
        sequencer=str(order),
        is_removal=is_removal,
        size=size if isinstance(size, int) and not is_removal else None,
        at=_time(at),
    )
    names = (change.bucket, change.key, change.version, change.sequencer)
    if change.bucket and change.key and not change.key.endswith("/") and all(map(_is_plain, names)):
        yield change


def _decoded(key: str) -> str:
    raw = key.replace("+", " ").encode(errors="replace")
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), raw).decode(errors="replace")


def _is_plain(text: str) -> bool:
    """Tell whether it can be a name: nothing that a store or a terminal stumbles over."""
    return len(text) <= LONGEST and text.isprintable()


def _event(change: S3Change, place: S3Place, now: datetime) -> TriggerEvent:
    what = "deleted" if change.is_removal else f"written ({sized(change.size)})"
    return TriggerEvent(
        id=change.id,
        kind=TriggerKind.DATA,
        model=place.model,
        environment=place.environment,
        actor="s3",
        at=change.at or now,
        trigger=place.trigger,
        subject=f"s3://{change.bucket}/{change.key} was {what}",
        detail={"bucket": change.bucket, "key": change.key, "version": change.version or None, "size": change.size},
    )


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _mapping(value: object) -> Mapping[str, object] | None:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None
