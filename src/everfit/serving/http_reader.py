"""Requests out of the bytes of one connection.

The parser is strict: whatever two programs could read differently (two lengths, folded headers, bad chunks) is
refused, and nothing behind it is read.
"""

from enum import Enum
from typing import Protocol, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from everfit.serving.http_exchange import Budget, Exchange, Owner
from everfit.serving.limits import Limits

SMALL = 64 * 1024
"""Bodies up to this size, in bytes, are not counted, and are read to their end even when nobody wants them."""
NEVER_TWICE = frozenset({b"host", b"authorization", b"x-everfit-token", b"content-type"})
CONTINUED = b"100-continue"


class Part(Enum):
    """What of a request is expected next."""

    NOTHING = "nothing"
    HEAD = "head"
    BODY = "body"


class RefusedError(Exception):
    """Nothing more of what this caller sends is read."""

    def __init__(self, status: int, message: str, kind: str = "ValidationError") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Receiver(Owner, Protocol):
    """What takes the requests; the connection."""

    def on_part(self) -> None:
        """Note that another part of a request begins."""
        ...

    def on_head(self, exchange: Exchange) -> None:
        """Take a request of which the body is to come; one that is answered at once needs none."""
        ...

    def on_whole(self, exchange: Exchange) -> None:
        """Take the same request when its body is there."""
        ...


class RequestReader:
    """Reads one request after the other.

    Args:
        budget: counts large bodies.
    """

    def __init__(self, receiver: Receiver, limits: Limits, budget: Budget) -> None:
        self.part = Part.NOTHING
        self.exchange: Exchange | None = None
        self.in_window = 0
        self.is_over = False
        self._receiver = receiver
        self._limits = limits
        self._budget = budget
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._messages = 0
        self._head = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._received = 0
        self._is_replayed = False

    def feed(self, data: bytes) -> RefusedError | None:
        """Read on; return why nothing more is read, if that is so."""
        part, before = self.part, self._messages
        try:
            self._parse(data)
        except HttpParserError as error:
            return None if self.is_over else reason(error)
        if self.part is Part.HEAD and part is Part.HEAD and before == self._messages:
            # The parser tells of a header only when that has ended, which one without end never does.
            self._head += len(data)
        return self._too_large() if self._head > self._limits.connection.head else None

    def _parse(self, data: bytes) -> None:
        while self._parser is not None:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                # Nothing is upgraded here. The parser leaves the body of such a request unread, so another one is
                # told which body to expect.
                if self.exchange is None or self.exchange.method == "CONNECT":
                    raise
                data = data[cast("int", upgrade.args[0]) :]
                self._parser, self._is_replayed = HttpRequestParser(self), True
                self._parser.feed_data(framing(self._headers))
            else:
                return

    def drop(self) -> Exchange | None:
        """Read no further; return the request that stays unfinished."""
        exchange, self.exchange, self.part, self.is_over = self.exchange, None, Part.NOTHING, True
        self._pieces.clear()
        if exchange is not None:
            exchange.release()
        return exchange

    def close(self) -> None:
        """Let go of the parser, which holds this object, so that both go at once."""
        self._parser = None

    @property
    def has_body(self) -> bool:
        """Whether some of the body has come."""
        return self._received > 0

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_replayed:
            return
        self._messages += 1
        self.part = Part.HEAD
        self._head = 0
        self._target = b""
        self._headers = {}
        self._receiver.on_part()

    def on_url(self, target: bytes) -> None:
        """Take a piece of the target."""
        if not self._is_replayed:
            self._target += target
            self._count(len(target))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value) + 4)
        if self.part is not Part.HEAD:
            # What comes behind a body in chunks, or is told a second time, says nothing.
            return
        name = name.lower()
        if name in self._headers:
            if name in NEVER_TWICE:
                raise RefusedError(400, f"The header {name.decode('latin-1')} comes twice.")
            value = self._headers[name] + b", " + value
        self._headers[name] = value
        if len(self._headers) > self._limits.connection.headers:
            raise RefusedError(431, f"A request may have {self._limits.connection.headers} headers at most.")

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self._limits.connection.head:
            raise self._too_large()

    def _too_large(self) -> RefusedError:
        most = self._limits.connection.head
        return RefusedError(431, f"The request line and the headers may have {most} bytes together at most.")

    def on_headers_complete(self) -> None:
        """Hand the head over."""
        parser, headers = self._parser, self._headers
        if self._is_replayed or parser is None:
            return
        exchange = Exchange(self._receiver, parser.get_method().decode("ascii"), self._target, headers)
        exchange.keeps_alive = parser.should_keep_alive()
        if b"connection" in headers or not exchange.keeps_alive:
            exchange.is_old = is_old(parser.get_http_version(), headers)
        if not exchange.is_old and b"host" not in headers:
            raise RefusedError(400, "A request of HTTP/1.1 names its Host.")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise RefusedError(501, "The only Transfer-Encoding that is read here is chunked.")
        self.part, self.exchange = Part.BODY, exchange
        self._received = 0
        self._receiver.on_part()
        self._begin(exchange, int(headers.get(b"content-length", b"0")))

    def _begin(self, exchange: Exchange, length: int) -> None:
        expects = exchange.headers.get(b"expect")
        if length > self._limits.body:
            self._refuse_body(exchange)
        elif expects is not None and expects.lower() != CONTINUED:
            exchange.fail("ValidationError", 417, "The only expectation that is met here is 100-continue.")
        self._receiver.on_head(exchange)
        # A body that nobody wants is read over when it is short; for a long one the connection ends.
        if exchange.status and (length > SMALL or expects is not None):
            exchange.keeps_alive = False

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        exchange = self.exchange
        self._received += len(piece)
        self.in_window += len(piece)
        if exchange is None:
            return
        if not exchange.status:
            self._pieces.append(piece)
            if self._received > SMALL:
                self._hold(exchange)
        if exchange.status and self._received > SMALL:
            exchange.keeps_alive = False
            self._pieces.clear()
            raise RefusedError(413, "The request was refused before its body had come.")

    def _hold(self, exchange: Exchange) -> None:
        if self._received > self._limits.body:
            self._refuse_body(exchange)
        elif not exchange.hold(self._budget, self._received):
            words = "The bodies of the requests under way are too large together; try again."
            exchange.keeps_alive = False
            exchange.fail("ServiceUnavailable", 503, words)

    def _refuse_body(self, exchange: Exchange) -> None:
        exchange.fail("ValidationError", 413, f"The body is larger than {self._limits.body} bytes; send less at once.")

    def on_message_complete(self) -> None:
        """Hand the whole request over."""
        exchange, parser = self.exchange, self._parser
        if exchange is None or parser is None or (b"upgrade" in self._headers and parser.should_upgrade()):
            return
        self.exchange, self.part, self._is_replayed = None, Part.NOTHING, False
        self.is_over = not exchange.keeps_alive
        if self._pieces:
            exchange.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
        if len(exchange.body) > self._limits.body:
            self._refuse_body(exchange)
        self._receiver.on_whole(exchange)


