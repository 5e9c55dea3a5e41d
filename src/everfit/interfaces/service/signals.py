"""Signals of the operating system, waited for one after the other by the main thread."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import Final

CUT: Final = 1
"""The exit code of a service that was made to end at once."""


class Asked(Enum):
    """What a signal asks for."""

    END = "end"
    RELOAD = "reload"
    BROKEN = "broken"


class Signals:
    """What was asked, in its order; asking for the end a second time ends the process at once.

    A handler only writes a byte: whatever else it did could meet the lock of what it has interrupted.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._is_ending = False

    @contextmanager
    def heard(self) -> Generator[None]:
        """Take signals for the block."""
        handlers = {signal.SIGTERM: self._end, signal.SIGINT: self._end, signal.SIGHUP: self._reload}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self) -> Asked:
        """Return what is asked next."""
        return {b"e": Asked.END, b"r": Asked.RELOAD}.get(os.read(self._read, 1), Asked.BROKEN)

    def broken(self) -> None:
        """Ask for the end because the service cannot go on."""
        os.write(self._write, b"b")

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._is_ending:
            os._exit(CUT)
        self._is_ending = True
        os.write(self._write, b"e")

    def _reload(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        os.write(self._write, b"r")
