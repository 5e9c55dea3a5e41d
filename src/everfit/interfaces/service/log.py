"""The log of the service: one line an event on standard error; the file keeps the details of errors as well."""

import logging
import sys
import time
from collections.abc import Callable, Collection
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from everfit.domain.secret import hidden

LOG: Final = logging.getLogger("everfit.service")
FILE: Final = "service.log"
SIZE: Final = 10_000_000
LINES: Final = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s"


class _Lines(logging.Formatter):
    """One line for each event, in UTC, without the values that must never be shown."""

    def __init__(self, secrets: Callable[[], Collection[str]], *, with_traceback: bool) -> None:
        super().__init__(LINES, datefmt="%Y-%m-%dT%H:%M:%S")
        self._secrets = secrets
        self._with_traceback = with_traceback
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record) if self._with_traceback else self._line(record)
        return hidden(text, self._secrets())

    def _line(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        return self.formatMessage(record).replace("\n", "\\n")


def open_log(home: Path, secrets: Callable[[], Collection[str]]) -> None:
    """Have the log written from now on.

    Args:
        secrets: what must appear in no line.
    """
    lines, file = logging.StreamHandler(sys.stderr), RotatingFileHandler(home / FILE, maxBytes=SIZE, backupCount=2)
    lines.setFormatter(_Lines(secrets, with_traceback=False))
    file.setFormatter(_Lines(secrets, with_traceback=True))
    LOG.handlers = [lines, file]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
