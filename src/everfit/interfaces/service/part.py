"""One thread of the service that does one thing over and over, and goes on after whatever happens to it."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Final, Protocol

from everfit.domain.errors import EverfitError
from everfit.interfaces.service.health import HealthBook
from everfit.interfaces.service.log import LOG

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0


class Turn(Protocol):
    """What a part does each time that it is its turn."""

    def __call__(self) -> float | None:
        """Do it, and return after how many seconds to do it again; None waits until it is woken."""
        ...


def pause_after(failures: int) -> float:
    """Return how many seconds a part rests that has failed so often in a row."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)


class Part:
    """A thread that takes its turns until it is stopped.

    Args:
        told: is told, once for each cause, that the part is in trouble (words) or well again (None).
    """

    def __init__(self, name: str, turn: Turn, health: HealthBook, told: Callable[[str, str | None], None]) -> None:
        self.name = name
        self._turn = turn
        self._health = health
        self._told = told
        self._woken = Event()
        self._is_stopped = False
        self._failures = 0
        self._thread = Thread(target=self._go, name=f"everfit-{name}", daemon=True)

    def start(self) -> None:
        """Take the first turn."""
        self._thread.start()

    def wake(self) -> None:
        """Take a turn now."""
        self._woken.set()

    def stop(self) -> None:
        """Take no further turn."""
        self._is_stopped = True
        self._woken.set()

    def has_ended(self, patience: float) -> bool:
        """Wait at most *patience* seconds and tell whether the thread has ended."""
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _go(self) -> None:
        while not self._is_stopped:
            patience = self._take_turn()
            if patience is None or patience > 0:
                self._woken.wait(patience)
            self._woken.clear()

    def _take_turn(self) -> float | None:
        try:
            patience = self._turn()
        except EverfitError as error:
            return self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a part that stayed dead would take the service with it in silence
            LOG.exception("%s failed", self.name)
            return self._failed(f"an error of Everfit's own: {error!r}; the log file has the details")
        self._failures = 0
        if self._health.well(self.name):
            LOG.info("%s is well again", self.name)
            self._told(self.name, None)
        return patience

    def _failed(self, words: str) -> float:
        self._failures += 1
        pause = pause_after(self._failures)
        if self._health.trouble(self.name, words):
            LOG.error("%s: %s (trying again)", self.name, words)
            self._told(self.name, words)
        return pause
