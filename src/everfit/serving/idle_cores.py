"""How many processor cores have nothing to do."""

import os
from contextlib import suppress
from pathlib import Path

STAT = Path("/proc/stat")


class IdleCores:
    """Looks at the machine; each look tells of the time since the one before."""

    def __init__(self) -> None:
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._before = self._idle_seconds()

    def since(self, seconds: float) -> float:
        """Return how many cores were idle on average in the last *seconds*."""
        cores = float(os.cpu_count() or 1)
        idle = self._idle_seconds()
        before, self._before = self._before, idle
        if idle is None or before is None:
            # The load of the last minute is all that other systems tell.
            return max(0.0, cores - os.getloadavg()[0])
        return min(cores, max(0.0, (idle - before) / seconds)) if seconds > 0 else 0.0

    def _idle_seconds(self) -> float | None:
        with suppress(OSError, ValueError, IndexError):
            fields = STAT.read_text().split("\n", 1)[0].split()
            return (int(fields[4]) + int(fields[5])) / self._ticks
        return None
