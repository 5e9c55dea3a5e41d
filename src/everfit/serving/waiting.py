"""The requests of one version that wait for a process, and which of them go together into one call; pure."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from everfit.serving.frames import Reply, Request

MOST_BYTES = 4 * 1024 * 1024
"""Bodies that are put into one frame hold no more than this, unless one alone does."""


@dataclass(slots=True, eq=False)
class Call:
    """A request on its way to its answer.

    Args:
        done: is called with the answer exactly once.
        since: when it came, in seconds of the monotonic clock.
        until: when waiting for a process is over; the same clock.
        lost: processes that ended while they had it; one that lost its process before is asked alone.
        is_taken: whether it has left the order of arrival.
    """

    request: Request
    done: Callable[[Reply], None]
    since: float
    until: float
    lost: int = 0
    is_taken: bool = False


class Waiting:
    """Calls in the order of their arrival, of which the oldest is always next and takes its likes along.

    Likes are calls with the same content type and the same wish for the answer.
    """

    def __init__(self) -> None:
        self._count = 0
        self._again: deque[Call] = deque()
        self._order: deque[Call] = deque()
        self._groups: dict[tuple[str, str], deque[Call]] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, call: Call) -> None:
        """Put a call at the end."""
        request = call.request
        key = (request.content_type, request.accept)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = deque()
        group.append(call)
        self._order.append(call)
        self._count += 1

    def add_again(self, calls: Iterable[Call]) -> None:
        """Put calls that lost their process before all others, each to be taken alone."""
        for call in calls:
            self._again.append(call)
            self._count += 1

    def take(self, most: int) -> list[Call]:
        """Take the oldest call and up to *most* - 1 of its likes; nothing when none waits."""
        if self._again:
            self._count -= 1
            return [self._again.popleft()]
        oldest = self._oldest()
        return [] if oldest is None else self._taken(oldest, most)

    def _taken(self, oldest: Call, most: int) -> list[Call]:
        key = (oldest.request.content_type, oldest.request.accept)
        group = self._groups[key]
        taken: list[Call] = []
        size = 0
        while group and len(taken) < most:
            size += len(group[0].request.body)
            if taken and size > MOST_BYTES:
                break
            call = group.popleft()
            call.is_taken = True
            taken.append(call)
        if not group:
            del self._groups[key]
        self._count -= len(taken)
        return taken

    def _oldest(self) -> Call | None:
        # Those that were taken as likes of an older one are still in the order; each is passed over once.
        order = self._order
        while order and order[0].is_taken:
            order.popleft()
        return order[0] if order else None

    def oldest_since(self) -> float | None:
        """Return when the call came that is next; None when none waits."""
        oldest = self._again[0] if self._again else self._oldest()
        return None if oldest is None else oldest.since

    def take_late(self, now: float) -> list[Call]:
        """Take the calls whose time for waiting is over."""
        late = [call for call in self._again if call.until <= now]
        for call in late:
            self._again.remove(call)
        # Each of the others has the same patience, so that they run out in the order of their arrival.
        while (oldest := self._oldest()) is not None and oldest.until <= now:
            group = self._groups[(oldest.request.content_type, oldest.request.accept)]
            late.append(group.popleft())
            if not group:
                del self._groups[(oldest.request.content_type, oldest.request.accept)]
            self._order.popleft()
        for call in late:
            call.is_taken = True
        self._count -= len(late)
        return late

    def take_all(self) -> list[Call]:
        """Take every call."""
        return self.take_late(float("inf"))
