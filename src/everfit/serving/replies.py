"""One request asked of a model, whatever the user's code does with it: there is always a reply."""

import sys
import traceback
from contextlib import suppress
from typing import Final

from everfit.serving.errors import UnreadableRequestError
from everfit.serving.frames import Reply, Request, Trouble, excuse
from everfit.serving.handlers import LoadedModel

LONGEST_MESSAGE: Final = 4000
MISTAKES: Final = frozenset({400, 406, 413, 415, 422})
"""What only the request can be to blame for. An error of another service that the model asks, such as 401 or 429, has a
status too, and speaks against the version."""


def reply_to(loaded: LoadedModel, request: Request) -> Reply:
    """Return the model's answer, or what went wrong."""
    try:
        content, content_type = loaded.invoke(request.body, request.content_type, request.accept)
    except BaseException as error:  # noqa: BLE001 - whatever the user's code does, the next request is answered
        return reply_for(error)
    return Reply(status=200, body=content, content_type=content_type)


def reply_for(error: BaseException) -> Reply:
    """Return what stands in the place of an answer when *error* was raised; the log gets the whole of it."""
    if isinstance(error, UnreadableRequestError):
        trouble = Trouble.REFUSED if error.status < 500 else Trouble.MODEL
        return excuse(trouble, error.status, words_of(error))
    status = refusal_of(error)
    if status is not None:
        return excuse(Trouble.REFUSED, status, words_of(error))
    # The user's code may have closed or replaced what is printed to.
    with suppress(OSError, ValueError, AttributeError):
        traceback.print_exception(error)
        sys.stderr.flush()
    text = words_of(error)
    return excuse(Trouble.MODEL, 500, f"{type(error).__name__}: {text}" if text else type(error).__name__)


def refusal_of(error: BaseException) -> int | None:
    """Return the status of a caller's mistake that the user's exception says; None when it says none.

    It is said by ``status_code``, as by ``BaseInferenceToolkitError`` of SageMaker's inference toolkit.
    """
    try:
        status = getattr(error, "status_code", None)
    except Exception:  # noqa: BLE001 - the user's class may raise anything when it is asked
        return None
    return status if isinstance(status, int) and status in MISTAKES else None


def words_of(error: BaseException) -> str:
    """Return what an exception says; one that cannot even say it says nothing."""
    try:
        return str(error)[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001 - the user's class may raise anything in its own ``__str__``
        return ""
