"""How many processes a version has under its load; pure."""

from dataclasses import dataclass
from typing import Final

PRESSED: Final = 2.0
"""Seconds for which requests must wait longer than a call takes before a process is added."""
QUIET: Final = 60.0
"""Seconds for which one process fewer would do before it goes."""
NEEDED_CORES: Final = 0.5
"""Processor cores that must be idle for another process that computes to be of any use."""
WAITING_SHARE: Final = 0.5
"""Busy processes that compute for less than this share of their time wait for something else than a core."""
QUIET_SHARE: Final = 0.5
"""Share of the time for which the remaining processes may be busy when one goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen since the look before.

    Args:
        seconds: since the look before.
        workers: processes, those that are being started among them.
        starting: of these, how many cannot answer yet.
        wait: seconds that the first request of a call has waited for a process on average.
        call: seconds that a call of the model took on average.
        busy: processes that were busy on average, from 0 to ``workers``.
        computing: of the busy processes, how many had a processor core on average; the others waited for something.
        idle_cores: processor cores that had nothing to do on average.
    """

    seconds: float
    workers: int
    starting: int
    wait: float
    call: float
    busy: float
    computing: float
    idle_cores: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many processes there should be.

    Args:
        pressed: seconds for which they were too few.
        quiet: seconds for which they were too many.
    """

    workers: int
    pressed: float = 0.0
    quiet: float = 0.0


def next_scale(scale: Scale, look: Look, least: int, most: int) -> Scale:
    """Return how many processes there should be now: never fewer than *least*, never more than *most*."""
    most = max(least, most)
    if not least <= scale.workers <= most:
        return Scale(workers=min(most, max(least, scale.workers)))
    # Processes that wait, as for a disk, another service or a graphics card, leave the cores to more of their kind.
    has_room = look.idle_cores >= NEEDED_CORES or look.computing < WAITING_SHARE * look.busy
    is_pressed = look.wait > look.call and has_room and not look.starting
    is_quiet = not is_pressed and look.busy <= QUIET_SHARE * (scale.workers - 1)
    pressed = scale.pressed + look.seconds if is_pressed and scale.workers < most else 0.0
    quiet = scale.quiet + look.seconds if is_quiet and scale.workers > least else 0.0
    if pressed >= PRESSED:
        return Scale(workers=scale.workers + 1)
    if quiet >= QUIET:
        return Scale(workers=scale.workers - 1)
    return Scale(workers=scale.workers, pressed=pressed, quiet=quiet)
