"""Versions, verdicts, approvals and history."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from everfit.application.ports.claim import Claim
from everfit.domain.version import Approval, Placement, Release, Served, Version


class Registry(Protocol):
    """Versions, verdicts, approvals and the history of what served when.

    A registry that cannot be read raises ``BackendError``; it is never treated as empty.
    """

    def register(self, claim: Claim, version: Version, placement: Placement) -> Version:
        """Keep the version under the model's next number, with its standing; once for each run.

        The numbers in *version* and *placement* are ignored; the one that was given is returned.
        """
        ...

    def version(self, model: str, number: int) -> Version:
        """Return the version, or raise ``NotFoundError``."""
        ...

    def versions(self, model: str) -> Sequence[Version]:
        """Return all versions, oldest first."""
        ...

    def newest_versions(self, model: str, *, before: int | None = None, limit: int = 100) -> Sequence[Version]:
        """Return at most *limit* versions, newest first.

        Args:
            before: only those with a smaller number, for the next page.
        """
        ...

    def holds(self, artifact: str) -> bool:
        """Tell whether a version of any model that is not forgotten is made of these bytes."""
        ...

    def place(self, claim: Claim, placement: Placement) -> None:
        """Keep how an existing version stands in another environment, with that environment's own verdict."""
        ...

    def adopt(self, version: Version, placement: Placement) -> None:
        """Keep a version of another installation under its own number, with how it stood in an environment there.

        What is kept of it already follows how it stands there now.

        Raises:
            RefusedError: another version has the number here, or it has never served there.
        """
        ...

    def placement(self, model: str, environment: str, number: int) -> Placement:
        """Return how the version stands, or raise ``NotFoundError``."""
        ...

    def placements(self, model: str, environment: str) -> Sequence[Placement]:
        """Return how every version stands that has been judged in the environment, oldest first."""
        ...

    def decide(self, approval: Approval) -> Placement:
        """Keep a person's decision and move the version; the same decision twice is one.

        Raises:
            IllegalMoveError: the version does not wait for approval.
        """
        ...

    def served(self, claim: Claim, release: Release, *, reason: str, actor: str, roll_back: bool = False) -> None:
        """Write that the version serves from now on and that the one before it does not.

        The version before is ``ROLLED_BACK`` when *roll_back*, else ``RETIRED``. Writing it twice is writing it once.

        Raises:
            FencedError: the claim is lost.
            RefusedError: the stored verdict or artifact is not the one that *release* proves.
        """
        ...

    def turn_back(self, claim: Claim, number: int) -> None:
        """Write that the version was taken back on its way to all of the traffic; doing it twice is doing it once.

        It is ``ROLLED_BACK`` from then on; what serves stays what serves.

        Raises:
            FencedError: the claim is lost.
            IllegalMoveError: the version never had the right to any traffic, or it serves.
        """
        ...

    def champion(self, model: str, environment: str) -> int | None:
        """Return the version that serves, by the record of ``served``."""
        ...

    def history(
        self,
        model: str,
        environment: str | None = None,
        *,
        version: int | None = None,
        by: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[Served]:
        """Return what took traffic, newest first.

        Args:
            version: only of this one.
            by: only what had begun by then.
            limit: how many at most; None is all.
        """
        ...

    def learnt(self, model: str) -> Mapping[str, object] | None:
        """Return the schema and label order that hold, or None before a version was approved.

        Each version carries them on from the one before, so those of the newest approved version are those of the
        first one, or of the one that a person let learn them anew.
        """
        ...

    def forget(self, model: str, number: int) -> None:
        """Take the version out of every list; its number is never given again.

        Raises:
            RefusedError: it serves, waits for approval, or is the one to go back to, in any environment.
        """
        ...
