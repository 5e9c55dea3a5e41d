"""Kills the work of this process at one of its calls: before it is sent, or when it was accepted and nobody heard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from everfit.adapters.aws.clients import Clients

Moment = Literal["before", "after"]


class Killed(BaseException):
    """What stands for SIGKILL: nothing of the product catches it."""


class Meeting(Protocol):
    """What meets the calls."""

    def before(self, model: Any, **given: Any) -> None:
        """Meet a call before it is sent."""
        ...

    def after(self, model: Any, **given: Any) -> None:
        """Meet it when it was accepted and nobody has heard."""
        ...


class Death:
    """Comes at the call of that number, counted from 1.

    Args:
        operations: only these count; empty means all.
    """

    def __init__(self, at: int, moment: Moment, operations: Sequence[str] = ()) -> None:
        self.seen = 0
        self._at = at
        self._moment = moment
        self._operations = operations

    def before(self, model: Any, **_: object) -> None:
        if self._operations and model.name not in self._operations:
            return
        self.seen += 1
        if self.seen == self._at and self._moment == "before":
            raise Killed

    def after(self, model: Any, **_: object) -> None:
        if self._operations and model.name not in self._operations:
            return
        if self.seen == self._at and self._moment == "after":
            raise Killed


@contextmanager
def dying(clients: Clients, services: Sequence[str], death: Meeting) -> Iterator[Meeting]:
    """Have calls of the services meet *death*."""
    made = [clients(service) for service in services]
    for client in made:
        client.meta.events.register("before-call.*.*", death.before)
        client.meta.events.register("after-call.*.*", death.after)
    try:
        yield death
    finally:
        for client in made:
            client.meta.events.unregister("before-call.*.*", death.before)
            client.meta.events.unregister("after-call.*.*", death.after)
