"""Identity that people can read and that sorts by time."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from everfit.domain.run import RunId

_CHANCE: Final = 16**3


class TimedIds:
    """Implements ``Ids``: second, fraction and chance, such as ``20261121-093112-a1b2c3d4``.

    Args:
        chance: gives a number below its argument.
    """

    def __init__(self, chance: Callable[[int], int] = secrets.randbelow) -> None:
        self._chance = chance
        self._turn = Lock()
        self._last = ""

    def run_id(self, now: datetime) -> RunId:
        moment = now.astimezone(UTC)
        second = f"{moment:%Y%m%d-%H%M%S}"
        number = moment.microsecond * _CHANCE + self._chance(_CHANCE)
        with self._turn:
            # Ids of one process grow even when the clock has not moved.
            if self._last.startswith(second):
                number = max(number, int(self._last[-8:], 16) + 1)
            self._last = f"{second}-{number:08x}"
            return RunId(self._last)
