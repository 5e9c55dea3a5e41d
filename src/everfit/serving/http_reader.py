"""Requests out of the bytes of one connection.

The parser is strict: whatever two programs could read differently (two lengths, folded headers, bad chunks) is
refused, and nothing behind it is read.
"""

from enum import Enum
from typing import Protocol, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from everfit.serving.http_exchange import Budget, Exchange, Owner
from everfit.serving.http_heads import END, Head, remember
from everfit.serving.limits import Limits

SMALL = 64 * 1024
"""Bodies up to this size, in bytes, are read to their end even when nobody wants them."""
UNCOUNTED = 8 * 1024
"""Bodies up to this size, in bytes, are not counted in the budget."""
NEVER_TWICE = frozenset({b"host", b"authorization", b"x-everfit-token", b"content-type"})
CONTINUED = b"100-continue"


class Part(Enum):
    """What of a request is expected next."""

    NOTHING = "nothing"
    HEAD = "head"
    BODY = "body"


# Looking a member up costs much more than a name of the module does, and it is done for every request.
NOTHING, HEAD, BODY = Part.NOTHING, Part.HEAD, Part.BODY


class RefusedError(Exception):
    """Nothing more of what this caller sends is read."""

    def __init__(self, status: int, message: str, kind: str = "ValidationError") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Receiver(Owner, Protocol):
    """What takes the requests; the connection."""

    def on_head(self, exchange: Exchange) -> None:
        """Take a request of which the body is to come; one that is answered at once needs none."""
        ...

    def on_whole(self, exchange: Exchange) -> None:
        """Take the same request, unanswered, when its body is there."""
        ...


class Shared(Protocol):
    """What the readers of all connections have in common.

    Args:
        now: time in seconds that goes on only while the host runs.
        budget: counts large bodies.
        heads: that were parsed before, by their bytes.
    """

    limits: Limits
    now: float
    budget: Budget
    heads: dict[bytes, Head]


