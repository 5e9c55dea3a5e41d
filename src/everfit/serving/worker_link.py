"""The front's end of the connection to a worker."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from everfit.serving.frames import AnswerReader, BrokenFrameError, Hello, Reply, Request, encoded_batch


class WorkerLink(asyncio.Protocol):
    """Sends batches and hands on what comes back.

    Args:
        heard: is called with every hello.
        answered: is called with the answers that have come.
        broken: is called once when the connection is gone, whoever has closed it.
    """

    def __init__(
        self,
        heard: Callable[[Hello], None],
        answered: Callable[[list[tuple[int, Reply]]], None],
        broken: Callable[[], None],
    ) -> None:
        self._heard = heard
        self._answered = answered
        self._broken = broken
        self._reader = AnswerReader()
        self._hello: Hello | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            answers = self._reader.feed(data)
        except BrokenFrameError:
            # Only the user's code can have written that; nothing that follows can be trusted.
            self.close()
            return
        hello = self._reader.hello
        if hello is not None and hello is not self._hello:
            self._hello = hello
            self._heard(hello)
        if answers:
            self._answered(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._broken()

    def send(self, requests: Sequence[tuple[int, Request]], *, is_sample: bool = False) -> None:
        """Send a batch; one that cannot be sent any more is lost, and ``broken`` says so."""
        if self._transport is not None:
            self._transport.write(encoded_batch(requests, is_sample=is_sample))

    def close(self) -> None:
        """Let go of the worker at once."""
        if self._transport is not None:
            self._transport.abort()
