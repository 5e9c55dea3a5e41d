"""The runs of an installation whose environments have pipelines: the end of a run is the end of its execution."""

from collections.abc import Callable, Mapping

from everfit.adapters.sql.database import Database
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.ports import Claim, Clock
from everfit.domain.run import Outcome


class PipelinedRunStore(SqlRunStore):
    """Implements ``RunStore``, and tells of each end once it is kept.

    Args:
        ended: by the environment's name, is told the id of a run that has ended.
    """

    def __init__(self, database: Database, clock: Clock, ended: Mapping[str, Callable[[str], None]]) -> None:
        super().__init__(database, clock)
        self._ended = ended

    def end(
        self,
        claim: Claim,
        outcome: Outcome,
        reason: str,
        error: str | None = None,
        last: tuple[str, Mapping[str, object]] | None = None,
    ) -> None:
        """End the run, and then let go of its execution."""
        super().end(claim, outcome, reason, error, last)
        if claim.run is not None and claim.environment in self._ended:
            self._ended[claim.environment](claim.run)
