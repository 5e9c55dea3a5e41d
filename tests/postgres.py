"""A real Postgres server for the tests of one session, and an empty migrated database for each test.

The server keeps its data in memory and syncs nothing: what is tested here is what the product asks of a server, not
whether Postgres keeps its word. Where no Postgres is installed, the tests that need one are skipped and say so.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from everfit.adapters.local.postgres_address import postgres_address
from everfit.adapters.local.postgres_database import PostgresDatabase
from tests.stored import SHARED_MEMORY

INSTALLED = Path("/usr/lib/postgresql")
PATIENCE = 30.0
TEMPLATE = "everfit_template"
FOLDERS = f"everfit-pg-{os.getpid()}-"
"""What the folders of this process' servers begin with."""
PASSWORD = "p@ss:word/1%"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
QUIET = ("shared_buffers=32MB", "max_connections=200", "max_wal_size=256MB", "log_min_messages=fatal")
DOOR = """\
local all all trust
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


def programs() -> Path | None:
    """Return the folder of the newest Postgres that is installed."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(INSTALLED.glob("*/bin"), key=lambda place: float(place.parent.name), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


class PostgresServer:
    """A server of one's own; it ends with this process at the latest.

    Args:
        options: settings in the form ``name=value``.
        place: where its folder is made; None means in memory.
    """

    def __init__(self, binaries: Path, options: tuple[str, ...] = FAST, place: Path | None = None) -> None:
        self._binaries = binaries
        self._options = options
        # Postgres refuses to be run by root.
        self._account = _unprivileged() if os.getuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDERS, dir=place or _quick_place()))
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self._has_template = False
        self.port = _free_port()
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self._run("initdb", "--auth=trust", "--username=everfit", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        (self.data / "pg_hba.conf").write_text(DOOR)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", user: str = "everfit", password: str = "") -> str:
        """Return the address of a database over TCP."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = (*QUIET, *self._options, "listen_addresses=127.0.0.1", f"port={self.port}")
        words = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-k", str(self.folder), *words),
                cwd="/",
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.02)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server: connections are cut, and at once also means that it recovers from its log next time."""
        if self._process is not None:
            # The process is Postgres' own: it has replaced the program that gave up root.
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop(at_once=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Say something as the owner of the server."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def new_database(self, template: str = "template1") -> str:
        """Make a database and return its address."""
        self._made += 1
        name = f"test_{self._made}"
        self.ask(f"create database {name} template {template}")
        return self.url(name)

    def migrated_database(self) -> str:
        """Make a database with the newest schema, and return its address."""
        if not self._has_template:
            self._has_template = True
            self.ask(f"create database {TEMPLATE}")
            database = PostgresDatabase(postgres_address(self.url(TEMPLATE)))
            with database.transaction():
                pass
            database.close()
        return self.new_database(TEMPLATE)

    def drop(self, url: str) -> None:
        self.ask(f"drop database {url.rpartition('/')[2]} with (force)")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.ask("select 1")
            return True
        return False

    def _run(self, program: str, *words: str) -> None:
        command = self._command(program, *words)
        done = subprocess.run(command, cwd="/", env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)

    def _command(self, program: str, *words: str) -> list[str]:
        # A killed test session takes its server along.
        become = ["setpriv", "--pdeathsig", "KILL"]
        if self._account is not None:
            become += [f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}", "--clear-groups"]
        return [*become, str(self._binaries / program), "-D", str(self.data), *words]

    def _environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("There is no user postgres or nobody to run Postgres as.")


def _quick_place() -> str | None:
    return SHARED_MEMORY if Path(SHARED_MEMORY).is_dir() else None


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def needed_programs() -> Path:
    """Return where Postgres is, or skip the test."""
    found = programs()
    if found is None or shutil.which("setpriv") is None:
        pytest.skip("Postgres is not installed here: apt-get install postgresql")
    return found


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    server = PostgresServer(needed_programs())
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the session; a test that stops one starts its own."""
    with running_server() as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a new database with the newest schema."""
    url = postgres_server.migrated_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[PostgresDatabase]:
    """A new database with the newest schema."""
    database = PostgresDatabase(postgres_address(postgres_url))
    yield database
    database.close()
