"""Keeps a claim alive."""

from contextlib import AbstractContextManager
from typing import Protocol

from everfit.application.ports.claim import Claim


class Heart(Protocol):
    """Keeps a claim alive while work goes on."""

    def beating(self, claim: Claim) -> AbstractContextManager[None]:
        """Renew the claim's lease in the background for as long as the context lasts."""
        ...
