"""What the front and a worker say to each other over a Unix socket: a length, a header in JSON, a body."""

import json
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any, BinaryIO

LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client wants of a model."""

    body: bytes
    content_type: str
    accept: str


class Trouble(Enum):
    """Why there is no answer."""

    REFUSED = "refused"
    """The handlers do not understand the request."""
    MODEL = "model"
    """The model raised, crashed, or gave what cannot be sent."""
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    """No process can take the request now."""
    OVERLOADED = "overloaded"
    """Too many wait already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered, or a message in its place.

    Args:
        trouble: None when it is a real answer.
    """

    status: int
    body: bytes
    content_type: str
    trouble: Trouble | None = None

    @property
    def is_answer(self) -> bool:
        """Whether it is a real answer and not an excuse."""
        return self.trouble is None


def excuse(trouble: Trouble, status: int, message: str) -> Reply:
    """Return what stands in the place of an answer."""
    return Reply(status=status, body=message.encode(), content_type="text/plain", trouble=trouble)


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
