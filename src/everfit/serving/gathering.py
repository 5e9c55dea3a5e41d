"""How long requests wait for others to join them, and over how many processes they are spread; pure.

Callers that ask again as soon as they were answered come back one after the other, within less time than a call of
the model takes. A call for the first of them alone would make all others wait for it. So as long as fewer are on the
host than there were lately, the rest is waited for, at most for a part of what a call takes. A caller that is alone is
all there is, and waits for nobody.
"""

from typing import Final

from everfit.domain.endpoint import Service

FORGETTING: Final = 0.25
"""How much of the callers that did not come back in time is believed to be gone."""
WORTH: Final = 0.0005
"""Seconds; what would wait for less than this goes at once."""
PART: Final = 1.0
"""How much of a call's time may be waited for."""
LEARNING: Final = 0.1
GOOD_TIME: Final = 0.125
"""Share of the time for an answer that a call may be expected to take."""


class Gathering:
    """What was learnt from the requests so far.

    Args:
        timeout: seconds that a call may take.
    """

    def __init__(self, service: Service, timeout: float) -> None:
        self.call = 0.0
        self._longest = service.gather
        self._batch = service.batch
        self._timeout = timeout
        self._each = 0.0
        self._expected = 1.0

    @property
    def most(self) -> int:
        """How many requests go into one call: no more than can be expected to be answered in good time."""
        if not self._each:
            return self._batch
        return max(1, min(self._batch, int(GOOD_TIME * self._timeout / self._each)))

    def pause(self, waiting: int, under_way: int) -> float:
        """Return for how many seconds those that wait may wait for others; 0 when they should go."""
        pause = min(self._longest, PART * self.call)
        is_gathered = waiting >= self._batch or waiting + under_way >= self._expected - 0.5
        return 0.0 if is_gathered or pause < WORTH else pause

    def sent(self, waiting: int, under_way: int) -> None:
        """Learn how many requests were on the host when some of them went."""
        there = waiting + under_way
        if there >= self._expected:
            self._expected = float(there)
        else:
            self._expected -= FORGETTING * (self._expected - there)

    def answered(self, requests: int, seconds: float) -> None:
        """Learn how long a call with some requests took."""
        self.call = learnt(self.call, seconds)
        self._each = learnt(self._each, seconds / requests)


def learnt(before: float, seen: float) -> float:
    """Return a mean in which what was seen long ago counts less and less."""
    return seen if not before else before + LEARNING * (seen - before)
