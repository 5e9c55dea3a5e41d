"""Tokens in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from everfit.application.ports import Clock
from everfit.domain.access import Role, Token, check_name, digest_of, expiry, written
from everfit.domain.errors import NotFoundError, RefusedError


class MemoryTokens:
    """Implements ``Tokens`` for tests: secrets are counted instead of left to chance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    def add(self, name: str, role: Role, lifetime: timedelta | None) -> tuple[Token, str]:
        check_name(name)
        if self._holding(name) is not None:
            raise RefusedError(f"There is a token named {name}. Revoke it, or take another name.")
        number = len(self._tokens) + 1
        secret = f"secret-{number:036}"
        token = Token(
            id=f"{number:012}",
            name=name,
            role=role,
            digest=digest_of(secret),
            created=self._clock.now(),
            expires=expiry(self._clock.now(), lifetime),
        )
        self._tokens[token.id] = token
        return token, written(token.id, secret)

    def token(self, token: str) -> Token | None:
        return self._tokens.get(token)

    def tokens(self) -> Sequence[Token]:
        return list(self._tokens.values())

    def revoke(self, name: str) -> Token:
        found = self._holding(name)
        if found is None:
            raise NotFoundError(f"There is no token {name} that could be revoked; `everfit tokens list` shows all.")
        self._tokens[found.id] = replace(found, revoked=self._clock.now())
        return self._tokens[found.id]

    def used(self, token: str, at: datetime) -> None:
        if token in self._tokens:
            self._tokens[token] = replace(self._tokens[token], used=at)

    def _holding(self, name: str) -> Token | None:
        found = (token for token in self._tokens.values() if name in (token.name, token.id) and token.revoked is None)
        return next(found, None)
