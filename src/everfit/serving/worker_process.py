"""A worker as the front sees it: started, asked, ended."""

import asyncio
import json
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, STDOUT, Process
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from everfit.domain.endpoint import ServedVersion
from everfit.serving.errors import UnusableModelError
from everfit.serving.frames import LENGTH, Reply, Request, Trouble, encoded
from everfit.serving.launch import command

LAST_WORDS = 2000
BUFFER = 1024 * 1024


class WorkerLostError(Exception):
    """The process ended before it had answered.

    Args:
        how: its exit code or signal, which a client may see.
        last_words: what it printed, which is for its owner.
    """

    def __init__(self, how: str, last_words: str) -> None:
        super().__init__(f"{how}; it printed: {last_words}" if last_words else how)
        self.how = how


class WorkerStuckError(Exception):
    """The process did not answer in time, and was ended."""


@dataclass(slots=True, kw_only=True, eq=False)
class WorkerProcess:
    """One living worker; asked by one caller at a time."""

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    life: int
    log: Path
    log_start: int

    @property
    def is_alive(self) -> bool:
        """Whether the process can be asked."""
        return self.process.returncode is None and not self.reader.at_eof()

    async def ask(self, request: Request, patience: timedelta) -> Reply:
        """Return the model's answer; raise ``WorkerLostError`` or ``WorkerStuckError`` when there is none."""
        header = {"content_type": request.content_type, "accept": request.accept}
        try:
            async with asyncio.timeout(patience.total_seconds()):
                self.writer.write(encoded(header, request.body))
                await self.writer.drain()
                answer, body = await self.receive()
        except TimeoutError:
            self.kill()
            raise WorkerStuckError from None
        except (asyncio.IncompleteReadError, ConnectionError):
            self.kill()
            raise await self.loss() from None
        status: int = answer["status"]
        trouble = None if status < 400 else Trouble.REFUSED if status < 500 else Trouble.MODEL
        return Reply(status=status, body=body, content_type=answer["content_type"], trouble=trouble)

    async def receive(self) -> tuple[dict[str, Any], bytes]:
        """Read one frame."""
        (size,) = LENGTH.unpack(await self.reader.readexactly(LENGTH.size))
        header: dict[str, Any] = json.loads(await self.reader.readexactly(size))
        return header, await self.reader.readexactly(header["length"])

    async def loaded(self, patience: timedelta) -> None:
        """Wait until the model is loaded, or raise ``UnusableModelError`` with its own words."""
        try:
            async with asyncio.timeout(patience.total_seconds()):
                header, _ = await self.receive()
        except TimeoutError:
            raise UnusableModelError(f"The model was not loaded after {patience.total_seconds():g} s.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise UnusableModelError(f"The model's process ended while loading: {await self.loss()}") from None
        if header["kind"] == "unusable":
            raise UnusableModelError(header["message"])

    async def loss(self) -> WorkerLostError:
        """Wait for the end of the process and return how it was."""
        code = await self.process.wait()
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        with self.log.open("rb") as file:
            size = self.log.stat().st_size
            file.seek(max(min(self.log_start, size), size - LAST_WORDS))
            lines = file.read().decode(errors="replace").split("\n")
        return WorkerLostError(how, "; ".join(line.strip() for line in lines if line.strip())[-500:])

    def kill(self) -> None:
        """End the process and whatever it has started."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """End the process and let go of what belonged to it."""
        self.kill()
        await self.process.wait()
        self.writer.close()
        if self.life >= 0:
            os.close(self.life)
            self.life = -1


async def start_worker(version: ServedVersion, folder: Path, log: Path) -> WorkerProcess:
    """Start a process for *version* that works in *folder* and prints into *log*."""
    ours, theirs = socket.socketpair()
    life_read, life_write = os.pipe()
    arguments = command(
        version.python,
        "everfit.serving.worker",
        *(str(theirs.fileno()), str(life_read), json.dumps([version.model, version.script])),
    )
    try:
        with log.open("ab") as output:
            start = output.tell()
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                pass_fds=(theirs.fileno(), life_read),
                cwd=folder,
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        os.close(life_write)
        raise UnusableModelError(f"The interpreter {version.python} cannot be started: {error}.") from error
    finally:
        theirs.close()
        os.close(life_read)
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=BUFFER)
    return WorkerProcess(process=process, reader=reader, writer=writer, life=life_write, log=log, log_start=start)
