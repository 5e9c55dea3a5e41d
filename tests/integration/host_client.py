"""A client of the endpoint host that knows nothing of Everfit, and ways to wait for what it does."""

import http.client
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Answered = TypeVar("Answered")
PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What came back over HTTP."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """Keeps one connection open."""

    def __init__(self, home: Path) -> None:
        port = json.loads((home / "host" / "host.json").read_bytes())["port"]
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def __del__(self) -> None:
        self.connection.close()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        """Send a request and read the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body=body, headers=named)
        response = self.connection.getresponse()
        content = response.read()
        return Got(status=response.status, body=content, headers={k.lower(): v for k, v in response.headers.items()})

    def ask(self, data: str, name: str = "solar") -> Got:
        """Ask an endpoint."""
        return self.send("POST", f"/endpoints/{name}/invocations", data.encode(), content_type="text/csv")


def eventually(look: Callable[[], Answered], what: str) -> Answered:
    """Return what *look* returns as soon as it is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        threading.Event().wait(0.01)
    raise AssertionError(f"It never happened: {what}")


def kill(process: int) -> None:
    """Kill a process and wait until it is gone."""
    os.kill(process, signal.SIGKILL)
    gone([process])


def gone(processes: Iterable[int]) -> None:
    """Wait until the processes have ended."""
    for process in processes:
        try:
            handle = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        try:
            assert select.select([handle], [], [], PATIENCE)[0], f"Process {process} lives on."
        finally:
            os.close(handle)


def workers(client: Client, name: str = "solar") -> list[int]:
    """Return the processes of an endpoint's models."""
    versions = client.send("GET", f"/endpoints/{name}").document["versions"].values()
    return [process for version in versions for process in version["processes"]]
