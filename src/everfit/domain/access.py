"""Who may do what over HTTP: tokens, roles, and what of a local caller is believed."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from everfit.domain.errors import EverfitError, RefusedError, RequestError

PREFIX: Final = "evf"
LONGEST_NAME: Final = 100
LONGEST_LIFETIME: Final = timedelta(days=365 * 1000)
_TOKEN: Final = re.compile(rf"{PREFIX}_([a-z0-9]{{8,32}})_([A-Za-z0-9_-]{{20,100}})")
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]{1,5})?")
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")


class UnknownCallerError(EverfitError):
    """Nobody knows who calls: there is no token, or none that holds."""


class ForbiddenError(EverfitError):
    """Whoever calls may not do this."""


class Role(Enum):
    """What a caller may do; each role holds those before it."""

    READ = "read"
    TRIGGER = "trigger"
    APPROVE = "approve"

    def covers(self, needed: "Role") -> bool:
        """Tell whether this role is enough where *needed* is asked for."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is kept: whoever reads this cannot call with it.

    Args:
        name: of the person or program it was made for; it stands in the records of what was done with it.
        digest: SHA-256 of the secret, which has 256 bits of chance; nothing slower would make it safer.
        expires: None means never.
        used: when it was last used, to the hour.
    """

    id: str
    name: str
    role: Role
    digest: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    used: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls.

    Args:
        token: id of the token; None for somebody on this machine who needs none.
    """

    name: str
    role: Role
    token: str | None = None

    @property
    def id(self) -> str:
        """What tells callers apart."""
        return self.token or "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request says that it comes from and goes to, as its headers have it."""

    host: str | None
    origin: str | None = None
    site: str | None = None
    is_forwarded: bool = False


def check_name(name: str) -> None:
    """Raise ``RequestError`` for a name that nobody could read in a record."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise RequestError(f"A token needs a name of 1 to {LONGEST_NAME} characters that can be shown.")


def expiry(now: datetime, lifetime: timedelta | None) -> datetime | None:
    """Return when a token expires; None is never, and what no calendar holds is never either."""
    if lifetime is None or lifetime > LONGEST_LIFETIME:
        return None
    return now + lifetime


def written(token: str, secret: str) -> str:
    """Return the token as its owner gets it, once."""
    return f"{PREFIX}_{token}_{secret}"


def parsed(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a token, or None when *text* is none."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def admitted(token: Token | None, secret: str, now: datetime) -> Caller:
    """Return who calls with that secret, or raise ``UnknownCallerError``; how long it takes tells nothing.

    Args:
        token: that the caller names; None when there is none of that id.
    """
    kept = "0" * 64 if token is None else token.digest
    is_right = hmac.compare_digest(kept, digest_of(secret))
    if token is None or not is_right:
        raise UnknownCallerError("The token is not known here. Make one with `everfit tokens add`.")
    if token.revoked is not None:
        raise UnknownCallerError(f"The token {token.name} was revoked. Make another one with `everfit tokens add`.")
    if token.expires is not None and token.expires <= now:
        raise UnknownCallerError(f"The token {token.name} has expired. Make another one with `everfit tokens add`.")
    return Caller(name=token.name, role=token.role, token=token.id)


def check_role(caller: Caller, needed: Role) -> None:
    """Raise ``ForbiddenError`` unless the caller may do what *needed* allows."""
    if not caller.role.covers(needed):
        raise ForbiddenError(
            f"{caller.name} has the role {caller.role.value}; this needs {needed.value}. Use a token of that role."
        )


def is_loopback(host: str) -> bool:
    """Tell whether an address or name means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, tokens: Sequence[Token]) -> None:
    """Raise ``RefusedError`` when a service at *host* could be reached from elsewhere and has no token to ask for."""
    if is_loopback(host) or any(token.revoked is None for token in tokens):
        return
    raise RefusedError(
        f"The service would answer at {host} to whoever can reach it, and there is no token. "
        "Make one first: everfit tokens add NAME --role approve"
    )


def check_local(origin: Origin) -> None:
    """Raise ``UnknownCallerError`` unless a request without a token was made on this machine, and by no web page.

    A page of another site that a browser here shows can send requests to this machine, also under a name of its own
    that it makes point here; a proxy on this machine passes on what strangers send.
    """
    if origin.is_forwarded:
        raise UnknownCallerError("A request that a proxy passes on needs a token: Authorization: Bearer evf_…")
    if _name(origin.host) not in _LOCAL_NAMES:
        raise UnknownCallerError("A request without a token must be made to localhost or 127.0.0.1.")
    if origin.origin is not None and _name_of_origin(origin.origin) != (origin.host or "").lower():
        raise UnknownCallerError("A web page of another site may not call without a token.")
    if origin.site not in (None, "same-origin", "none"):
        raise UnknownCallerError("A web page of another site may not call without a token.")


def _name(host: str | None) -> str | None:
    found = _HOST.fullmatch(host or "")
    return None if found is None else (found[1] or found[2]).lower()


def _name_of_origin(origin: str) -> str | None:
    scheme, separator, rest = origin.lower().partition("://")
    return rest if separator and scheme in ("http", "https") else None
