"""Whether a version crashes again and again, or a caller sends what crashes any version; pure."""

import hashlib
from collections.abc import Sequence
from typing import Final

CRASH_LOOP: Final = 3
"""So many crashes without an answer between them are a loop."""
REMEMBERED: Final = 600.0
"""Seconds after which a crash has nothing to do with the next one."""
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0


class Crashes:
    """The crashes of a version's processes since its last answer.

    One request that is sent again and again counts once: it may be the request that is bad.
    """

    def __init__(self) -> None:
        self._causes: list[bytes | None] = []
        self._in_a_row = 0
        self._last = 0.0

    @property
    def is_loop(self) -> bool:
        """Whether the version crashes whatever it is asked."""
        return len(self._causes) >= CRASH_LOOP

    @property
    def pause(self) -> float:
        """Seconds until the next process is started: none at first, but a loop must not eat the machine."""
        if self._in_a_row < 2:
            return 0.0
        return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._in_a_row - 2, 10)))

    def happened(self, now: float, asked: Sequence[bytes]) -> None:
        """Count a crash.

        Args:
            now: seconds of a clock that only goes forward.
            asked: the requests that the process had. Of several nobody knows which it was until each is asked alone.
        """
        if now - self._last > REMEMBERED:
            self.answered()
        self._last = now
        self._in_a_row += 1
        if len(asked) > 1 or self.is_loop:
            return
        cause = hashlib.sha256(asked[0]).digest() if asked else None
        if cause is None or cause not in self._causes:
            self._causes.append(cause)

    def answered(self) -> None:
        """Begin anew."""
        if self._in_a_row:
            self._causes.clear()
            self._in_a_row = 0
