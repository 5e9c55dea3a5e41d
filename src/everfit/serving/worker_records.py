"""What a front writes down of its workers, so that the next one finds those that live and speaks to them.

A record lies in the version's folder. It names the socket, which lies in a folder of the user's own with a short path,
as the paths of sockets are limited to about a hundred characters.
"""

import json
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

from everfit.domain.endpoint import ServedVersion

FOLDER: Final = ".workers"
LONGEST_PATH: Final = 80
BACKLOG: Final = 16


@cache
def this_front() -> str:
    """Return a name that no other front has; a front is forked from what has imported this module."""
    return f"{os.getpid()}-{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """What is known of a worker.

    Args:
        front: which front started it or has taken it over.
        front_pid: process of the front that made the socket.
        socket: where it is spoken to.
        log_start: where its words begin in the version's log.
        is_ready: whether it has answered its sample.
        pid: its process, once it has.
        fixed_cost: seconds that a call takes whatever it holds; None when that was not measured.
    """

    front: str
    front_pid: int
    socket: str
    artifact: str
    model: str
    script: str | None
    python: str
    log_start: int = 0
    is_ready: bool = False
    pid: int = 0
    fixed_cost: float | None = None

    @property
    def is_ours(self) -> bool:
        """Whether a worker of this very front is meant."""
        return self.front == this_front()

    def fits(self, version: ServedVersion) -> bool:
        """Whether the worker holds exactly the version, loaded in the same way."""
        wanted = (version.artifact, version.model, version.script, version.python)
        return (self.artifact, self.model, self.script, self.python) == wanted


def new_record(version: ServedVersion, path: Path, log_start: int) -> WorkerRecord:
    """Return the record of a worker that this front starts."""
    return WorkerRecord(
        front=this_front(),
        front_pid=os.getpid(),
        socket=str(path),
        artifact=version.artifact,
        model=version.model,
        script=version.script,
        python=version.python,
        log_start=log_start,
    )


def write_record(folder: Path, record: WorkerRecord) -> Path:
    """Write a record into the folder of its version; it need not outlive the machine, but is never half of one.

    A disk that is full keeps no version from its worker: the next front then ends that worker and starts another.
    """
    path = folder / FOLDER / f"{Path(record.socket).stem}.json"
    beside = path.with_suffix(f".{os.getpid()}.new")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({**asdict(record), "front": this_front()}))
        beside.replace(path)
    return path


def records(folder: Path) -> Iterator[tuple[Path, WorkerRecord]]:
    """Return the records in the folder of a version that earlier fronts have left."""
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            record = WorkerRecord(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            # Another edition of Everfit wrote it; its worker ends with its front and supervisor.
            path.unlink(missing_ok=True)
            continue
        if not record.is_ours:
            yield path, record


def recorded_sockets(folder: Path) -> Iterator[Path]:
    """Return the sockets of all workers that are written down in the folder of a version."""
    for path in (folder / FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            yield Path(json.loads(path.read_bytes())["socket"])


def new_listener(host: Path) -> tuple[socket.socket, Path]:
    """Open a socket for a new worker of the host in the folder *host*."""
    path = _socket_folder(host) / f"{secrets.token_hex(6)}.s"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener, path


def _socket_folder(host: Path) -> Path:
    remembered = host / "sockets"
    with suppress(OSError):
        folder = Path(remembered.read_text())
        if _is_private(folder):
            return folder
    folder = Path(tempfile.mkdtemp(prefix="everfit-", dir=_short_folder()))
    # On a full disk each worker has a folder of its own.
    with suppress(OSError):
        remembered.write_text(str(folder))
    return folder


def sockets(host: Path) -> list[Path]:
    """Return the sockets of all workers that were ever started for the host and were not forgotten."""
    with suppress(OSError):
        folder = Path((host / "sockets").read_text())
        return sorted(folder.glob("*.s")) if _is_private(folder) else []
    return []


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _short_folder() -> str:
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        if folder and len(folder) < LONGEST_PATH and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return "/tmp"  # noqa: S108 - the folder that is made in it is private


def forget(record: Path, path: Path) -> None:
    """Remove what was written down of a worker that is gone, and the folders that held nothing else."""
    for each in (record, path):
        with suppress(OSError):
            each.unlink()
    for folder in (record.parent, path.parent):
        with suppress(OSError):
            folder.rmdir()
