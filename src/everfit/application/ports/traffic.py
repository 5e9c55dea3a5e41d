"""Live traffic of endpoints whose versions take it side by side."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from everfit.domain.endpoint import Service
from everfit.domain.live import Observation, Quality
from everfit.domain.version import Release


class Traffic(Protocol):
    """Splits live traffic and tells what became of it; a platform that moves traffic by itself has none."""

    def observe(self, name: str) -> Observation | None:
        """Return what the endpoint's host has counted, or None before its first deployment or when it is stopped.

        Raises:
            BackendError: the host does not answer.
        """
        ...

    def split(
        self,
        name: str,
        weights: Mapping[int, float],
        releases: Sequence[Release],
        *,
        shadows: Sequence[int] = (),
        fence: int,
    ) -> None:
        """Give staged versions these shares, and copies to *shadows*, in one change.

        Raises:
            FencedError: somebody with a later token has changed the endpoint.
            RefusedError: a version with a share or a copy has no release for the bytes that are loaded.
            RunFailedError: a version is not loaded. Nothing was changed.
        """
        ...

    def keep_requests(self, name: str, service: Service) -> None:
        """Have requests kept by these settings from now on, whichever version answers; nothing without an endpoint."""
        ...

    def quality(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        """Return how good live answers since then were, version by version, on rows whose labels have come.

        A version without a labelled row is left out.
        """
        ...
