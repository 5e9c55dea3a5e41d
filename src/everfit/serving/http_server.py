"""Everything that connections share: their number, the time that goes on for them, and the way to the end."""

import asyncio
import socket
from contextlib import suppress
from email.utils import formatdate
from typing import Protocol

from everfit.serving.http_connection import Connection
from everfit.serving.http_exchange import Budget, Exchange
from everfit.serving.http_heads import Head
from everfit.serving.limits import Limits

GRACE = 0.1
"""How long an idle connection stays open when the host stops, in seconds: a request may be on its way already."""
BACKLOG = 2048
AT_ONCE = 256
"""How many connections are looked at without letting any of them be answered; each takes about a microsecond."""


class Application(Protocol):
    """What answers requests."""

    def admit(self, exchange: Exchange) -> None:
        """Look at a request whose head has come; answer it at once when its body is not wanted."""
        ...

    def respond(self, exchange: Exchange) -> None:
        """Answer a whole request, now or later."""
        ...


class HttpServer:
    """Accepts connections and ends them.

    Its time is counted in looks at the connections, so neither a clock that is set nor a machine that stood still
    makes a connection look as if it had been idle.
    """

    def __init__(self, application: Application, limits: Limits) -> None:
        self.limits = limits
        self.budget = Budget(limits.connection.held)
        self.heads: dict[bytes, Head] = {}
        self.connections: set[Connection] = set()
        self.now = 0.0
        self.date = ""
        self.is_leaving = False
        self.admit = application.admit
        self.respond = application.respond
        self._empty = asyncio.Event()
        self._listening: asyncio.Server | None = None
        self._port: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_refusing = False

    async def start(self, listener: socket.socket) -> None:
        """Accept connections from a socket that listens."""
        loop = asyncio.get_running_loop()
        self._look_again()
        self._port = listener.dup()
        self._listening = await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)

    def _look_again(self) -> None:
        self.look()
        self._timer = asyncio.get_running_loop().call_later(self.limits.connection.look, self._look_again)

    def look(self) -> None:
        """Let the time go on by one look, and end what takes too long."""
        self.now += self.limits.connection.look
        self.date = f"Date: {formatdate(usegmt=True)}\r\n"
        self._look_at(tuple(self.connections))

    def _look_at(self, connections: tuple[Connection, ...]) -> None:
        """Look at some, then let requests have their turn before the others."""
        for connection in connections[:AT_ONCE]:
            connection.look()
            if self._is_refusing:
                connection.leave_unless_busy()
        if len(connections) > AT_ONCE:
            asyncio.get_running_loop().call_soon(self._look_at, connections[AT_ONCE:])

    def left(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def stop(self) -> None:
        """Accept nothing more, answer what was accepted, close."""
        self._close_port()
        self.is_leaving = True
        if not await self._ends_within(GRACE):
            self._is_refusing = True
            self.admit = refuse_late
            for connection in tuple(self.connections):
                connection.leave_unless_busy()
        if not await self._ends_within(self.limits.request.total_seconds() + 1):
            for connection in tuple(self.connections):
                connection.abort()
        if self._timer is not None:
            self._timer.cancel()

    def _close_port(self) -> None:
        """Refuse who connects from now on, whoever else has the socket; else the system would take them for nobody."""
        if self._listening is not None and self._port is not None:
            self._listening.close()
            # A system that cannot do that to a socket that listens has them wait until the last process lets go of it.
            with suppress(OSError), self._port:
                self._port.shutdown(socket.SHUT_RDWR)

    async def _ends_within(self, seconds: float) -> bool:
        """Wait until no connection is open; False when that takes longer."""
        self._empty.clear()
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        return not self.connections


def refuse_late(exchange: Exchange) -> None:
    """Tell a caller that goes on asking while the host waits for its last answers."""
    exchange.fail("ServiceUnavailable", 503, "The endpoint host is stopping; try again.")
