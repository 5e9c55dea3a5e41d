"""What a function answers, and what it makes of an error: the one place that says which is which."""

from collections.abc import Callable, Mapping

from everfit.application.kept import Kept
from everfit.application.serverless import SHORTEST, Answer, Taken
from everfit.domain.errors import BackendError, BusyError, EverfitError, FencedError, RequestError
from everfit.domain.secret import hidden

Json = Mapping[str, object]


class CallError(Exception):
    """The call failed, and the same call may succeed later; the words are for people."""


def rendered(taken: Taken) -> Json:
    """Return the answer as the state machine reads it."""
    return {
        "answer": taken.answer.value,
        "seconds": taken.seconds,
        "outcome": None if taken.outcome is None else taken.outcome.value,
        "reason": taken.reason,
    }


def waits(error: EverfitError) -> bool:
    """Tell whether the same call is right, a little later."""
    return isinstance(error, (BusyError, FencedError)) or (isinstance(error, BackendError) and error.retryable)


def failed(error: EverfitError, kept: Kept) -> CallError:
    """Return the error that a caller is given, without the project's secrets."""
    return CallError(hidden(str(error), kept.workspace.project.secrets))


def answered(call: Callable[[], Taken], mistaken: Callable[[str], Taken], kept: Kept) -> Json:
    """Make the call and return its answer.

    Args:
        mistaken: what is done about a call that can never succeed, given the reason.

    Raises:
        CallError: what a retry of the caller's may mend.
    """
    secrets = kept.workspace.project.secrets
    try:
        return rendered(call())
    except EverfitError as error:
        words = hidden(str(error), secrets)
        if waits(error):
            return rendered(Taken(answer=Answer.WAITS, seconds=SHORTEST, reason=words))
        if not isinstance(error, RequestError):
            raise CallError(words) from None
    try:
        return rendered(mistaken(words))
    except EverfitError as error:
        raise CallError(f"{words} And then: {hidden(str(error), secrets)}") from None
