"""Does once what a service does all the time; called each minute, and by each run that has ended."""

from collections.abc import Mapping

from everfit.application.chores import tick
from everfit.application.kept import Kept
from everfit.domain.errors import EverfitError
from everfit.interfaces.lambdas.answers import Json, failed
from everfit.interfaces.lambdas.log import log
from everfit.interfaces.lambdas.opened import LambdaContext, opened


def handler(event: Mapping[str, object], context: LambdaContext) -> Json:
    """Do every chore once, whatever the event says."""
    del event
    return handle(opened(context, watches=True))


def handle(kept: Kept) -> Json:
    """Do every chore once, and return what was done and what went wrong.

    Raises:
        CallError: the state cannot be used at all.
    """
    try:
        ticked = tick(kept, kept.ports.clock.now())
    except EverfitError as error:
        raise failed(error, kept) from None
    if ticked.done or ticked.troubles:
        log("the chores were done", done=dict(ticked.done), troubles=dict(ticked.troubles))
    return {"done": dict(ticked.done), "troubles": dict(ticked.troubles)}
