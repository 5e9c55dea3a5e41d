"""Copies of requests for versions whose answers nobody sees: never in the way of what callers are answered.

A copy is made when its caller has the answer. It is dropped while the shadow has enough to do; the answers are
compared a few at a time between other work.
"""

import asyncio
import time
from collections import deque
from typing import Final

from everfit.serving.calls import Inquiry
from everfit.serving.comparing import agrees
from everfit.serving.counters import Counter
from everfit.serving.frames import Reply
from everfit.serving.version_pool import VersionPool

MOST_BYTES: Final = 16 * 1024 * 1024
"""Bodies of copies that one shadow may hold at once."""
MOST_PAIRS: Final = 1_000
LARGEST_ANSWER: Final = 256 * 1024
"""Larger answers are only compared byte by byte, as reading them would hold up the callers."""
SLICE: Final = 0.0005
"""Seconds of comparing after which callers have their turn."""
PAUSE: Final = 0.005


class Comparer:
    """Compares answers when there is time; what is too much is left out."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[Counter, Reply, Reply]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, counter: Counter, caller: Reply, shadow: Reply) -> bool:
        """Have two answers compared soon; False when these are left out."""
        if caller.body == shadow.body:
            counter.count_comparison(agrees=agrees(caller, shadow))
            return True
        if len(self._pairs) >= MOST_PAIRS or max(len(caller.body), len(shadow.body)) > LARGEST_ANSWER:
            return False
        self._pairs.append((counter, caller, shadow))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._compare)
        return True

    def _compare(self) -> None:
        self._timer = None
        until = time.monotonic() + SLICE
        while self._pairs and time.monotonic() < until:
            counter, caller, shadow = self._pairs.popleft()
            counter.count_comparison(agrees=agrees(caller, shadow))
        if self._pairs:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._compare)


class Shadow:
    """One version that is given copies.

    Args:
        counter: of what it did with them.
    """

    __slots__ = ("_comparer", "_held", "_short", "counter", "dropped", "left_out", "pool")

    def __init__(self, pool: VersionPool, counter: Counter, comparer: Comparer) -> None:
        self.pool = pool
        self.counter = counter
        self.dropped = 0
        self.left_out = 0
        self._comparer = comparer
        self._held = 0
        self._short = max(1, pool.version.service.batch)

    def copy(self, inquiry: Inquiry, answer: Reply) -> None:
        """Give it what a caller asked, and compare with what the caller was answered."""
        size = len(inquiry.body)
        if self.pool.queue >= self._short or (self._held and self._held + size > MOST_BYTES):
            self.dropped += 1
            return
        self._held += size
        began = time.monotonic()

        def answered(reply: Reply) -> None:
            self._held -= size
            self.counter.count(reply.trouble, time.monotonic() - began)
            if reply.trouble is None and answer.trouble is None:
                self.left_out += not self._comparer.add(self.counter, answer, reply)

        self.pool.submit(inquiry, answered)
