"""Heads of requests that were parsed before: callers send the same bytes again and again.

A head is known by all of its bytes, and only when the strict parser has accepted them at the very beginning of a
request, so that taking it from here says exactly what parsing it again would say, at a fraction of the time.
"""

from dataclasses import dataclass
from typing import Final

from everfit.serving.http_exchange import Exchange

MOST: Final = 512
LONGEST: Final = 2048
"""Longer heads, in bytes, are not worth their room."""
LARGEST: Final = 8 * 1024
"""The time that a larger body, in bytes, takes does not hang on its head."""
CHANGES_READING: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
END: Final = b"\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Head:
    """What a head says.

    Args:
        length: of the body, in bytes.
    """

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    length: int


def remember(heads: dict[bytes, Head], data: bytes, exchange: Exchange, length: int) -> None:
    """Remember the head of a plain request that *data* is all of, for the next one that begins with the same bytes.

    Args:
        length: of its body, in bytes.
    """
    end = data.find(END) + len(END)
    # Empty lines before a request are allowed, and are not its head.
    if end > LONGEST or length > LARGEST or end + length != len(data) or not data[:1].isalpha():
        return
    if exchange.is_old or not exchange.keeps_alive or not CHANGES_READING.isdisjoint(exchange.headers):
        return
    if len(heads) >= MOST:
        heads.clear()
    headers, target = exchange.headers, exchange.target
    heads[data[:end]] = Head(method=exchange.method, target=target, headers=headers, length=length)
