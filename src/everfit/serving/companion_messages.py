"""What the front and a process beside it say to each other over a Unix socket: a head of text and a body of bytes."""

import struct
from collections.abc import Iterator

_LENGTHS = struct.Struct("!II")


def message(head: str, body: bytes = b"") -> bytes:
    """Return a message as it is sent."""
    text = head.encode()
    return b"".join((_LENGTHS.pack(len(text), len(body)), text, body))


class Messages:
    """Puts the pieces that arrive together again."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield head and body of each message that *piece* completes."""
        self._data += piece
        start, available = 0, len(self._data)
        try:
            while available - start >= _LENGTHS.size:
                head, body = _LENGTHS.unpack_from(self._data, start)
                middle = start + _LENGTHS.size + head
                end = middle + body
                if end > available:
                    break
                text, content = self._data[start + _LENGTHS.size : middle].decode(), bytes(self._data[middle:end])
                start = end
                yield text, content
        finally:
            del self._data[:start]
