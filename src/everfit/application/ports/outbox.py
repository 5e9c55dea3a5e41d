"""The durable outbox of notices."""

from collections.abc import Sequence
from typing import Protocol

from everfit.domain.notice import Notice


class Outbox(Protocol):
    """Notices from the moment they are written until each channel has each of them, or it is given up.

    The store writes those about the end of a run, and the registry those about a rollback, in their own transactions.
    """

    def note(self, notice: Notice) -> bool:
        """Write the notice; False when its id is known."""
        ...

    def unaddressed(self, limit: int = 100) -> Sequence[Notice]:
        """Return notices that nobody has addressed to channels yet, oldest first."""
        ...
