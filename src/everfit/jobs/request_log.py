"""Requests and answers in a file: a line of JSON that says how many bytes follow, then the bytes.

Both sides read the very same requests; the scorer writes its answers as they came. Standard library only.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as a client would make it.

    Args:
        rows: how many predictions its answer must hold.
        timed: it is sent only to see how long the answer takes, after all the others.
    """

    body: bytes
    content_type: str
    rows: int
    timed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer; *seconds* is the time it took."""

    body: bytes
    content_type: str
    seconds: float
    timed: bool


def write_request(file: IO[bytes], request: Request, path: Path | None = None) -> None:
    """Append *request*; a body that already lies in a file at *path* is not copied."""
    head: dict[str, object] = {
        "content_type": request.content_type,
        "rows": request.rows,
        "timed": request.timed,
        "bytes": len(request.body),
    }
    if path is not None:
        head["path"] = str(path)
    file.write(json.dumps(head).encode() + b"\n" + request.body)


def read_requests(path: Path) -> Iterator[Request]:
    """Yield the requests in the order in which they were written."""
    with path.open("rb") as file:
        while line := file.readline():
            head = json.loads(line)
            body = file.read(head["bytes"])
            if "path" in head:
                body = Path(head["path"]).read_bytes()
            yield Request(body=body, content_type=head["content_type"], rows=head["rows"], timed=head["timed"])


def write_reply(file: IO[bytes], reply: Reply) -> None:
    """Append *reply*."""
    head = {
        "content_type": reply.content_type,
        "seconds": reply.seconds,
        "timed": reply.timed,
        "bytes": len(reply.body),
    }
    file.write(json.dumps(head).encode() + b"\n" + reply.body)


def read_replies(path: Path) -> Iterator[Reply]:
    """Yield the replies in the order in which they were written."""
    with path.open("rb") as file:
        while line := file.readline():
            head = json.loads(line)
            yield Reply(
                body=file.read(head["bytes"]),
                content_type=head["content_type"],
                seconds=head["seconds"],
                timed=head["timed"],
            )
