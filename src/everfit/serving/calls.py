"""One question to an endpoint and what comes of it, as the parts of the front hand it on to each other."""

from collections.abc import Callable
from dataclasses import dataclass

from everfit.serving.frames import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What a client asks of an endpoint.

    Args:
        session: requests of one session stay on one version while shares do not change; None is none.
        inference_id: the caller's own name for this request; None lets the endpoint name it.
    """

    body: bytes
    content_type: str
    accept: str
    session: str | None = None
    inference_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an endpoint answers.

    Args:
        version: that answered or failed; None when none was asked.
        inference_id: by which a label can be given later.
    """

    reply: Reply
    version: int | None
    inference_id: str


Done = Callable[[Answered], None]
"""Is called exactly once for each inquiry, from the event loop."""