def is_old(version: str, headers: dict[bytes, bytes]) -> bool:
    """Return whether it is HTTP/1.0; raise ``RefusedError`` for what is neither that nor HTTP/1.1."""
    if version not in ("1.0", "1.1"):
        raise RefusedError(505, "HTTP/1.1 is spoken here.")
    if version == "1.0" and b"transfer-encoding" in headers:
        raise RefusedError(400, "HTTP/1.0 has no Transfer-Encoding.")
    return version == "1.0"


def framing(headers: dict[bytes, bytes]) -> bytes:
    """Return the head of a request that says no more than how long its body is."""
    kept = [name + b": " + headers[name] for name in (b"content-length", b"transfer-encoding") if name in headers]
    return b"\r\n".join([b"POST / HTTP/1.1", *kept, b"", b""])


def reason(error: HttpParserError) -> RefusedError:
    """Return why a request cannot be read."""
    inner = error.__context__
    if isinstance(inner, RefusedError):
        return inner
    if isinstance(error, HttpParserCallbackError) and inner is not None:
        # A mistake of ours: it must be seen.
        raise inner
    if isinstance(error, HttpParserUpgrade):
        return RefusedError(405, "Nothing is tunnelled here.", "MethodNotAllowed")
    return RefusedError(400, f"This is not HTTP/1.1 as it has to be: {error}.")
