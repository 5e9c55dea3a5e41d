"""Copies of requests for versions whose answers nobody sees: never in the way of what callers are answered.

A copy is made when its caller has the answer. It is dropped while the shadow has enough to do. Answers are compared by
a process of their own that runs when nobody else wants to.
"""

import asyncio
import marshal
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from everfit.serving.calls import Inquiry
from everfit.serving.companion import Companion
from everfit.serving.counters import Counter
from everfit.serving.frames import Reply
from everfit.serving.version_pool import VersionPool

MOST_BYTES: Final = 16 * 1024 * 1024
"""Bodies of copies that one shadow may hold at once, and answers that may wait to be compared."""
MARSHAL: Final = 4
MOST_PAIRS: Final = 256
FLUSH: Final = 0.05
"""Seconds that answers wait for others to be handed over with."""


class Shadow:
    """One version that is given copies.

    Args:
        counter: of what it did with them.
    """

    __slots__ = ("_comparer", "_held", "_short", "counter", "dropped", "left_out", "pool")

    def __init__(self, pool: VersionPool, counter: Counter, comparer: "Comparer") -> None:
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
                self._comparer.add(self, answer, reply)

        self.pool.submit(inquiry, answered)


Pair = tuple[Shadow, str, bytes, str, bytes]


class Comparer:
    """Has answers compared, some at a time; what is too much is left out.

    Args:
        folder: of the host.
    """

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._pairs: list[Pair] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._companion: Companion[list[Shadow]] = Companion(
            "everfit.serving.comparer", folder, self._compared, self._lost
        )

    def add(self, shadow: Shadow, caller: Reply, own: Reply) -> None:
        """Have a shadow's answer compared with what the caller was answered."""
        if caller.body == own.body and caller.content_type == own.content_type:
            shadow.counter.count_comparison(agrees=True)
            return
        size = len(caller.body) + len(own.body)
        if self._bytes + size + self._companion.held > MOST_BYTES:
            shadow.left_out += 1
            return
        self._bytes += size
        self._pairs.append((shadow, caller.content_type, caller.body, own.content_type, own.body))
        if len(self._pairs) >= MOST_PAIRS:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, pairs = None, self._pairs
        self._pairs, self._bytes = [], 0
        packed = marshal.dumps([pair[1:] for pair in pairs], MARSHAL)
        self._companion.say("", packed, [pair[0] for pair in pairs])

    def _compared(self, shadows: list[Shadow], head: str, verdicts: bytes) -> None:
        del head
        for shadow, verdict in zip(shadows, verdicts, strict=True):
            shadow.counter.count_comparison(agrees=bool(verdict))

    def _lost(self, shadows: list[Shadow]) -> None:
        for shadow in shadows:
            shadow.left_out += 1

    async def end(self) -> None:
        """End the process, whatever it has still to compare: nobody will ask for that any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._companion.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._companion.process, signal.SIGKILL)
        await self._companion.end()
