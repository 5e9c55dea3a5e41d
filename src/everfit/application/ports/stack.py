"""The infrastructure of one environment, as one thing that is planned, applied and removed."""

from collections.abc import Callable
from typing import Protocol

from everfit.domain.cost import PriceList, Usage
from everfit.domain.stack_plan import Applied, Removal, StackPlan

Tell = Callable[[str], None]
"""Is given what happens, a line at a time."""


class Stack(Protocol):
    """Plans, makes, changes and removes what an environment needs to run by itself."""

    def template(self) -> str:
        """Return what the infrastructure is made from, as people read it."""
        ...

    def plan(self, prices: PriceList | None, usage: Usage, tell: Tell) -> StackPlan:
        """Return what ``apply`` would do; nothing is changed.

        Args:
            prices: None takes those that come with Everfit.
        """
        ...

    def apply(self, tell: Tell) -> Applied:
        """Make the infrastructure as the project says; what is as it should be is left alone.

        Raises:
            BusyError: somebody else is changing it.
            RefusedError: it cannot be changed as it stands; the message says what to do.
            BackendError: it could not be made; what was there before is there again.
        """
        ...

    def removal(self, *, data: bool) -> Removal:
        """Return what ``destroy`` would remove and what it would keep."""
        ...

    def destroy(self, tell: Tell, *, data: bool) -> Removal:
        """Remove the infrastructure and what serves.

        Args:
            data: whether state, models and snapshots go as well.
        """
        ...
