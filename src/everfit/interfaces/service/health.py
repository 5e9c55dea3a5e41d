"""What is wrong with the service now, by the part that found it."""

from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the service stands.

    Args:
        troubles: in words, by part.
    """

    is_draining: bool
    troubles: tuple[tuple[str, str], ...]

    @property
    def is_ready(self) -> bool:
        """Whether new work is taken and nothing is wrong."""
        return not self.is_draining and not self.troubles


class HealthBook:
    """Where each part writes what is wrong with it; read by whoever asks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._troubles: dict[str, str] = {}
        self._is_draining = False

    def trouble(self, part: str, words: str) -> bool:
        """Write what is wrong; False when that was written before."""
        with self._lock:
            is_new = self._troubles.get(part) != words
            self._troubles[part] = words
            return is_new

    def well(self, part: str) -> bool:
        """Write that the part is well; True when it was not."""
        with self._lock:
            return self._troubles.pop(part, None) is not None

    def drain(self) -> None:
        """Write that no new work is taken any more."""
        self._is_draining = True

    def now(self) -> Health:
        """Return how the service stands."""
        with self._lock:
            return Health(is_draining=self._is_draining, troubles=tuple(sorted(self._troubles.items())))
