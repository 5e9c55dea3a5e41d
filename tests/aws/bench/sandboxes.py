"""The processes in which functions run: a clean interpreter each, kept warm as Lambda keeps them."""

import importlib.util
import json
import os
import select
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from tests.aws.bench.call import Document
from tests.aws.bench.container import Log
from tests.aws.bench.control import command
from tests.aws.bench.images import PROGRAMS
from tests.aws.bench.world import World, end_group

# What AWS puts into its Python runtimes beside the standard library (Lambda guide, "Runtime-included SDK versions").
INCLUDED = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
COLD_LIMIT = 30.0
UNHANDLED = "Unhandled"


def library_folder(world: World) -> Path:
    """Return a directory with the runtime's own libraries, and nothing else of this environment."""
    folder = world.folder.parent / "runtime"
    if not folder.exists():
        fresh = folder.with_name(f"runtime-{uuid.uuid4().hex}")
        fresh.mkdir(parents=True)
        for name in INCLUDED:
            spec = importlib.util.find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (fresh / source.name).symlink_to(source)
        # Another function that starts at the same moment may have made it by now.
        with suppress(OSError):
            fresh.rename(folder)
    return folder


def task_folders(code: Path) -> list[Path]:
    """Return where a function's code lies, after what takes the place of packages compiled for another Python.

    A package is made for the Python of Lambda's runtime, and this machine may have another one.
    """
    compiled = [each for each in sorted(code.glob("*/*.so")) if ".cpython-" in each.name]
    # The first suffix is that of this very interpreter; others fit several.
    foreign = [each for each in compiled if not each.name.endswith(EXTENSION_SUFFIXES[0])]
    here = code.with_name(f"{code.name}-here")
    for name in {each.parent.name for each in foreign}:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None and not (here / name).exists():
            here.mkdir(exist_ok=True)
            with suppress(FileExistsError):
                (here / name).symlink_to(Path(spec.origin).parent)
    return [here, code] if here.exists() else [code]


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """One warm process of one version of a function."""

    world: World
    process: subprocess.Popen[bytes]
    answers: IO[str]
    log: Log
    is_cold: bool = True

    def invoke(self, told: Document, seconds: float) -> Document:
        """Return what the runtime answers: ``answer`` or ``error``.

        Args:
            seconds: the function's own timeout; its import has more time.
        """
        line = json.dumps(told).encode() + b"\n"
        if self.is_cold and self._line(COLD_LIMIT) is None:
            return self._ended(COLD_LIMIT)
        self.is_cold = False
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except OSError:
            return self._ended(seconds)
        answer = self._line(seconds)
        return self._ended(seconds) if answer is None else dict(json.loads(answer))

    def _line(self, seconds: float) -> str | None:
        ready, _, _ = select.select([self.answers], [], [], seconds)
        return (self.answers.readline() or None) if ready else None

    def _ended(self, seconds: float) -> Document:
        """Say how a process that gives no answer ended, and end it."""
        try:
            code: int | None = self.process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            code = None
        self.close()
        if code is None:
            message = f"Task timed out after {seconds:.2f} seconds"
            return {"error": {"errorType": "Sandbox.Timedout", "errorMessage": message}}
        message = f"Runtime exited with error: exit status {code}"
        return {"error": {"errorType": "Runtime.ExitError", "errorMessage": message}}

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        end_group(self.process)
        self.process.wait(timeout=10)
        self.world.release(self.process)
        self.log.flush()


@dataclass(slots=True)
class Sandboxes:
    """The sandboxes that wait, by the code and the settings that they were started with."""

    waiting: dict[str, list[Sandbox]] = field(default_factory=dict[str, list[Sandbox]])
    guard: Lock = field(default_factory=Lock)

    def take(self, world: World, region: str, version: Document) -> Sandbox:
        """Return a warm sandbox of *version*, else a new one."""
        with self.guard:
            while self.waiting.get(version["_key"]):
                kept = self.waiting[version["_key"]].pop()
                if kept.is_alive:
                    return kept
        return started(world, region, version)

    def give_back(self, version: Document, sandbox: Sandbox) -> None:
        if sandbox.is_alive:
            with self.guard:
                self.waiting.setdefault(version["_key"], []).append(sandbox)

    def clear(self) -> None:
        """Forget all that wait; the next invocations are cold."""
        with self.guard:
            kept, self.waiting = self.waiting, {}
        for sandbox in [each for group in kept.values() for each in group]:
            sandbox.close()


KEPT = Sandboxes()


def start(world: World) -> None:
    world.on_reset.append(KEPT.clear)


@command("cold")
def make_cold(world: World, given: Document) -> None:
    """End all warm sandboxes."""
    del world, given
    KEPT.clear()


def started(world: World, region: str, version: Document) -> Sandbox:
    """Return a new process that imports the handler of *version*."""
    name = version["FunctionName"]
    place = (f"/aws/lambda/{name}", f"{time.strftime('%Y/%m/%d')}/[{version['Version']}]{uuid.uuid4().hex}")
    folder = world.new_folder("sandboxes")
    reading, writing = os.pipe()
    libraries = library_folder(world)
    folders = os.pathsep.join(map(str, task_folders(Path(version["_code"]))))
    boot = [sys.executable, "-I", "-S", str(PROGRAMS / "lambda_boot.py")]
    process = subprocess.Popen(
        [*boot, folders, str(libraries), version["Handler"], str(writing)],
        env=variables(world, region, version, place, folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        start_new_session=True,
    )
    os.close(writing)
    world.adopt(process)
    log = Log(world, region, version["Role"], place)
    assert process.stdout is not None
    Thread(target=keep_log, args=(process.stdout, log), daemon=True).start()
    return Sandbox(world=world, process=process, answers=os.fdopen(reading), log=log)


def keep_log(stream: IO[bytes], log: Log) -> None:
    for line in stream:
        log.add(line.decode(errors="replace").rstrip("\n"))
    stream.close()


def variables(world: World, region: str, version: Document, place: tuple[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of a function (Lambda guide, "Defined runtime environment variables")."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": str(folder),
        "LAMBDA_TASK_ROOT": version["_code"],
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": version["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": version["Version"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version["MemorySize"]),
        "AWS_LAMBDA_LOG_GROUP_NAME": place[0],
        "AWS_LAMBDA_LOG_STREAM_NAME": place[1],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": world.identities.key_of(version["Role"]),
        "AWS_SECRET_ACCESS_KEY": "bench-bench-bench-bench",
        "AWS_SESSION_TOKEN": "bench",
        "AWS_ENDPOINT_URL": world.address,
        **version.get("Environment", {}).get("Variables", {}),
    }
