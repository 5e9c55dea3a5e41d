"""Takes what EventBridge tells of: jobs, decisions, endpoints and alarms of AWS, and events of other programs."""

from collections.abc import Mapping, Sequence

from everfit.application.aws_effects import Effect, EffectKind, Place
from everfit.application.aws_events import take
from everfit.application.chores import follow
from everfit.application.kept import Kept
from everfit.domain.aws_event import aws_event, check_origin, envelope
from everfit.domain.errors import EverfitError, RefusedError, RequestError
from everfit.domain.outside_event import outside_events, trigger_events
from everfit.domain.trigger import TriggerEvent
from everfit.domain.triggers import OtherEvent
from everfit.interfaces.lambdas.answers import CallError, Json, failed
from everfit.interfaces.lambdas.log import log
from everfit.interfaces.lambdas.opened import LambdaContext, opened


def handler(event: Mapping[str, object], context: LambdaContext) -> Json:
    """Do what the event is a reason for."""
    return handle(event, opened(context))


def check(event: Mapping[str, object], place: Place) -> None:
    """Raise ``RequestError`` for an event that is none of AWS's, of another account or region, or misshapen."""
    found = envelope(event)
    if place.environment.aws is not None:
        check_origin(found, place.account, place.environment.aws.region)
    aws_event(found)


def handle(event: Mapping[str, object], kept: Kept) -> Json:
    """Do what the event is a reason for, and return what that was.

    An event that cannot be read, or is somebody else's, is passed over: it would come again and again.

    Raises:
        CallError: something could not be looked at or written; the same event again is right.
    """
    try:
        listened = _listened(event, kept)
        if not listened:
            check(event, kept.place)
    except RequestError as error:
        log("an event was passed over", why=str(failed(error, kept)), id=event.get("id"))
        return {"effect": "nothing", "words": str(error), "done": "nothing"}
    try:
        effect = _accepted(listened, kept) if listened else _taken(event, kept)
        done = follow(effect, kept)
    except EverfitError as error:
        raise failed(error, kept) from None
    log("an event was taken", effect=effect.kind.value, words=effect.words, done=done, id=event.get("id"))
    return {"effect": effect.kind.value, "words": effect.words, "done": done}


def _listened(event: Mapping[str, object], kept: Kept) -> Sequence[TriggerEvent]:
    """Return what the event starts for triggers that wait for events of other programs."""
    project = kept.workspace.project
    sources = {trigger.source for trigger in project.triggers if isinstance(trigger, OtherEvent)}
    if event.get("source") not in sources:
        return ()
    if event.get("account") != kept.account:
        raise RefusedError(f"The event is of account {event.get('account')}, and this stack is of {kept.account}.")
    return trigger_events(outside_events(event), [project], "eventbridge", kept.ports.clock.now())


def _accepted(found: Sequence[TriggerEvent], kept: Kept) -> Effect:
    new = sum(kept.ports.inbox.accept(found))
    return Effect(kind=EffectKind.START, words=found[0].subject, accepted=new)


def _taken(event: Mapping[str, object], kept: Kept) -> Effect:
    if kept.packages is None:
        raise CallError("This stack has no model registry to ask.")
    return take(event, kept.place, kept.ports, kept.packages)
