"""Puts what happened into the inbox: new objects from a queue, and the times of schedules.

A message is acknowledged when its events are in the inbox, and not before; what comes of them never makes it come back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everfit.application.chores import SCHEDULES, dispatched
from everfit.application.facts import Facts
from everfit.application.kept import Kept
from everfit.domain.errors import EverfitError
from everfit.domain.s3_event import S3Place, s3_events, s3_places
from everfit.domain.trigger import TriggerEvent
from everfit.interfaces.lambdas.answers import Json, failed
from everfit.interfaces.lambdas.log import log
from everfit.interfaces.lambdas.opened import LambdaContext, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """A message of the queue, and the trigger events that it is."""

    id: str
    events: Sequence[TriggerEvent]


def handler(event: Mapping[str, object], context: LambdaContext) -> Json:
    """Take a batch of the queue, or the time of a schedule."""
    return handle(event, opened(context, watches=True))


def handle(event: Mapping[str, object], kept: Kept) -> Json:
    """Accept what happened, start the run that is due, and say which messages have to come again.

    Raises:
        CallError: the time of a schedule could not be taken; the same call again takes it.
    """
    if "Records" not in event:
        return _of_schedule(kept)
    messages, failed = _read(Facts("The event", event).objects("Records"), kept)
    failed += _accepted(messages, kept)
    if any(message.events for message in messages):
        _start(kept)
    # Partial batch responses (Lambda Developer Guide, "Reporting batch item failures for SQS").
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def _of_schedule(kept: Kept) -> Json:
    try:
        kept.sources[SCHEDULES].look(kept.ports.clock.now())
    except EverfitError as error:
        raise failed(error, kept) from None
    _start(kept)
    return {"batchItemFailures": []}


def _read(records: Sequence[Facts], kept: Kept) -> tuple[list[_Message], list[str]]:
    """Return the messages, and the ids of those that nobody can read: the queue keeps them for a person."""
    places, now = _places(kept), kept.ports.clock.now()
    messages: list[_Message] = []
    strange: list[str] = []
    for record in records:
        name = record.text("messageId")
        try:
            body = json.loads(record.text("body"))
        except (ValueError, RecursionError):
            log("a message is no JSON", message=name)
            strange.append(name)
            continue
        found = [each for each in s3_events(body, places, now) if not _is_own(each, kept)]
        messages.append(_Message(id=name, events=found))
    return messages, strange


def _places(kept: Kept) -> Sequence[S3Place]:
    return [place for place in s3_places([kept.workspace.project]) if place.environment == kept.environment]


def _is_own(event: TriggerEvent, kept: Kept) -> bool:
    """Tell whether the object is one that Everfit wrote itself: what a run leaves never starts a run."""
    aws = kept.place.environment.aws
    if aws is None:
        return False
    return event.detail.get("bucket") == aws.bucket and str(event.detail.get("key")).startswith(f"{aws.prefix}/")


def _accepted(messages: Sequence[_Message], kept: Kept) -> list[str]:
    """Write all of it in one transaction, or else each message by itself; return the ids of what could not be."""
    events = [event for message in messages for event in message.events]
    if not events:
        return []
    try:
        new = kept.ports.inbox.accept(events)
    except EverfitError as error:
        if len(messages) > 1:
            return [name for message in messages for name in _accepted([message], kept)]
        log("a message could not be taken", message=messages[0].id, why=str(failed(error, kept)))
        return [messages[0].id]
    log("events were accepted", new=sum(new), known=len(new) - sum(new))
    return []


def _start(kept: Kept) -> None:
    try:
        run = dispatched(kept)
    except EverfitError as error:
        # The events are kept, and each minute somebody looks whether a run may start.
        log("no run could be started yet", why=str(failed(error, kept)))
        return
    if run is not None:
        log("a run starts", run=run.id, cause=run.cause)
