"""Looks at a version's load from time to time, and says how many processes it should have."""

from dataclasses import dataclass
from time import monotonic

from everfit.serving.dispatcher import Dispatcher
from everfit.serving.idle_cores import IdleCores
from everfit.serving.scaling import Look, Scale, next_scale
from everfit.serving.watched_process import computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was counted until a look."""

    at: float
    waits: float
    sent: int
    busy_seconds: float
    computed: float | None


class LoadWatch:
    """The load of one version.

    Args:
        least: processes that are always kept.
        most: processes under any load.
    """

    def __init__(self, dispatcher: Dispatcher, least: int, most: int) -> None:
        self._dispatcher = dispatcher
        self._least = least
        self._most = most
        self._scale = Scale(workers=least)
        self._cores = IdleCores()
        self._before = self._seen([])

    @property
    def wanted(self) -> int:
        """How many processes there should be."""
        return self._scale.workers

    def look(self, processes: list[int], coming: int) -> None:
        """Look at what was done since the look before.

        Args:
            processes: that can answer.
            coming: processes that are being started.
        """
        before, now = self._before, self._seen(processes)
        self._before = now
        seconds, sent = now.at - before.at, now.sent - before.sent
        busy = (now.busy_seconds - before.busy_seconds) / seconds
        computing = busy
        if before.computed is not None and now.computed is not None:
            computing = (now.computed - before.computed) / seconds
        look = Look(
            seconds=seconds,
            workers=len(processes) + coming,
            starting=coming,
            wait=max(self._dispatcher.oldest_wait, (now.waits - before.waits) / sent if sent else 0.0),
            call=self._dispatcher.call_seconds,
            busy=busy,
            computing=computing,
            idle_cores=self._cores.since(seconds),
        )
        self._scale = next_scale(self._scale, look, self._least, self._most)

    def _seen(self, processes: list[int]) -> Seen:
        return Seen(
            at=monotonic(),
            waits=self._dispatcher.waits,
            sent=self._dispatcher.sent,
            busy_seconds=self._dispatcher.busy_seconds,
            computed=computed(processes),
        )
