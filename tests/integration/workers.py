"""Real worker processes, asked over their socket as the front asks them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from everfit.serving.frames import AnswerReader, Hello, Readiness, Reply, Request, encoded_batch
from everfit.serving.launch import command

PATIENCE = 60


class Connection:
    """One front's connection to a worker."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.reader = AnswerReader()
        self._names = 0

    def hello(self, *kinds: Readiness) -> Hello:
        """Wait for a hello of one of these kinds."""
        while self.reader.hello is None or self.reader.hello.kind not in kinds:
            self.receive()
        return self.reader.hello

    def ready(self) -> Hello:
        return self.hello(Readiness.READY, Readiness.UNUSABLE)

    def receive(self) -> list[tuple[int, Reply]]:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError
        return self.reader.feed(data)

    def send(self, requests: Sequence[Request], *, is_sample: bool = False) -> range:
        """Send a batch and return the ids that it has been given."""
        names = range(self._names, self._names + len(requests))
        self._names = names.stop
        self.socket.sendall(encoded_batch(list(zip(names, requests, strict=True)), is_sample=is_sample))
        return names

    def ask(self, requests: Sequence[Request], *, is_sample: bool = False) -> list[Reply]:
        """Return the replies in the order of the requests; each was given exactly once."""
        names = self.send(requests, is_sample=is_sample)
        answers: list[tuple[int, Reply]] = []
        while len(answers) < len(names):
            answers += self.receive()
        assert sorted(name for name, _ in answers) == list(names)
        return [reply for _, reply in sorted(answers, key=lambda answer: answer[0])]

    def close(self) -> None:
        self.socket.close()


@dataclass(slots=True, kw_only=True)
class RunningWorker:
    """A worker and the ways to it."""

    process: subprocess.Popen[bytes]
    path: Path
    life: int
    log: Path
    connections: list[Connection] = field(default_factory=list)

    def connect(self) -> Connection:
        connection = Connection(self.path)
        self.connections.append(connection)
        return connection

    def release_life(self) -> None:
        """Let go of the pipe that keeps the worker alive."""
        if self.life >= 0:
            os.close(self.life)
            self.life = -1

    def ask(self, *bodies: str | bytes, content_type: str = "application/json", accept: str = "") -> list[Reply]:
        """Ask over the first connection."""
        connection = self.connections[0]
        return connection.ask([request(body, content_type, accept) for body in bodies])

    def learn(self, body: str | bytes, content_type: str = "application/json") -> Hello:
        """Have the worker answer a sample, and return what it says of itself then."""
        connection = self.connections[0]
        (reply,) = connection.ask([request(body, content_type)], is_sample=True)
        assert reply.status == 200, reply.body
        assert connection.reader.hello is not None
        return connection.reader.hello


def request(body: str | bytes, content_type: str = "application/json", accept: str = "") -> Request:
    data = body if isinstance(body, bytes) else body.encode()
    return Request(body=data, content_type=content_type, accept=accept)


@contextmanager
def worker(folder: Path, script: str | None = None, *flags: str) -> Iterator[RunningWorker]:
    """Start a worker for the model in *folder*, with flags for its interpreter; connected to once."""
    listener = socket.socket(socket.AF_UNIX)
    path = folder.parent / f"{folder.name}.sock"
    listener.bind(str(path))
    listener.listen()
    life_read, life_write = os.pipe()
    log = folder.parent / f"{folder.name}.log"
    arguments = (str(listener.fileno()), str(life_read), json.dumps([str(folder), script]))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *flags, *command(sys.executable, "everfit.serving.worker", *arguments)[1:]],
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(), life_read),
            start_new_session=True,
        )
    listener.close()
    os.close(life_read)
    running = RunningWorker(process=process, path=path, life=life_write, log=log)
    try:
        running.connect()
        yield running
    finally:
        for connection in running.connections:
            connection.close()
        running.release_life()
        process.wait(PATIENCE)
