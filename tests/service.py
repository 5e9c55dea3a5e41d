"""A real service in a process of its own, for tests: started, asked, killed, started again."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

EVERFIT = Path(sys.executable).parent / "everfit"
PATIENCE = 60.0
LOOK = 0.05


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningService:
    """``everfit up`` over some folders, on a port of its own.

    Args:
        variables: environment, besides what the tests run with.
    """

    def __init__(self, *folders: Path, **variables: str) -> None:
        self._folders, self._variables = folders, variables
        self._options: tuple[str, ...] = ()
        self._process: subprocess.Popen[str] | None = None
        self._log = folders[0].parent / f"{folders[0].name}-service.log"
        self.ready: dict[str, Any] = {}

    def given(self, *options: str) -> "RunningService":
        """Call it with these options as well."""
        self._options = options
        return self

    def __enter__(self) -> "RunningService":
        return self.start()

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self.kill()

    def start(self) -> "RunningService":
        """Start it and wait until it says that it is ready."""
        self._process = self._launched()
        line = self._process.stdout.readline() if self._process.stdout else ""
        self.ready = json.loads(line) if line else {}
        if not self.ready.get("ready"):
            code = self._signalled(signal.SIGKILL)
            raise AssertionError(f"the service did not start ({code}): {self.ready}\n{self.log}")
        return self

    def refused(self) -> tuple[int, str]:
        """Start it where it must refuse to; return the exit code and the sentence."""
        process = self._launched()
        try:
            out, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
        return process.returncode, json.loads(out)["error"]

    def _launched(self) -> subprocess.Popen[str]:
        """Start it and wait for nothing."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVERFIT_", "SM_"))}
        with self._log.open("a") as log:
            return subprocess.Popen(
                [str(EVERFIT), "up", *map(str, self._folders), "--port", "0", "--json", *self._options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**kept, "EVERFIT_ACTOR": "tester", **self._variables},
                # A shell that runs the tests in the background has SIGINT ignored, which a child would inherit.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    @property
    def url(self) -> str:
        url: str = self.ready["url"]
        return url

    @property
    def log(self) -> str:
        """What it has written on standard error, over all its lives."""
        return self._log.read_text()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Send a request; header names have _ for -."""
        address = urlsplit(self.url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and "content-type" not in {name.lower() for name in sent}:
            sent["Content-Type"] = "application/json"
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body=content, headers=sent)
            response = connection.getresponse()
            return Reply(status=response.status, headers=dict(response.headers), body=response.read())

    def get(self, path: str) -> Any:
        reply = self.ask("GET", path)
        assert reply.status == 200, (path, reply)
        return reply.json

    def post(self, path: str, body: object = None, **headers: str) -> Reply:
        return self.ask("POST", path, body, **headers)

    def kill(self) -> None:
        """Kill it as a power cut would; what it started lives on."""
        self._signalled(signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Have it end in good order and return its exit code."""
        return self._signalled(number)

    def _signalled(self, number: signal.Signals) -> int:
        process, self._process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def until(is_so: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return the first answer that is true; look again and again until then."""
    pause = Event()
    for _ in range(int(patience / LOOK)):
        if answer := is_so():
            return answer
        pause.wait(LOOK)
    raise AssertionError("it did not come to pass")
