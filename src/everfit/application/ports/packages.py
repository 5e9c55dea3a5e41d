"""Model packages in a registry outside, where people look at versions and may decide about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What the package of a version says.

    Args:
        approved: what somebody decided there; None when nobody has.
        verdict: the one that whoever decided has seen.
        decided_by: the person's name; None when it is not known.
        is_whole: whether it holds the bytes that were put there.
    """

    name: str
    model: str
    version: int
    artifact: str
    approved: bool | None
    verdict: str | None
    decided_by: str | None
    is_whole: bool


class Packages(Protocol):
    """The packages of one model and environment."""

    def package(self, name: str) -> Package | None:
        """Return what the package says; None when it is not one of ours, or gone."""
        ...

    def decided(self) -> Sequence[Package]:
        """Return the packages of versions that wait for a person here, and that somebody has decided about there."""
        ...

    def put_back(self, version: int) -> None:
        """Have the package say again how the version really stands."""
        ...

    def owner(self) -> str:
        """Return the environment that a decision in the registry outside is about."""
        ...
