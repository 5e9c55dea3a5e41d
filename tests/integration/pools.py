"""A version's pool in this process with real workers, whose model does what each request tells it to."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.domain.endpoint import SampleRequest, ServedVersion, Service
from everfit.serving.frames import Reply, Request
from everfit.serving.limits import Limits
from everfit.serving.version_pool import Place, PoolState, VersionPool

SCRIPT = """
import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

kept = []


def model_fn(model_dir):
    Path("loaded").open("a").write(f"{os.getpid()}\\n")
    while Path("closed").exists():
        time.sleep(0.005)
    return "model"


def input_fn(data, content_type):
    return data.split("\\n")


def predict_fn(rows, model):
    return [answer(row) for row in rows]


def output_fn(answers, accept):
    return "\\n".join(answers), "text/plain"


def answer(row):
    what, _, rest = row.partition(" ")
    if what == "pid":
        return str(os.getpid())
    if what == "raise":
        raise ValueError(rest)
    if what == "leave":
        sys.exit(rest)
    if what == "crash":
        os._exit(7)
    if what == "segfault":
        ctypes.string_at(0)
    if what == "stuck":
        time.sleep(1e6)
    if what == "wait":
        Path(f"{rest}.{os.getpid()}").touch()
        while not Path(rest).exists():
            time.sleep(0.005)
    if what == "print":
        for _ in range(20_000):
            print("x" * 100)
    if what == "chatter":
        threading.Thread(target=chatter, daemon=True).start()
    if what == "garbage":
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                    os.write(int(name), b"\\xff" * 1000)
            except OSError:
                pass
    if what == "close":
        os.closerange(3, 1000)
    if what == "zombies":
        for _ in range(10):
            if os.fork() == 0:
                os._exit(0)
    if what == "child":
        return str(subprocess.Popen(["sleep", "1000000"]).pid)
    if what == "grow":
        kept.append(b"x" * (int(rest) * 1_000_000))
    if what == "hold":
        kept.append(b"x" * (int(rest) * 1_000_000))
        time.sleep(1e6)
    if what == "unless":
        Path(rest).exists() or os._exit(7)
    return f"<{row}>"


def chatter():
    while True:
        print("and another thing")
"""


@dataclass(slots=True)
class Asked:
    """A request and every answer that came to it."""

    body: str
    replies: list[Reply] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def reply(self) -> Reply:
        """Wait for the answer."""
        async with asyncio.timeout(60):
            await self.came.wait()
        return self.replies[0]

    @property
    def text(self) -> str:
        """The answer, once it is there."""
        return self.replies[0].body.decode()


class Asking:
    """Asks a pool."""

    def __init__(self, pool: VersionPool) -> None:
        self.pool = pool
        self.all: list[Asked] = []

    def send(self, *bodies: str, content_type: str = "text/csv") -> list[Asked]:
        """Ask without waiting for the answers."""
        sent = [Asked(body) for body in bodies]
        self.all += sent
        for each in sent:
            self.pool.submit(Request(body=each.body.encode(), content_type=content_type, accept="*/*"), _keeper(each))
        return sent

    async def ask(self, body: str) -> Reply:
        """Ask and wait."""
        return await self.send(body)[0].reply()

    async def replies(self, asked: Sequence[Asked]) -> list[Reply]:
        """Wait for answers."""
        return [await each.reply() for each in asked]


def _keeper(asked: Asked) -> Callable[[Reply], None]:
    def keep(reply: Reply) -> None:
        asked.replies.append(reply)
        asked.came.set()

    return keep


def made(home: Path, **service: Any) -> ServedVersion:
    """Return a version in a state folder."""
    model, code = home / "made" / "model", home / "made" / "code"
    model.mkdir(parents=True, exist_ok=True)
    code.mkdir(exist_ok=True)
    (model / "number").write_text("1")
    (code / "inference.py").write_text(SCRIPT)
    artifacts = LocalArtifacts(home)
    digest = artifacts.pack(str(model), str(code), None).digest
    return ServedVersion(
        model_name="houses",
        version=1,
        artifact=digest,
        model=artifacts.unpacked(digest),
        python=sys.executable,
        workers=service.pop("workers", 1),
        sample=SampleRequest(body="a\nb", content_type="text/csv"),
        service=Service(**service),
    )


def placed(home: Path) -> Place:
    """Return where the version works."""
    place = Place(folder=home / "host" / "work" / "solar.v1", log=home / "host" / "solar.v1.log")
    place.folder.mkdir(parents=True, exist_ok=True)
    return place


@asynccontextmanager
async def serving(
    home: Path, on_crash_loop: Callable[[], None] = lambda: None, **service: Any
) -> AsyncIterator[Asking]:
    """Serve the version; when it is over, every request was answered exactly once."""
    pool = VersionPool(made(home, **service), placed(home), Limits(load=timedelta(seconds=60)), on_crash_loop)
    await pool.load()
    assert pool.state is PoolState.READY, pool.message
    asking = Asking(pool)
    try:
        yield asking
    finally:
        await pool.end()
    assert [len(each.replies) for each in asking.all] == [1] * len(asking.all)


async def until(look: Callable[[], object], what: str) -> None:
    """Wait until *look* returns something true."""
    try:
        async with asyncio.timeout(60):
            while not look():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"It never happened: {what}") from None


def loads(home: Path) -> int:
    """Return how many processes have loaded the model."""
    return len((home / "host" / "work" / "solar.v1" / "loaded").read_text().split())
