"""What the front and a worker say to each other over a Unix socket: many requests in one write, many answers in one.

A frame is ``HEAD`` (length of what follows, kind) and its content. Requests and answers are a count, that many
records of a fixed size, and then the texts and bodies in the order of the records; a hello is JSON. All numbers are
unsigned, in network order, and wide enough that nothing a machine can hold overflows them.
"""

import json
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from itertools import chain

HEAD = struct.Struct("!QB")
COUNT = struct.Struct("!I")
REQUEST = struct.Struct("!QIIQ")
"""Id, length of the content type, of the accepted ones, of the body."""
ANSWER = struct.Struct("!QHIQ")
"""Id, status, length of the content type, of the body."""
SMALL = 64 * 1024
LARGE = 1024 * 1024


# Not frozen: one is made for each request, and freezing it doubles what that costs.
@dataclass(slots=True, kw_only=True)
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


# Not frozen: one is made for each request, and freezing it doubles what that costs.
@dataclass(slots=True, kw_only=True)
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


class Kind(IntEnum):
    """What a frame holds."""

    BATCH = 1
    SAMPLE = 2
    """One request that a client did not send: it may be asked again and in pieces, to learn about the model."""
    ANSWERS = 3
    HELLO = 4


FROM_WORKER = frozenset((Kind.ANSWERS, Kind.HELLO))


class Readiness(Enum):
    """What a worker can do."""

    LOADING = "loading"
    """Its model is being loaded, or it is still busy for the connection before; a second hello follows."""
    READY = "ready"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a worker says of itself when it is connected to, and again when that changes.

    Args:
        message: why it is unusable, or why requests cannot be joined.
        batches: whether the requests of a batch can share a call of the model; otherwise each has its own.
        pid: of the process.
    """

    kind: Readiness
    pid: int
    message: str | None = None
    batches: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a worker is asked at once."""

    requests: Sequence[tuple[int, Request]]
    is_sample: bool = False


class BrokenFrameError(Exception):
    """The other side sent what is no frame."""


def encoded_batch(requests: Sequence[tuple[int, Request]], *, is_sample: bool = False) -> bytes:
    """Return the frame that asks for answers to requests with ids of the caller's choice.

    Args:
        is_sample: see ``Kind.SAMPLE``.
    """
    heads: list[bytes] = []
    contents: list[bytes] = []
    for name, request in requests:
        content_type, accept = request.content_type.encode(), request.accept.encode()
        heads.append(REQUEST.pack(name, len(content_type), len(accept), len(request.body)))
        contents += (content_type, accept, request.body)
    return framed(Kind.SAMPLE if is_sample else Kind.BATCH, heads, contents)


def encoded_answers(answers: Sequence[tuple[int, Reply]]) -> bytes:
    """Return the frame with the replies to some requests of a batch."""
    heads: list[bytes] = []
    contents: list[bytes] = []
    for name, reply in answers:
        content_type = reply.content_type.encode(errors="replace")
        heads.append(ANSWER.pack(name, reply.status, len(content_type), len(reply.body)))
        contents += (content_type, reply.body)
    return framed(Kind.ANSWERS, heads, contents)


def encoded_hello(hello: Hello) -> bytes:
    """Return the frame with a hello."""
    record = {"kind": hello.kind.value, "message": hello.message, "batches": hello.batches, "pid": hello.pid}
    text = json.dumps(record).encode()
    return HEAD.pack(len(text), Kind.HELLO) + text


def framed(kind: Kind, heads: Sequence[bytes], contents: Iterable[bytes]) -> bytes:
    """Return a frame of records and what belongs to them."""
    body = b"".join(chain((COUNT.pack(len(heads)),), heads, contents))
    return HEAD.pack(len(body), kind) + body


