"""Names that answer."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.version import Release


class Endpoints(Protocol):
    """Names that answer. Every change carries a fencing token; an older one raises ``FencedError``."""

    def describe(self, name: str) -> EndpointState | None:
        """Return what the endpoint really serves, or None before its first deployment."""
        ...

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Load the version beside what serves and have it answer its sample; return when it can take traffic.

        Raises:
            RunFailedError: it does not load or answer; the message holds its own error text. Nothing was shifted.
        """
        ...

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> bool:
        """Move the traffic in one change; each version with a weight needs its release.

        True when the endpoint serves so; False while the change is under way, and then the same call tells again
        how it stands.

        Raises:
            RefusedError: a version with a weight has no release for the bytes that are loaded.
            RunFailedError: the change was taken back; what served before serves.
        """
        ...

    def wait(self, name: str, patience: timedelta) -> bool:
        """Wait until no change of the endpoint is under way, or *patience* is over; tell whether none is."""
        ...

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        """Let versions go that take no traffic and are not in *keep*, when they have finished what they have.

        Args:
            back: the version to go back to at once, without being asked, when what serves cannot go on; it is kept.
                None when there is none. A platform that goes back by itself takes no notice.
        """
        ...

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        """Go back: stage *version* unless it is loaded, and give it all the traffic; answers as ``shift`` does."""
        ...

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Send a request as a client would."""
        ...

    def start(self) -> None:
        """Start the host with the state that it had, unless it runs."""
        ...

    def is_running(self) -> bool:
        """Tell whether the host runs; this starts nothing."""
        ...

    def is_stopped(self) -> bool:
        """Tell whether the host was stopped on purpose, and nobody has started it since."""
        ...

    def stop(self) -> bool:
        """Stop the host when there is one; False when none was running."""
        ...
