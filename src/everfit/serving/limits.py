"""How much and how long: what a request, a connection, a load and a stop may take."""

from dataclasses import asdict, dataclass, field, fields
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What callers may do with connections; times do not run while the host itself does not read.

    Args:
        connections: most at once; one more is answered 503 and closed.
        pipelined: most requests of one connection under way; it is not read further meanwhile.
        head: largest request line and headers together, in bytes.
        headers: most headers of a request.
        held: most bytes of large bodies that all requests under way hold together.
        head_time: time for a request line and its headers, from its first byte.
        body_window: a body must bring ``body_least`` bytes in each of these spans, unless it ends in it.
        idle: time until a connection without a request is closed.
        stall: time that a caller may read nothing of its answer.
        linger: time to take what a caller still sends after it was refused, so that it gets to read why.
    """

    connections: int = 10_000
    pipelined: int = 64
    head: int = 32 * 1024
    headers: int = 100
    held: int = 512 * 1024 * 1024
    body_least: int = 10 * 1024
    head_time: timedelta = timedelta(seconds=10)
    body_window: timedelta = timedelta(seconds=10)
    idle: timedelta = timedelta(seconds=75)
    stall: timedelta = timedelta(seconds=30)
    linger: timedelta = timedelta(seconds=3)

    @property
    def look(self) -> float:
        """How often connections are looked at, in seconds: often enough for the shortest time."""
        shortest = min(self.head_time, self.body_window, self.idle, self.stall, self.linger)
        return min(1.0, shortest.total_seconds() / 2)


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
    connection: ConnectionLimits = field(default_factory=ConnectionLimits)


def to_document(limits: Limits) -> dict[str, Any]:
    """Return the limits as plain JSON; times in seconds."""
    document: dict[str, Any] = _plain(asdict(limits))
    return document


def from_document(document: dict[str, Any]) -> Limits:
    """Return the limits that the JSON says."""
    connection = ConnectionLimits(**_typed(ConnectionLimits(), document["connection"]))
    others = {name: value for name, value in document.items() if name != "connection"}
    return Limits(**_typed(Limits(), others), connection=connection)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value.total_seconds() if isinstance(value, timedelta) else value


def _typed(usual: Limits | ConnectionLimits, document: dict[str, Any]) -> dict[str, Any]:
    times = {each.name for each in fields(usual) if isinstance(getattr(usual, each.name), timedelta)}
    return {name: timedelta(seconds=value) if name in times else value for name, value in document.items()}
