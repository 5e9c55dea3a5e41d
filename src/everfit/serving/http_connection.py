"""One connection of a caller: requests in, answers out in the order of the requests, nothing without bound.

All of it happens in the event loop; no task is made for a request.
"""

import asyncio
import sys
import traceback
from collections import deque
from typing import Protocol, cast

from everfit.serving.access import is_loopback
from everfit.serving.http_exchange import Exchange
from everfit.serving.http_reader import BODY, NOTHING, SMALL, Part, RefusedError, RequestReader, Shared

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TURNED_AWAY = 256
"""How many connections beyond the most are told that they are too many; those beyond these are just closed."""


class Service(Shared, Protocol):
    """What connections belong to.

    Args:
        date: the header line of that name.
        is_leaving: whether connections are closed after the answers that are due.
    """

    connections: set["Connection"]
    date: str
    is_leaving: bool

    def admit(self, exchange: Exchange) -> None:
        """Look at a request whose head has come; answer it at once when its body is not wanted."""
        ...

    def respond(self, exchange: Exchange) -> None:
        """Answer a whole request, now or later."""
        ...

    def left(self, connection: "Connection") -> None:
        """Forget a connection."""
        ...


class Connection(asyncio.Protocol):
    """Answers the requests of one caller."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = service.limits.connection
        self._reader = RequestReader(self, service)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Exchange] = deque()
        self._whole: deque[Exchange] = deque()
        self._under_way = 0
        self._unsent = 0
        self._unsent_since = 0.0
        self._is_busy = False
        self._is_writable = True
        self._is_reading = True
        self._is_cut = False
        self._is_ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        crowd = len(self._service.connections) - self._limits.connections
        self._service.connections.add(self)
        if crowd >= TURNED_AWAY:
            self.abort()
        elif crowd >= 0:
            self._refuse(RefusedError(503, "Too many connections are open; try again.", "ServiceUnavailable"))
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._reader.drop()
        self._reader.close()
        for exchange in self._whole:
            exchange.release()
        self._queue.clear()
        self._whole.clear()
        self._service.left(self)

    def data_received(self, data: bytes) -> None:
        if self._reader.is_over or self._is_ending:
            # Reading goes on, so that what was answered is not lost in a reset.
            self._is_cut = True
            return
        self._is_busy = True
        refused = self._reader.feed(data)
        if refused is not None:
            self._refuse(refused)
        self._is_busy = False
        self._advance()

    def eof_received(self) -> bool:
        unfinished = self._reader.drop()
        if unfinished is not None and not unfinished.status:
            # It is the last of them.
            self._queue.pop()
        return bool(self._queue) and not self._is_ending

    def pause_writing(self) -> None:
        self._is_writable = False
        self._look_at_reading()

    def resume_writing(self) -> None:
        self._is_writable = True
        self._advance()

    def on_head(self, exchange: Exchange) -> None:
        self._queue.append(exchange)
        if not exchange.status:
            self._service.admit(exchange)

    def on_whole(self, exchange: Exchange) -> None:
        self._whole.append(exchange)

    def on_answered(self, exchange: Exchange) -> None:
        del exchange
        if not self._is_busy:
            self._advance()

    def crowd(self) -> int:
        """Return how many connections are open."""
        return len(self._service.connections)

    def is_near(self) -> bool:
        """Whether the caller is on this machine."""
        if self._transport is None:
            return False
        peer, own = (str(self._transport.get_extra_info(name)[0]) for name in ("peername", "sockname"))
        return peer == own or is_loopback(peer)

    def _refuse(self, error: RefusedError) -> None:
        """Answer what is being read with an error, unless it was answered, and read no further."""
        exchange = self._reader.drop()
        if exchange is None:
            exchange = Exchange(self, "POST", b"", {})
            self._queue.append(exchange)
        exchange.keeps_alive = False
        self._is_cut = True
        exchange.fail(error.kind, error.status, str(error))

    def _advance(self) -> None:
        """Hand over what is whole, send what is ready, and stay open or not."""
        if self._transport is None or self._is_ending:
            return
        queue, self._is_busy = self._queue, True
        if self._whole:
            self._hand_over()
        while queue and queue[0].status and self._is_writable and self._send() and self._whole:
            self._hand_over()
        self._is_busy = False
        if self._is_ending:
            return
        if self._reader.is_over and not self._queue:
            self._leave()
        elif self._reader.part is BODY:
            self._ask_for_body(self._transport)
        if len(queue) >= self._limits.pipelined or not self._is_reading:
            self._look_at_reading()

    def _ask_for_body(self, transport: asyncio.Transport) -> None:
        """Tell a caller that waits for it to send the body, once everything before it is answered."""
        exchange = self._reader.exchange
        if exchange is None or not self._queue or self._queue[0] is not exchange or self._reader.received:
            return
        if exchange.headers.pop(b"expect", None) is not None and not exchange.is_old:
            transport.write(CONTINUE)

    def _hand_over(self) -> None:
        while self._whole and self._under_way < self._limits.pipelined:
            exchange = self._whole.popleft()
            self._under_way += 1
            exchange.is_handed_over = True
            try:
                self._service.respond(exchange)
            except Exception:  # noqa: BLE001 - whatever it is, the caller is not left without an answer
                traceback.print_exc(file=sys.stderr)
                exchange.fail("InternalFailure", 500, "The endpoint host met an error that it did not expect.")

    def _send(self) -> bool:
        """Write the answers whose turn has come, in one go; tell whether there were any."""
        queue, pieces, closes = self._queue, list[bytes](), False
        while queue and queue[0].status and self._is_writable and not closes:
            exchange = queue.popleft()
            self._under_way -= exchange.is_handed_over
            is_last = self._service.is_leaving and not queue and self._reader.part is NOTHING
            closes = is_last or not exchange.keeps_alive
            head = exchange.head(self._service.date, closes=closes)
            body = b"" if exchange.method == "HEAD" else exchange.answer_body
            pieces += (head, body) if len(body) > SMALL else (head + body,)
        if self._transport is None:
            return False
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)
        self._reader.since = self._service.now
        if closes:
            self._leave()
        return not closes

    def _leave(self) -> None:
        """Close once everything is written; what the caller still sends is taken for a while, or it could not read."""
        transport, self._is_ending = self._transport, True
        self._reader.since = self._service.now
        for exchange in self._whole:
            exchange.release()
        self._queue.clear()
        self._whole.clear()
        if transport is None:
            return
        if self._is_cut or self._reader.part is not NOTHING:
            self._reader.drop()
            transport.resume_reading()
            transport.write_eof()
        else:
            transport.close()

    def _look_at_reading(self) -> None:
        transport = self._transport
        if transport is None or self._is_ending:
            return
        before = len(self._queue) - (self._reader.exchange is not None)
        reads = self._is_writable and before < self._limits.pipelined
        if reads is not self._is_reading:
            self._is_reading = reads
            if reads:
                self._reader.since = self._service.now
                transport.resume_reading()
            else:
                transport.pause_reading()

    def look(self) -> None:
        """End what takes too long; called now and then."""
        transport, now, limits = self._transport, self._service.now, self._limits
        if transport is None or self._is_stalled(transport):
            return
        waited = now - self._reader.since
        match self._reader.part:
            case _ if self._is_ending:
                if waited > limits.linger.total_seconds() and not self._unsent:
                    self.abort()
            case _ if not self._is_reading:
                self._reader.since = now
            case Part.HEAD if waited > limits.head_time.total_seconds():
                self._time_out("The head of the request took too long.")
            case Part.BODY if waited > limits.body_window.total_seconds():
                self._look_at_body()
            case Part.NOTHING if waited > limits.idle.total_seconds() and not self._queue:
                self._leave()
            case _:
                pass

    def _look_at_body(self) -> None:
        if self._reader.in_window < self._limits.body_least:
            self._time_out("The body of the request comes too slowly.")
        self._reader.since, self._reader.in_window = self._service.now, 0

    def _time_out(self, words: str) -> None:
        self._refuse(RefusedError(408, words, "RequestTimeout"))
        self._advance()

    def _is_stalled(self, transport: asyncio.Transport) -> bool:
        """Close when the caller reads nothing of what it is sent."""
        unsent, now = transport.get_write_buffer_size(), self._service.now
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > self._limits.stall.total_seconds():
            self.abort()
            return True
        return False

    def leave_unless_busy(self) -> None:
        """Close now unless answers are due; what was sent by half gets told that it comes too late."""
        if self._queue and self._queue[0] is not self._reader.exchange:
            return
        if self._reader.part is NOTHING:
            if not self._is_ending and self._transport is not None:
                self._leave()
        else:
            self._refuse(RefusedError(503, "The endpoint host is stopping; try again.", "ServiceUnavailable"))
            self._advance()

    def abort(self) -> None:
        """Close at once, whatever is due."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()
