"""What holds for the whole session of tests: no process, no mount and no folder in memory outlives it."""

import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.aws_bench import aws_clients, aws_environment, bench, bench_server, shared_clients
from tests.backends import database, s3_database, s3_place, some_place, sql_database, sqlite_database
from tests.postgres import FOLDERS, own_postgres_server, postgres_database, postgres_server, postgres_url
from tests.stored import SHARED_MEMORY

__all__ = [
    "aws_clients",
    "aws_environment",
    "bench",
    "bench_server",
    "database",
    "own_postgres_server",
    "postgres_database",
    "postgres_server",
    "postgres_url",
    "s3_database",
    "s3_place",
    "shared_clients",
    "some_place",
    "sql_database",
    "sqlite_database",
]

GRACE = 10.0
OURS = (
    "everfit.serving",
    "everfit.jobs",
    "everfit/serving",
    "everfit/jobs",
    "bin/everfit",
    "-m tests.",
    "bin/postgres",
)


def processes_of_ours(below: Path) -> dict[int, str]:
    """Return the processes of ours that name a folder of this session, each with its command line."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(folder in line for folder in (f"{below}/", FOLDERS)) and any(name in line for name in OURS):
            found[int(entry.name)] = line
    return found


def stays(process: int) -> bool:
    """Return whether *process* is still there when one that is ending would have ended."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return False
    try:
        ended, _, _ = select.select([handle], [], [], GRACE)
        return not ended
    finally:
        os.close(handle)


def left_mounts(below: Path) -> list[str]:
    """Return the file systems that are still mounted in a folder of this session."""
    mounts = Path("/proc/mounts")
    lines = mounts.read_text().splitlines() if mounts.exists() else []
    return [line for line in lines if f" {below}/" in line]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell has what it runs in the background ignore SIGINT, and whoever that starts ignores it too."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The folder that a left process or mount names tells which test left it."""
    below = tmp_path_factory.getbasetemp()
    yield
    processes = [f"process {number}: {line}" for number, line in processes_of_ours(below).items() if stays(number)]
    left = [*processes, *left_mounts(below), *map(str, Path(SHARED_MEMORY).glob(f"{FOLDERS}*"))]
    assert left == [], "left behind by the tests whose folders are named here:\n" + "\n".join(left)


@pytest.fixture(scope="session", autouse=True)
def usual_port() -> Iterator[None]:
    """Hold the port that a host takes first, so that two tests at once never wait for the same one."""
    with socket.socket() as held:
        # Another worker of the same session may hold it already.
        with suppress(OSError):
            held.bind(("127.0.0.1", 8080))
            held.listen()
        yield
