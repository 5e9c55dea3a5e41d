"""Start workers, and find again those that an earlier front has started."""

import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from json import dumps
from pathlib import Path
from typing import IO, Final

from everfit.domain.endpoint import ServedVersion
from everfit.serving import life
from everfit.serving.errors import UnusableModelError
from everfit.serving.launch import command, single_threaded
from everfit.serving.worker_process import Place, Worker
from everfit.serving.worker_records import WorkerRecord, forget, new_listener, new_record, write_record

MODULE: Final = "everfit.serving.worker"
HARD_LIMIT: Final = 2.5
"""A process cannot allocate more than this many times what it may hold."""
PEER: Final = struct.Struct("3i")


async def start_worker(version: ServedVersion, place: Place, *, gently: bool) -> Worker:
    """Start a process for *version* and connect to it; it is not loaded then.

    Args:
        gently: whether it leaves the processor to those that serve until it does so itself.
    """
    try:
        listener, path = new_listener(place.host)
    except OSError as error:
        raise UnusableModelError(f"No socket can be made for the model's process: {error}.") from error
    with listener:
        log_start = place.log.stat().st_size if place.log.is_file() else 0
        record = new_record(version, path, log_start)
        # Before the process, so that none is ever there that nobody knows of.
        record_path = write_record(place.folder, record)
        worker = Worker(record, record_path, place)
        try:
            process = started(version, place, listener)
        except OSError as error:
            forget(record_path, path)
            raise UnusableModelError(f"The interpreter {version.python} cannot be started: {error}.") from error
        worker.belongs_to(process.pid, process)
        if gently and worker.process is not None:
            worker.process.yield_to_others()
        if version.service.memory is not None and worker.process is not None:
            worker.process.limit_memory(int(version.service.memory * HARD_LIMIT))
        try:
            await worker.connect()
        except BaseException as error:
            await worker.end()
            if isinstance(error, OSError):
                raise UnusableModelError(f"The model's process cannot be spoken to: {error}.") from error
            raise
    return worker


def started(version: ServedVersion, place: Place, listener: socket.socket) -> subprocess.Popen[bytes]:
    """Start the process, in a session of its own so that it outlives this one."""
    life_end = life.reading_end()
    what = dumps([version.model, version.script])
    with suppress(OSError):
        # The model's own code may have cleared it away.
        place.folder.mkdir(parents=True, exist_ok=True)
    with opened_log(place.log) as output:
        return subprocess.Popen(
            command(version.python, MODULE, str(listener.fileno()), str(life_end), what),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(), life_end),
            cwd=place.folder,
            env=surroundings(),
            start_new_session=True,
        )


def opened_log(log: Path) -> IO[bytes]:
    """Open what the process prints into; a full disk or a missing folder keeps no version from its process."""
    with suppress(OSError):
        return log.open("ab")
    return open(os.devnull, "ab")


def surroundings() -> dict[str, str]:
    """Return the environment of a version's processes."""
    return single_threaded({name: value for name, value in os.environ.items() if name != life.VARIABLE})


async def adopt_worker(record: WorkerRecord, record_path: Path, place: Place) -> Worker | None:
    """Connect to a worker that an earlier front has started; None when it does not live."""
    worker = Worker(record, record_path, place)
    try:
        connection = await worker.connect()
    except OSError:
        # Somebody has cleared its socket away, if it lives: then nobody will ever speak to it again.
        if record.pid and is_worker(record.pid, record.model):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(record.pid, signal.SIGKILL)
        forget(record_path, Path(record.socket))
        return None
    pid = peer(connection)
    # Until the worker itself listens, its socket is still that of the front which made it.
    if pid is not None and pid != record.front_pid:
        worker.belongs_to(pid)
    write_record(place.folder, record)
    return worker


def peer(connection: socket.socket) -> int | None:
    """Return the process at the other end; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    return int(PEER.unpack(credentials)[0])


def is_worker(pid: int, model: str = "") -> bool:
    """Whether the process is a worker, with the model if one is named, as far as the system tells."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return MODULE.encode() in line and model.encode() in line
