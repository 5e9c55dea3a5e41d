"""How much and how long: what a request, a load and a stop may take."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the host allows.

    Args:
        body: largest request body, in bytes.
        request: time for an answer; the model's process is replaced when it takes longer.
        load: time for a model to load and to answer its sample.
    """

    body: int = 64 * 1024 * 1024
    request: timedelta = timedelta(seconds=60)
    load: timedelta = timedelta(minutes=10)
