"""Everything the bench knows: the tables of its services, its processes and threads, its clients to itself."""

import os
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from subprocess import Popen
from typing import Any

import boto3
from botocore.config import Config

from tests.aws.bench.call import Document
from tests.aws.bench.faults import Faults
from tests.aws.bench.identities import SECRET, USER_KEY, Identities
from tests.aws.bench.recording import Recording
from tests.aws.bench.settings import Settings

POLL = 0.005
# The clients are made by name at run time, which the stubs of boto3 cannot follow.
untyped: Any = boto3


class ResetError(Exception):
    """The bench was reset while this work was going on; it ends without a trace."""


class World:
    """The state of the bench.

    Args:
        port: where the front listens.
        folder: where processes have their directories.
    """

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder
        self.settings = Settings()
        self.identities = Identities()
        self.faults = Faults()
        self.recording = Recording()
        self.lock = threading.RLock()
        self.images: dict[str, Document] = {}
        self.notes: list[Document] = []
        self._tables: dict[tuple[str, str], dict[str, Document]] = {}
        self._gone = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._processes: set[Popen[bytes]] = set()
        self._guard = threading.Lock()
        self.on_reset: list[Callable[[], None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def table(self, name: str, region: str) -> dict[str, Document]:
        """Return the documents of one kind in one region, by their names."""
        with self._guard:
            return self._tables.setdefault((name, region), {})

    def regions_of(self, name: str) -> list[str]:
        """Return the regions that have a table *name*."""
        with self._guard:
            return [region for kind, region in self._tables if kind == name]

    def note(self, kind: str, **told: Any) -> None:
        """Remember something that a test may want to fail on."""
        with self._guard:
            self.notes.append({"kind": kind, **told})

    def client(self, service: str, region: str, role: str | None = None) -> Any:
        """Return a client of the bench itself that acts as *role*, or as the user."""
        key = USER_KEY if role is None else self.identities.key_of(role)
        return self_client(self.address, service, region, key)

    def new_folder(self, kind: str) -> Path:
        """Return an empty directory for one process."""
        path = self.folder / kind / uuid.uuid4().hex[:12]
        path.mkdir(parents=True)
        return path

    def background(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        """Do *work* in a thread that a reset ends."""
        thread = threading.Thread(target=self._run, args=(work, arguments), daemon=True)
        with self._guard:
            self._threads.add(thread)
        thread.start()
        return thread

    def _run(self, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        try:
            work(*arguments)
        except ResetError:
            pass
        except Exception as error:  # noqa: BLE001 - a thread has nobody to tell: the test finds it among the notes
            if not self._gone.is_set():
                self.note("broken", work=getattr(work, "__qualname__", str(work)), error=repr(error))
        finally:
            with self._guard:
                self._threads.discard(threading.current_thread())

    def pause(self, seconds: float) -> None:
        """Wait, and stop working when the bench is reset meanwhile."""
        if self._gone.wait(seconds):
            raise ResetError

    def until(self, is_so: Callable[[], bool], seconds: Callable[[], float]) -> bool:
        """Wait until *is_so*, or until *seconds* have passed, which may change meanwhile; return whether it is so."""
        start = time.monotonic()
        while not is_so():
            if time.monotonic() - start >= seconds():
                return False
            self.pause(POLL)
        return True

    def adopt(self, process: Popen[bytes]) -> None:
        """Kill *process* at the next reset at the latest."""
        with self._guard:
            self._processes.add(process)
        if self._gone.is_set():
            process.kill()

    def release(self, process: Popen[bytes]) -> None:
        with self._guard:
            self._processes.discard(process)

    def reset(self) -> None:
        """Be as on the first day."""
        self._gone.set()
        self.faults.clear()
        self._end()
        for work in self.on_reset:
            work()
        with self._guard:
            self._tables.clear()
            self.notes.clear()
            self.images.clear()
        self.settings = Settings()
        self.recording.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._gone = threading.Event()

    def _end(self) -> None:
        with self._guard:
            processes, threads = list(self._processes), list(self._threads)
        for process in processes:
            end_group(process)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10)
        with self._guard:
            late = list(self._processes)
            self._processes.clear()
        for process in {*processes, *late}:
            end_group(process)
            process.wait(timeout=10)

    def close(self) -> None:
        """Leave no process behind."""
        self._gone.set()
        self.faults.clear()
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)


def end_group(process: Popen[bytes]) -> None:
    """Kill *process* and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@cache
def self_client(address: str, service: str, region: str, key: str) -> Any:
    """Return a client that never tries twice: what the bench does to itself must not hide a fault."""
    config = Config(
        retries={"total_max_attempts": 1},
        max_pool_connections=50,
        connect_timeout=5,
        read_timeout=120,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with CLIENTS:
        return untyped.client(
            service,
            endpoint_url=address,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=SECRET,
            config=config,
        )


CLIENTS = threading.Lock()


def now() -> datetime:
    return datetime.now(UTC)
