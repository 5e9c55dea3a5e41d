"""What waits in the inbox, summed up: a decision about it costs the same for one event and for 100,000."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from everfit.domain.errors import BusyError
from everfit.domain.run import Run
from everfit.domain.trigger import Amount, TriggerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The events of one trigger that wait in one environment.

    Args:
        first: when the first of them was accepted.
        last: when the newest of them was accepted.
    """

    kind: TriggerKind
    trigger: str
    count: int
    first: datetime
    last: datetime
    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Everything that waits for the next run of a model in an environment.

    Args:
        backlogs: by trigger key.
        unconsumed: data that runs were started for which did not learn from it for good: rejected and failed ones.
    """

    model: str
    environment: str
    backlogs: Mapping[str, Backlog]
    unconsumed: Amount

    @property
    def count(self) -> int:
        """How many events wait."""
        return sum(backlog.count for backlog in self.backlogs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Runs of a model are not started; what triggers them is kept. ``environment`` None means all of them."""

    model: str
    environment: str | None
    actor: str
    reason: str
    since: datetime


def gone(run: Run) -> BusyError:
    """Return the error of a run that would be started for nothing: another one has taken along what was seen."""
    return BusyError(f"Another run of {run.model} in {run.environment} has taken what {run.id} was to be started for.")
