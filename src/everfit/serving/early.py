"""Requests that came before any version of their endpoint was loaded."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from everfit.serving.calls import Done, Inquiry

MOST: Final = 1_000


class Early:
    """Keeps requests in the order in which they came, and each only so long.

    Args:
        patience: seconds that a request waits.
        give_up: is given each request whose time is over.
    """

    def __init__(self, patience: float, give_up: Callable[[Inquiry, Done], None]) -> None:
        self._patience = patience
        self._give_up = give_up
        self._waiting: deque[tuple[float, Inquiry, Done]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, inquiry: Inquiry, done: Done) -> bool:
        """Keep a request; False when there are too many already."""
        if len(self._waiting) >= MOST:
            return False
        self._waiting.append((time.monotonic() + self._patience, inquiry, done))
        self._set_timer()
        return True

    def take_all(self) -> list[tuple[Inquiry, Done]]:
        """Take every request."""
        taken = [(inquiry, done) for _, inquiry, done in self._waiting]
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return taken

    def _set_timer(self) -> None:
        if self._timer is None and self._waiting:
            pause = max(0.0, self._waiting[0][0] - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(pause, self._tell_late)

    def _tell_late(self) -> None:
        self._timer, now = None, time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, inquiry, done = self._waiting.popleft()
            self._give_up(inquiry, done)
        self._set_timer()
