"""What calls the steps of a run one after the other, where no process of Everfit's stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from everfit.domain.run import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One go at a run.

    Args:
        number: the first one of a run is 1, and each that goes on with the run counts one more.
        ended: None while it goes on.
        has_failed: whether it ended otherwise than it was meant to.
    """

    number: int
    ended: datetime | None = None
    has_failed: bool = False


class Executions(Protocol):
    """Goes at runs; a run has one at a time, whoever starts them."""

    def newest(self, run: RunId) -> Execution | None:
        """Return the newest execution of the run; None before there was any."""
        ...

    def start(self, run: RunId, number: int = 1) -> bool:
        """Start the execution of that number; False when there is, or was, one of that number already."""
        ...

    def begin(self, name: str, given: Mapping[str, object]) -> bool:
        """Start an execution that is about no run, such as a way back; False when one of that name is known."""
        ...