class RequestReader:
    """Reads batches in a worker; many small requests cost one system call."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray(SMALL)
        self._start = 0
        self._end = 0

    def next(self) -> Batch:
        """Wait for the next batch; raise ``EOFError`` when the other side is gone."""
        self._need(HEAD.size)
        length, kind = HEAD.unpack_from(self._buffer, self._start)
        if kind not in (Kind.BATCH, Kind.SAMPLE):
            raise BrokenFrameError(f"A worker was sent a frame of kind {kind}.")
        self._start += HEAD.size
        self._need(length)
        with memoryview(self._buffer)[self._start : self._start + length] as content:
            requests = decoded_requests(content)
        self._start += length
        self._let_go()
        return Batch(requests=requests, is_sample=kind == Kind.SAMPLE)

    def _need(self, size: int) -> None:
        """Wait until *size* bytes are there."""
        if self._start + size > len(self._buffer):
            rest = self._buffer[self._start : self._end]
            self._buffer = rest + bytes(max(SMALL, size) - len(rest))
            self._start, self._end = 0, len(rest)
        while self._end - self._start < size:
            with memoryview(self._buffer)[self._end :] as room:
                received = self._received(room)
            if not received:
                raise EOFError
            self._end += received

    def _received(self, room: memoryview) -> int:
        try:
            return self._connection.recv_into(room)
        except ConnectionError:
            return 0

    def _let_go(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) > LARGE:
                self._buffer = bytearray(SMALL)


class AnswerReader:
    """Reads a worker's frames in whichever pieces they arrive.

    ``hello`` is the latest that was read: what a worker learns of its model at a sample is said before the answer.
    """

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, Reply]]:
        """Take some bytes and return the answers that are complete; raise ``BrokenFrameError`` for anything else."""
        source: bytes | bytearray = data
        if self._rest:
            self._rest += data
            source = self._rest
        answers: list[tuple[int, Reply]] = []
        start = 0
        with memoryview(source) as view:
            while len(view) - start >= HEAD.size:
                length, kind = HEAD.unpack_from(view, start)
                if kind not in FROM_WORKER:
                    raise BrokenFrameError(f"A worker sent a frame of kind {kind}.")
                end = start + HEAD.size + length
                if end > len(view):
                    break
                answers += self._taken(kind, view[start + HEAD.size : end])
                start = end
        if self._rest:
            del self._rest[:start]
        elif start < len(data):
            self._rest += data[start:]
        return answers

    def _taken(self, kind: int, content: memoryview) -> list[tuple[int, Reply]]:
        try:
            if kind == Kind.ANSWERS:
                return decoded_answers(content)
            self.hello = decoded_hello(bytes(content))
            return []
        finally:
            content.release()


def decoded_requests(content: memoryview) -> list[tuple[int, Request]]:
    """Return the requests of a batch."""
    requests: list[tuple[int, Request]] = []
    heads, at = records(content, REQUEST)
    for name, type_length, accept_length, length in heads:
        accept_at = at + type_length
        body_at = accept_at + accept_length
        end = body_at + length
        body = bytes(content[body_at:end])
        content_type = str(content[at:accept_at], "utf-8")
        requests.append(
            (name, Request(body=body, content_type=content_type, accept=str(content[accept_at:body_at], "utf-8")))
        )
        at = end
    refuse_rest(content, at)
    return requests


def decoded_answers(content: memoryview) -> list[tuple[int, Reply]]:
    """Return the replies of a frame."""
    replies: list[tuple[int, Reply]] = []
    heads, at = records(content, ANSWER)
    for name, status, type_length, length in heads:
        body_at = at + type_length
        end = body_at + length
        body = bytes(content[body_at:end])
        content_type = str(content[at:body_at], "utf-8", "replace")
        replies.append((name, Reply(status=status, body=body, content_type=content_type, trouble=trouble_of(status))))
        at = end
    refuse_rest(content, at)
    return replies


def records(content: memoryview, record: struct.Struct) -> tuple[list[tuple[int, ...]], int]:
    """Return the records that a frame begins with, and where they end."""
    try:
        (count,) = COUNT.unpack_from(content)
        end = COUNT.size + count * record.size
        return list(record.iter_unpack(content[COUNT.size : end])), end
    except struct.error as error:
        raise BrokenFrameError("A frame ends within its records.") from error


def refuse_rest(content: memoryview, end: int) -> None:
    """Raise ``BrokenFrameError`` unless the records have used all of the content."""
    if end != len(content):
        raise BrokenFrameError("The lengths in a frame do not add up.")


def decoded_hello(content: bytes) -> Hello:
    """Return what a worker says of itself."""
    try:
        record = json.loads(content)
        return Hello(
            kind=Readiness(record["kind"]),
            pid=int(record["pid"]),
            message=record["message"],
            batches=bool(record["batches"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenFrameError(f"A worker sent a hello that cannot be read: {error}.") from error


def trouble_of(status: int) -> Trouble | None:
    """Return what a worker's status says of an answer."""
    return None if status < 400 else Trouble.REFUSED if status < 500 else Trouble.MODEL
