"""What the exit code of a command says: one table for outcomes, one for errors."""

from collections.abc import Mapping
from typing import Final

from everfit.domain.errors import BusyError, EverfitError, NotFoundError, ProjectError, RefusedError, RequestError
from everfit.domain.run import Outcome

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REJECTED: Final = 3
NEEDS_APPROVAL: Final = 4
INTERRUPTED: Final = 130

BY_OUTCOME: Final[Mapping[Outcome, int]] = {
    Outcome.DEPLOYED: OK,
    Outcome.APPROVED: OK,
    Outcome.SKIPPED: OK,
    Outcome.FAILED: FAILED,
    Outcome.CANCELLED: FAILED,
    Outcome.REJECTED: REJECTED,
    Outcome.NEEDS_APPROVAL: NEEDS_APPROVAL,
}

BY_ERROR: Final[tuple[tuple[type[EverfitError], int], ...]] = (
    (ProjectError, USAGE),
    (NotFoundError, USAGE),
    (RefusedError, FAILED),
    (BusyError, FAILED),
    (RequestError, USAGE),
)


def of_error(error: EverfitError) -> int:
    """Return the exit code that tells of *error*."""
    return next((code for kind, code in BY_ERROR if isinstance(error, kind)), FAILED)
