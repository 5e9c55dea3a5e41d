"""Workers that an earlier front has left and that no version of this one takes over: they are ended."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from everfit.serving.frames import AnswerReader
from everfit.serving.worker_records import recorded_sockets, sockets
from everfit.serving.worker_start import is_worker, peer

PATIENCE: Final = 5.0
"""Seconds for a worker to say which process it is, where only it can tell."""


class Leftovers:
    """What lies in the host's folder when a front starts; look before anything is started."""

    def __init__(self, host: Path) -> None:
        self._host = host
        self._sockets = sockets(host)

    async def end_unwanted(self, wanted: Collection[Path]) -> None:
        """End all workers but those that versions in the folders *wanted* find by their records."""
        await asyncio.to_thread(self._end_unwanted, {folder.name for folder in wanted})

    def _end_unwanted(self, wanted: Collection[str]) -> None:
        work = self._host / "work"
        folders = [] if not work.is_dir() else [folder for folder in work.iterdir() if folder.name not in wanted]
        kept = {path for name in wanted for path in recorded_sockets(work / name)}
        for path in self._sockets:
            if path not in kept:
                end_worker(path)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def end_worker(path: Path) -> None:
    """End the worker that listens at *path*, if one does."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        pid = peer(connection)
        if pid is None or not is_worker(pid):
            pid = told_pid(connection)
        if pid is not None:
            os.killpg(pid, signal.SIGKILL)
    with suppress(OSError):
        path.unlink()


def told_pid(connection: socket.socket) -> int | None:
    """Return the process that greets; None when none does in time."""
    reader = AnswerReader()
    while reader.hello is None:
        data = connection.recv(4096)
        if not data:
            return None
        reader.feed(data)
    return reader.hello.pid
