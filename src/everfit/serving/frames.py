"""What the front and a worker say to each other over a Unix socket: a length, a header in JSON, a body."""

import json
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client wants of a model."""

    body: bytes
    content_type: str
    accept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered; a status of 400 and above comes with a message as its body."""

    status: int
    body: bytes
    content_type: str

    @property
    def is_answer(self) -> bool:
        """Whether it is a real answer and not an excuse."""
        return 200 <= self.status < 300


def encoded(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Return a frame."""
    text = json.dumps({**header, "length": len(body)}).encode()
    return LENGTH.pack(len(text)) + text + body


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read a frame, or raise ``EOFError`` when the other side is gone."""
    header = json.loads(exactly(stream, LENGTH.unpack(exactly(stream, LENGTH.size))[0]))
    return header, exactly(stream, header["length"])


def exactly(stream: BinaryIO, size: int) -> bytes:
    """Read *size* bytes, or raise ``EOFError``."""
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
