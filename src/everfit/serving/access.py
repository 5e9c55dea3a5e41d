"""Who may reach the host: the address it listens on, and the tokens that callers from elsewhere need; pure."""

import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from everfit.domain.errors import StateError

LOOPBACK = "127.0.0.1"
TOKENS = "EVERFIT_SERVE_TOKEN"
"""The variable by which tokens are handed on; they never stand in a list of processes."""
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAccess:
    """What an operator chose; nothing chosen means what was chosen before, and at first this machine alone.

    Args:
        address: to listen on, as ``0.0.0.0``, ``0.0.0.0:8080`` or ``[::]:8080``; None is not chosen.
        port: to listen on; None takes that of the address, or else the one it had before.
        tokens: any of them lets a caller in; several while one takes the place of another.
    """

    address: str | None = None
    port: int | None = None
    tokens: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_chosen(self) -> bool:
        """Whether there is anything to remember."""
        return self.address is not None or bool(self.tokens)

    @property
    def host(self) -> str:
        """The IP address to listen on; raises ``StateError`` for what is none, or names another port."""
        return str(self._parsed()[0])

    @property
    def wanted_port(self) -> int | None:
        """The port that was chosen; raises ``StateError`` when two were."""
        return self._parsed()[1]

    def _parsed(self) -> tuple[IPv4Address | IPv6Address, int | None]:
        address, named = self._named()
        if None not in (self.port, named) and self.port != named:
            raise StateError(
                f"EVERFIT_PORT is {self.port} and EVERFIT_SERVE_ADDRESS is {self.address}: let one of them name it."
            )
        return address, named if self.port is None else self.port

    def _named(self) -> tuple[IPv4Address | IPv6Address, int | None]:
        text = self.address or LOOPBACK
        with suppress(ValueError):
            return address_of(text), None
        host, _, port = text.rpartition(":")
        with suppress(ValueError):
            address = address_of(host)
            if port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535:
                return address, int(port)
        raise StateError(
            f"EVERFIT_SERVE_ADDRESS is {text!r}: it must be an IP address of this machine, with a port or without, "
            "such as 0.0.0.0 or 0.0.0.0:8080."
        )

    def check(self) -> None:
        """Raise ``StateError`` unless the host may be started like this."""
        address, _ = self._parsed()
        for token in self.tokens:
            if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
                raise StateError(
                    f"EVERFIT_SERVE_TOKEN needs {SHORTEST_TOKEN} characters or more for each token, printable ASCII "
                    "without spaces."
                )
        if not address.is_loopback and not self.tokens:
            raise StateError(
                f"The endpoint host does not start: it would listen on {address}, which other machines may reach, "
                "and EVERFIT_SERVE_TOKEN is not set. Set it to a secret, which callers send, or listen on 127.0.0.1."
            )

    def knows(self, token: str) -> bool:
        """Whether the token is one of these, in a time that does not tell how nearly it was."""
        given, found = token.encode("latin-1", "replace"), False
        for known in self.tokens:
            found |= hmac.compare_digest(known.encode(), given)
        return found


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return an IP address, in brackets or without; raises ``ValueError`` for what is none."""
    return ip_address(LOOPBACK if text == "localhost" else text.removeprefix("[").removesuffix("]"))


@lru_cache(maxsize=256)
def is_local_name(host: bytes) -> bool:
    """Whether the Host of a request names this machine, and not what somebody else made point to it."""
    text = host.decode("latin-1").lower()
    name = text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]
    with suppress(ValueError):
        return is_loopback(str(address_of(name)))
    return False


def is_loopback(text: str) -> bool:
    """Whether an IP address, which may name an interface, is of this machine alone."""
    address = ip_address(text.partition("%")[0])
    mapped = None if address.version == 4 else address.ipv4_mapped
    return (mapped or address).is_loopback


def reachable(host: str) -> str:
    """Return the address at which a host that listens on *host* is reached from this machine."""
    address = ip_address(host)
    if not address.is_unspecified:
        return host
    return LOOPBACK if address.version == 4 else "::1"


def url_of(host: str, port: int) -> str:
    """Return the address of the host's web root, seen from this machine."""
    reached = reachable(host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
