"""How fast a change on AWS is followed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a change is followed.

    Args:
        interval: between two looks at one: SageMaker takes minutes, and throttles who asks all the time.
        stale: how long after a change a look may still show what was before it (API reference, CreateEndpointConfig:
            reads are eventually consistent).
        now: the time, in seconds since the epoch.
    """

    interval: timedelta = timedelta(seconds=10)
    stale: timedelta = timedelta(seconds=60)
    now: Callable[[], float] = field(default=time.time)


USUAL_PACE: Final = Pace()
