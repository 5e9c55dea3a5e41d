"""Something that is done again and again, at a pace of its own."""

from collections.abc import Callable


class Chore:
    """Does something every so many seconds.

    Args:
        every: seconds between two times.
    """

    def __init__(self, act: Callable[[], object], every: float) -> None:
        self._act, self._every = act, every

    def turn(self) -> float | None:
        """Do it."""
        self._act()
        return self._every
