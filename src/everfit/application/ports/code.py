"""Freezes the user's code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenCode:
    """The user's code as it was when the run started.

    Args:
        digest: of every file's path and content.
        folder: where the copy lies.
        commit: of the git repository it came from; None outside one.
        is_dirty: whether something there was not committed.
    """

    digest: str
    folder: str
    commit: str | None
    is_dirty: bool


class Code(Protocol):
    """The user's code."""

    def freeze(
        self,
        folder: str,
        *,
        leave_out: Sequence[str] = (),
        commit: str | None = None,
        repository: str | None = None,
    ) -> FrozenCode:
        """Copy the code in *folder* once per content; *leave_out* are paths below it that are not code.

        Args:
            commit: whose code is copied in place of what lies there; its digest is that of a clean checkout.
            repository: that has the commit; None means the one that the folder lies in, or its ``origin``.

        Raises:
            NotFoundError: there is no such commit, or it does not have the folder.
            BackendError: the repository does not answer.
        """
        ...

    def text(self, folder: str, path: str) -> str:
        """Return the text of a file in a frozen folder, or raise ``NotFoundError``."""
        ...

    def modules(self, folder: str) -> frozenset[str]:
        """Return the names that Python can import from the top of a frozen folder."""
        ...
