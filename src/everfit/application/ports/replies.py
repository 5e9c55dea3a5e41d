"""Answers that are kept under the keys of their callers."""

from collections.abc import Callable
from typing import Protocol

from everfit.domain.reply import Asking, Reply, Turn


class Replies(Protocol):
    """Answers to requests for a change, kept for a while."""

    def begin(self, asking: Asking, plan: Callable[[], str | None]) -> tuple[Turn, Reply]:
        """Take the request in hand unless it was answered or is under way; return what to do, and what is kept.

        Args:
            plan: is asked, before anything is written, when there is something to do for the first time.
        """
        ...

    def answer(self, asking: Asking, status: int, body: str) -> None:
        """Keep the answer; nothing happens when the request is no longer in the hands of ``asking.owner``."""
        ...

    def forget(self, asking: Asking) -> None:
        """Keep nothing of a request that changed nothing, if it is still in the hands of ``asking.owner``."""
        ...

    def leave(self, asking: Asking) -> None:
        """Let anybody try again, by the same plan, what failed half-way."""
        ...
