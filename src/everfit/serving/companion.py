"""A process beside the front that is handed messages and acknowledges each in its turn; the front never waits for it.

It is started with the first message, started again when it ends, and ends by itself when the front is gone, because
then its socket is closed.
"""

import asyncio
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from everfit.serving.companion_messages import Messages, message

Token = TypeVar("Token")

BUFFER = 1024 * 1024
PIECE = 64 * 1024
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
LAST_PATIENCE = 5.0


class Companion(Generic[Token]):
    """One such process.

    Args:
        module: that it runs; its arguments are *folder* and the number of its socket.
        answered: called with the token of a message, and head and body of what was said to it.
        lost: called with the token of a message whose fate is not known, as the process ended over it.
    """

    def __init__(
        self, module: str, folder: Path, answered: Callable[[Token, str, bytes], None], lost: Callable[[Token], None]
    ) -> None:
        self.held = 0
        """Bytes that wait to be sent."""
        self._command = [sys.executable, "-P", "-m", module, str(folder)]
        self._answered = answered
        self._lost = lost
        self._waiting: deque[tuple[memoryview, Token]] = deque()
        self._begun: memoryview | None = None
        self._said: deque[Token] = deque()
        self._heard = Messages()
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._start: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._is_ending = False

    @property
    def process(self) -> int | None:
        """The id of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process unless it runs or is on its way."""
        if self._link is None and self._start is None and not self._is_ending:
            self._start = self._loop.create_task(self._started())

    def say(self, head: str, body: bytes, token: Token) -> None:
        """Send a message as soon as the process takes it."""
        data = message(head, body)
        self.held += len(data)
        self._waiting.append((memoryview(data), token))
        if self._link is None:
            self.start()
        elif self._begun is None and len(self._waiting) == 1:
            self._send()

    async def _started(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, self._pause * 2))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            ours.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        opening = self._loop.run_in_executor(None, self._popen, theirs)
        try:
            self._process = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # It is on its way already, and ends as soon as it finds its socket closed.
            ours.close()
            self._process = await opening
            raise
        except OSError as error:
            ours.close()
            sys.stderr.write(f"{self._command[3]} does not start: {error}\n")
            self._start = self._loop.create_task(self._started())
            return
        finally:
            theirs.close()
        self._start, self._link = None, ours
        self._loop.add_reader(ours, self._hear)
        self._send()

    def _popen(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def _send(self) -> None:
        """Send what the socket takes now; the loop calls again when it takes more."""
        if self._link is None:
            return
        try:
            while self._begun is not None or self._waiting:
                if self._begun is None:
                    self._begun, token = self._waiting.popleft()
                    self._said.append(token)
                sent = self._link.send(self._begun)
                self.held -= sent
                self._begun = self._begun[sent:] if sent < len(self._begun) else None
        except BlockingIOError:
            self._loop.add_writer(self._link, self._send)
        except OSError:
            self._lose()
        else:
            self._loop.remove_writer(self._link)
            if self._is_ending:
                self._link.shutdown(socket.SHUT_WR)

    def _hear(self) -> None:
        if self._link is None:
            return
        try:
            piece = self._link.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._lose()
            return
        self._pause = 0.0
        for head, body in self._heard.feed(piece):
            self._answered(self._said.popleft(), head, body)

    def _lose(self) -> None:
        """Give up what was begun, and start the process again for what was not."""
        if self._link is not None:
            self._loop.remove_reader(self._link)
            self._loop.remove_writer(self._link)
            self._link.close()
        self._link, self._heard = None, Messages()
        self.held -= 0 if self._begun is None else len(self._begun)
        self._begun = None
        said, self._said = self._said, deque()
        if self._process is not None:
            self._process.kill()
            self._loop.run_in_executor(None, self._process.wait)
            self._process = None
        for token in said:
            self._lost(token)
        self.start()

    async def end(self) -> None:
        """Have it take what was said so far, and end; one that does not is killed."""
        self._is_ending = True
        start = self._start
        if start is not None:
            await asyncio.wait([start], timeout=LAST_PATIENCE if self._waiting else 0)
            start.cancel()
            await asyncio.wait([start])
        process = self._process
        if process is None:
            return
        self._send()
        try:
            async with asyncio.timeout(LAST_PATIENCE):
                while process.poll() is None:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            process.kill()
            await self._loop.run_in_executor(None, process.wait)
