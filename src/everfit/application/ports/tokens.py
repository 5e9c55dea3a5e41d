"""The tokens that callers show."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from everfit.domain.access import Role, Token


class Tokens(Protocol):
    """The tokens of an installation, without their secrets."""

    def add(self, name: str, role: Role, lifetime: timedelta | None) -> tuple[Token, str]:
        """Make a token; return it with the text that its owner shows, which is kept nowhere.

        Args:
            lifetime: None makes one that never expires.

        Raises:
            RequestError: nobody could read the name in a record.
            RefusedError: a token of that name holds.
        """
        ...

    def token(self, token: str) -> Token | None:
        """Return the token of that id, also one that was revoked; None when there is none."""
        ...

    def tokens(self) -> Sequence[Token]:
        """Return every token, oldest first."""
        ...

    def revoke(self, name: str) -> Token:
        """Take back the token of that name or id for ever; raise ``NotFoundError`` when none holds."""
        ...

    def used(self, token: str, at: datetime) -> None:
        """Write when the token was last used; nothing happens when there is none."""
        ...
