"""Tokens in SQL."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from everfit.adapters.sql.database import Database, Row, Statements
from everfit.application.ports import Clock
from everfit.domain.access import Role, Token, check_name, digest_of, expiry, written
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.record import instant


class SqlTokens:
    """Implements ``Tokens``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, name: str, role: Role, lifetime: timedelta | None) -> tuple[Token, str]:
        token, secret = new_token(name, role, self._clock.now(), lifetime)
        with self._database.transaction() as rows:
            if _holding(rows, name) is not None:
                raise RefusedError(f"There is a token named {name}. Revoke it, or take another name.")
            rows.write(
                "insert into token (id, name, role, digest, created, expires)"
                " values (:id, :name, :role, :digest, :created, :expires)",
                _values(token),
            )
        return token, written(token.id, secret)

    def token(self, token: str) -> Token | None:
        with self._database.reading() as rows:
            row = rows.one("select * from token where id = :id", {"id": token})
            return None if row is None else _token(row)

    def tokens(self) -> Sequence[Token]:
        with self._database.reading() as rows:
            return [_token(row) for row in rows.all("select * from token order by place", {})]

    def revoke(self, name: str) -> Token:
        with self._database.transaction() as rows:
            found = _holding(rows, name)
            if found is None:
                raise NotFoundError(f"There is no token {name} that could be revoked; `everfit tokens list` shows all.")
            rows.write(
                "update token set revoked = :now where id = :id", {"id": found["id"], "now": instant(self._clock.now())}
            )
            row = rows.one("select * from token where id = :id", {"id": found["id"]})
            return _token(found if row is None else row)

    def used(self, token: str, at: datetime) -> None:
        with self._database.transaction() as rows:
            rows.write("update token set used = :at where id = :id", {"id": token, "at": instant(at)})


def new_token(name: str, role: Role, now: datetime, lifetime: timedelta | None) -> tuple[Token, str]:
    """Return a token and its secret."""
    check_name(name)
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(6),
        name=name,
        role=role,
        digest=digest_of(secret),
        created=now,
        expires=expiry(now, lifetime),
    )
    return token, secret


def _holding(rows: Statements, name: str) -> Row | None:
    return rows.one(
        "select * from token where (name = :name or id = :name) and revoked is null order by place limit 1",
        {"name": name},
    )


def _values(token: Token) -> Mapping[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "digest": token.digest,
        "created": instant(token.created),
        "expires": None if token.expires is None else instant(token.expires),
    }


def _token(row: Row) -> Token:
    return Token(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        digest=row["digest"],
        created=datetime.fromisoformat(row["created"]),
        expires=_moment(row["expires"]),
        revoked=_moment(row["revoked"]),
        used=_moment(row["used"]),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
