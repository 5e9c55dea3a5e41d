"""What brings messages to people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from everfit.domain.alert import Channel
from everfit.domain.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message for one channel.

    Args:
        id: the same whenever the same message is sent again, so that whoever gets it twice can tell.
    """

    id: str
    channel: Channel
    message: Message


class Channels(Protocol):
    """E-mail, chats, webhooks and the rest. A channel that hangs holds up nobody for longer than its time."""

    def send(self, letters: Sequence[Letter], patience: timedelta | None = None) -> Iterator[tuple[Letter, str | None]]:
        """Send each letter, some at once, and yield it as soon as it is known how that went.

        With it comes None when the channel has it, else what went wrong, without any secret.

        Args:
            patience: most time for all together; None means the usual time for each.
        """
        ...

    def trouble(self, channel: Channel) -> str | None:
        """Return why nothing can be sent through the channel as things are set up; nothing is sent to find out."""
        ...
