"""The outbox in memory, by the same rules as the one in SQL."""

from collections.abc import Sequence
from threading import RLock

from everfit.domain.notice import Notice


class MemoryOutbox:
    """Implements ``Outbox`` for tests and dry runs."""

    def __init__(self) -> None:
        self._turn = RLock()
        self._notices: dict[str, Notice] = {}

    def note(self, notice: Notice) -> bool:
        with self._turn:
            is_new = notice.id not in self._notices
            self._notices.setdefault(notice.id, notice)
            return is_new

    def unaddressed(self, limit: int = 100) -> Sequence[Notice]:
        with self._turn:
            return list(self._notices.values())[:limit]
