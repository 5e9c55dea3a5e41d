"""Which versions may be forgotten: never one that serves, waits for a person, or is the one to go back to."""

from collections.abc import Collection, Mapping, Sequence

from everfit.domain.errors import RefusedError
from everfit.domain.version import Placement, Served, Standing, Version, last_good


def reasons_to_stay(placements: Sequence[Placement], history: Sequence[Served]) -> Mapping[int, str]:
    """Return the versions of one model that may not go, and why.

    Args:
        history: of every environment, newest first.
    """
    stays: dict[int, str] = {}
    for environment in sorted({served.environment for served in history}):
        there = [served for served in history if served.environment == environment]
        champion = next((served.version for served in there if served.until is None), None)
        good = last_good(there, champion)
        if good is not None:
            stays[good] = f"it is the one to go back to in {environment}"
        if champion is not None:
            stays[champion] = f"it serves in {environment}"
    for placement in placements:
        if placement.standing is Standing.PENDING:
            stays.setdefault(placement.version, f"it waits for approval in {placement.environment}")
        elif placement.standing is Standing.SERVING:
            stays.setdefault(placement.version, f"it serves in {placement.environment}")
    return stays


def check_removable(model: str, number: int, placements: Sequence[Placement], history: Sequence[Served]) -> None:
    """Raise ``RefusedError`` when the version may not go."""
    reason = reasons_to_stay(placements, history).get(number)
    if reason is not None:
        raise RefusedError(f"Version {number} of {model} cannot be removed: {reason}.")


def removable(
    versions: Sequence[Version], placements: Sequence[Placement], history: Sequence[Served], keep: int
) -> tuple[int, ...]:
    """Return the numbers of the versions of one model that may go, oldest first.

    Args:
        history: of every environment, newest first.
        keep: how many of the newest versions stay in any case.
    """
    numbers = sorted(version.number for version in versions)
    stays = reasons_to_stay(placements, history)
    return tuple(number for number in numbers[: max(len(numbers) - keep, 0)] if number not in stays)


def unused_artifacts(versions: Sequence[Version], removed: Collection[int]) -> frozenset[str]:
    """Return the digests that no version needs once *removed* are gone; two versions may be the same bytes."""
    kept = {version.artifact for version in versions if version.number not in removed}
    return frozenset(version.artifact for version in versions if version.number in removed) - kept
