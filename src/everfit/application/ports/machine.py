"""The machine that Everfit runs on."""

from collections.abc import Sequence
from typing import Protocol


class Machine(Protocol):
    """The machine that Everfit runs on."""

    def free_bytes(self) -> int:
        """Return the free space where the state lies."""
        ...

    def findings(self) -> Sequence[tuple[str, bool, str]]:
        """Return what was examined, whether it is well, and what was seen or what to do."""
        ...
