"""How long requests wait for others to join them, and how many go into one call; pure.

Callers that ask again as soon as they were answered come back one after the other. A call for the first of them alone
would make all others wait for it, so some are gathered first. With N callers, a call that costs ``a`` whatever it holds
and ``b`` for each request, and ``f`` for the way of each request to its caller and back:

- in one group, all of them share a call and the process is idle until they are back: N / (a + bN + fN) a second;
- in two groups, one is on its way while the other is answered: N / (2a + bN), as long as that is what takes longest.

So two groups are better where a < fN: where the way of all requests takes longer than what a call costs in any case.
With more processes there is one group for each, and one more on its way. A caller that is alone is all there is, and
waits for nobody; nobody ever waits for longer than a call takes.
"""

from math import ceil, inf
from typing import Final

from everfit.domain.endpoint import Service

FORGETTING: Final = 0.25
"""How much of the callers that did not come back in time is believed to be gone."""
WORTH: Final = 0.0002
"""Seconds; what would wait for less than this goes at once."""
LEARNING: Final = 0.1
GOOD_TIME: Final = 0.125
"""Share of the time for an answer that a call may be expected to take."""
GUESS: Final = 0.5
"""Share of the shortest call's time that is believed not to depend on its size, until that was measured."""


class Gathering:
    """What was learnt from the requests so far.

    ``fixed_cost`` is how many seconds a call takes whatever it holds, if that was measured.

    Args:
        timeout: seconds that a call may take.
    """

    def __init__(self, service: Service, timeout: float) -> None:
        self.call = 0.0
        self.fixed_cost: float | None = None
        self._longest = service.gather
        self._batch = service.batch
        self._timeout = timeout
        self._each = 0.0
        self._way = 0.0
        self._expected = 1.0
        self._shortest = inf

    def share(self, processes: int) -> int:
        """Return how many requests should go into one call.

        Args:
            processes: that answer.
        """
        fixed = GUESS * self._shortest if self.fixed_cost is None else min(self.fixed_cost, self._shortest)
        groups = processes + 1 if fixed < self._way * self._expected else processes
        return min(self._most, max(1, ceil(self._expected / groups - 0.01)))

    @property
    def _most(self) -> int:
        """How many requests can be expected to be answered in good time."""
        if not self._each:
            return self._batch
        return max(1, min(self._batch, int(GOOD_TIME * self._timeout / self._each)))

    def pause(self, waiting: int, under_way: int, processes: int) -> float:
        """Return for how many seconds those that wait may wait for others; 0 when they should go."""
        pause = min(self._longest, self.call)
        if pause < WORTH or waiting + under_way >= self._expected - 0.5 or waiting >= self.share(processes):
            return 0.0
        return pause

    def sent(self, there: int) -> None:
        """Learn how many callers there were when some of their requests went.

        Args:
            there: requests that waited, were under way, or were answered just before and are not back yet.
        """
        if there >= self._expected:
            self._expected = float(there)
        else:
            self._expected -= FORGETTING * (self._expected - there)

    def answered(self, requests: int, seconds: float) -> None:
        """Learn how long a call with some requests took."""
        self.call = learnt(self.call, seconds)
        self._each = learnt(self._each, seconds / requests)
        self._shortest = min(self._shortest, seconds)

    def came_back(self, requests: int, seconds: float) -> None:
        """Learn how long it took until as many requests came as were answered."""
        self._way = learnt(self._way, seconds / requests)


def learnt(before: float, seen: float) -> float:
    """Return a mean in which what was seen long ago counts less and less."""
    return seen if not before else before + LEARNING * (seen - before)
