"""One question to an endpoint and what comes of it, as the parts of the front hand it on to each other."""

from collections.abc import Callable
from dataclasses import dataclass

from everfit.serving.frames import Reply, Request


# Not frozen: one of each is made for each request, and freezing them doubles what that costs.
@dataclass(slots=True, kw_only=True)
class Inquiry(Request):
    """What a client asks of an endpoint; it is handed to a model as it is.

    Args:
        session: requests of one session stay on one version while shares do not change; None is none.
        inference_id: the caller's own name for this request; None lets the endpoint name it.
        target: the variant that shall answer, such as ``v3``; None leaves it to the shares.
    """

    session: str | None = None
    inference_id: str | None = None
    target: str | None = None


@dataclass(slots=True, kw_only=True)
class Answered:
    """What an endpoint answers.

    Args:
        version: that answered or failed; None when none was asked. Then a reply that is ``REFUSED`` is about what the
            client asked for, such as a variant that is not there.
        inference_id: by which a label can be given later.
    """

    reply: Reply
    version: int | None
    inference_id: str


Done = Callable[[Answered], None]
"""Is called exactly once for each inquiry, from the event loop."""
