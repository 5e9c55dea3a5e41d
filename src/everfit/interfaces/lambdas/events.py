"""Takes what AWS tells of: jobs that ended, decisions in the Model Registry, endpoints that changed, and alarms."""

from collections.abc import Mapping

from everfit.application.aws_effects import Place
from everfit.application.aws_events import take
from everfit.application.chores import Kept, follow
from everfit.domain.aws_event import aws_event, check_origin, envelope
from everfit.domain.errors import EverfitError, RequestError
from everfit.interfaces.lambdas.answers import CallError, Json
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
        check(event, kept.place)
    except RequestError as error:
        log("an event was passed over", why=str(error), id=event.get("id"))
        return {"effect": "nothing", "words": str(error), "done": "nothing"}
    if kept.packages is None:
        raise CallError("This stack has no model registry to ask.")
    try:
        effect = take(event, kept.place, kept.ports, kept.packages)
        done = follow(effect, kept)
    except EverfitError as error:
        raise CallError(str(error)) from None
    log("an event was taken", effect=effect.kind.value, words=effect.words, done=done, id=event.get("id"))
    return {"effect": effect.kind.value, "words": effect.words, "done": done}