class RequestReader:
    """Reads one request after the other."""

    def __init__(self, receiver: Receiver, shared: Shared) -> None:
        self.part = NOTHING
        self.since = shared.now
        self.exchange: Exchange | None = None
        self.in_window = 0
        self.received = 0
        self.is_over = False
        self._receiver = receiver
        self._limits = shared.limits.connection
        self._most_body = shared.limits.body
        self._shared = shared
        self._known = shared.heads
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._fed = 0
        self._head = 0
        self._heads = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._is_replayed = False
        self._is_between = True
        self._last: Exchange | None = None

    def feed(self, data: bytes) -> RefusedError | None:
        """Read on; return why nothing more is read, if that is so."""
        was_between, heads = self._is_between, self._heads
        if was_between:
            end = data.find(END) + len(END)
            known = self._known.get(data[:end])
            if known is not None and end + known.length == len(data):
                self._take(known, data[end:])
                return None
        refused = self._feed(data)
        last, self._last = self._last, None
        # A head that announces too large a body is refused for itself, each time.
        is_plain = was_between and self._is_between and self._heads == heads + 1
        if is_plain and last is not None and self.received <= self._most_body:
            remember(self._known, data, last, self.received)
        return refused

    def _take(self, head: Head, body: bytes) -> None:
        """Hand over a request that is all there, by a head that is known."""
        exchange = Exchange(self._receiver, head.method, head.target, head.headers)
        exchange.body = body
        self.since = self._shared.now
        self._receiver.on_head(exchange)
        if not exchange.status:
            self._receiver.on_whole(exchange)

    def _feed(self, data: bytes) -> RefusedError | None:
        part, heads = self.part, self._heads
        self._fed = len(data)
        rest = None
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            rest = memoryview(data)[cast("int", upgrade.args[0]) :]
        except HttpParserError as error:
            return None if self.is_over else reason(error)
        if rest is not None:
            return self._go_on(rest)
        if self.part is HEAD and part is not BODY and self._heads == heads:
            # The parser tells of a header only when that has ended, which one without end never does.
            self._head += len(data)
            return self._too_large() if self._head > self._limits.head else None
        return None

    def _go_on(self, rest: memoryview) -> RefusedError | None:
        """Read the body of a request that asked for another protocol, and what comes behind it.

        Nothing is upgraded here. The parser leaves such a body unread, so another one is told which body to expect.
        """
        while self.exchange is not None:
            self._parser, self._is_replayed = HttpRequestParser(self), True
            try:
                self._parser.feed_data(framing(self.exchange.headers))
                self._parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                rest = rest[cast("int", upgrade.args[0]) :]
            except HttpParserError as error:
                return None if self.is_over else reason(error)
            else:
                return None
        return None

    def drop(self) -> Exchange | None:
        """Read no further; return the request that stays unfinished."""
        exchange, self.exchange, self.part, self.is_over = self.exchange, None, NOTHING, True
        self._pieces.clear()
        if exchange is not None:
            exchange.release()
        return exchange

    def close(self) -> None:
        """Let go of the parser and the receiver, which hold this object, so that all of them go at once."""
        self._parser = self._last = None
        del self._receiver

    def on_message_begin(self) -> None:
        """Note that the parser has begun a request, or perhaps only its first letter."""
        self._is_between = False

    def on_url(self, target: bytes) -> None:
        """Take a piece of the target, which comes first of all."""
        if self.part is NOTHING:
            self.part = HEAD
            self.since = self._shared.now
            self._target = target
            self._headers = {}
        elif not self._is_replayed:
            self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if self.exchange is not None:
            # What comes behind a body in chunks, or is told a second time, says nothing.
            self._head += len(name) + len(value)
            if self._head > self._limits.head:
                raise self._too_large()
            return
        name = name.lower()
        headers = self._headers
        if name in headers:
            if name in NEVER_TWICE:
                raise RefusedError(400, f"The header {name.decode('latin-1')} comes twice.")
            value = headers[name] + b", " + value
        headers[name] = value

    def _check_head(self, headers: dict[bytes, bytes]) -> None:
        size = len(self._target) + sum(len(name) + len(value) + 4 for name, value in headers.items())
        if size > self._limits.head:
            raise self._too_large()
        if len(headers) > self._limits.headers:
            raise RefusedError(431, f"A request may have {self._limits.headers} headers at most.")

    def _too_large(self) -> RefusedError:
        most = self._limits.head
        return RefusedError(431, f"The request line and the headers may have {most} bytes together at most.")

    def on_headers_complete(self) -> None:
        """Hand the head over."""
        parser, headers = self._parser, self._headers
        if self._is_replayed or parser is None:
            return
        # Few headers that came in one small piece cannot be too large.
        if self._head + self._fed > self._limits.head or len(headers) > self._limits.headers:
            self._check_head(headers)
        self._heads += 1
        exchange = Exchange(self._receiver, parser.get_method().decode("ascii"), self._target, headers)
        if not parser.should_keep_alive():
            exchange.keeps_alive = False
        if b"connection" in headers or not exchange.keeps_alive:
            exchange.is_old = is_old(parser.get_http_version(), headers)
        check(exchange, headers)
        self.part, self.exchange = BODY, exchange
        self.received = self.in_window = self._head = 0
        length = int(headers[b"content-length"]) if b"content-length" in headers else 0
        if length > SMALL or b"expect" in headers:
            self._begin_large(exchange, headers, length)
        else:
            self._receiver.on_head(exchange)

    def _begin_large(self, exchange: Exchange, headers: dict[bytes, bytes], length: int) -> None:
        if length > self._most_body:
            self._refuse_body(exchange)
        elif b"expect" in headers and headers[b"expect"].lower() != b"100-continue":
            exchange.fail("ValidationError", 417, "The only expectation that is met here is 100-continue.")
        self._receiver.on_head(exchange)
        # A body that nobody wants is read over when it is short; for a long one the connection ends.
        if exchange.status:
            exchange.keeps_alive = False

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        exchange, size = self.exchange, len(piece)
        if exchange is None:
            return
        is_first = not self.received
        self.received += size
        self.in_window += size
        if is_first:
            exchange.body = piece
        else:
            self._pieces.append(piece)
        if self.received > UNCOUNTED or exchange.status:
            self._look_at_body(exchange)

    def _look_at_body(self, exchange: Exchange) -> None:
        if not exchange.status:
            if self.received > self._most_body:
                self._refuse_body(exchange)
            elif not exchange.hold(self._shared.budget, self.received):
                words = "The bodies of the requests under way are too large together; try again."
                exchange.fail("ServiceUnavailable", 503, words)
        if exchange.status:
            exchange.release()
            self._pieces.clear()
            if self.received > SMALL:
                raise RefusedError(413, "The request was refused before its body had come.")

    def _refuse_body(self, exchange: Exchange) -> None:
        exchange.fail("ValidationError", 413, f"The body is larger than {self._most_body} bytes; send less at once.")

    def on_message_complete(self) -> None:
        """Hand the whole request over."""
        exchange = self.exchange
        if exchange is None or (b"upgrade" in exchange.headers and self._is_upgrade()):
            return
        self.exchange, self.part, self._is_replayed, self._is_between = None, NOTHING, False, True
        self._last = exchange
        self.since = self._shared.now
        if not exchange.keeps_alive:
            self.is_over = True
        if exchange.status:
            return
        if self._pieces:
            exchange.body = b"".join([exchange.body, *self._pieces])
            self._pieces = []
        if self.received > self._most_body:
            self._refuse_body(exchange)
        else:
            self._receiver.on_whole(exchange)

    def _is_upgrade(self) -> bool:
        return self._parser is not None and self._parser.should_upgrade()


def check(exchange: Exchange, headers: dict[bytes, bytes]) -> None:
    """Raise ``RefusedError`` for what is not done here."""
    if b"host" not in headers and not exchange.is_old:
        raise RefusedError(400, "A request of HTTP/1.1 names its Host.")
    if exchange.method == "CONNECT":
        raise RefusedError(405, "Nothing is tunnelled here.", "MethodNotAllowed")
    if b"transfer-encoding" in headers and headers[b"transfer-encoding"].lower() != b"chunked":
        raise RefusedError(501, "The only Transfer-Encoding that is read here is chunked.")


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
    return RefusedError(400, f"This is not HTTP/1.1 as it has to be: {error}.")
