"""Topics of SNS that send messages to this service."""

from typing import Protocol

from everfit.domain.sns_message import SnsMessage


class Topics(Protocol):
    """Topics of SNS: whether a message is really from one, and answering that its messages are wanted."""

    def is_allowed(self, topic: str) -> bool:
        """Tell whether the operator lets this topic send messages here."""
        ...

    def check(self, message: SnsMessage) -> None:
        """Make sure that SNS has signed the message.

        Raises:
            RefusedError: it has not.
            BackendError: the certificate cannot be fetched now.
        """
        ...

    def confirm(self, message: SnsMessage) -> None:
        """Tell SNS that this subscription is wanted, or raise ``BackendError``."""
        ...
