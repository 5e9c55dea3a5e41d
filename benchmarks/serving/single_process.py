"""What the host could do if the model were in its own process: the limit that isolation is measured against.

Run with: .venv/bin/python benchmarks/serving/single_process.py --model FILE.joblib --port 8099
The same HTTP layer, the same front and the same handlers, with requests that came in one turn of the event loop put
into one call of the model, and no process, no socket and no queue between them. ``compare.py --only single,everfit``
measures both.
"""

import argparse
import asyncio
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import uvloop
from models import payloads

from everfit.serving.access import HostAccess
from everfit.serving.batching import Batcher
from everfit.serving.calls import Answered, Done, Inquiry
from everfit.serving.frames import Request
from everfit.serving.front import Front
from everfit.serving.handlers import load
from everfit.serving.http_server import HttpServer
from everfit.serving.limits import Limits

MOST = 64


class InProcess:
    """An endpoint that asks its model itself."""

    def __init__(self, folder: str) -> None:
        self._batcher = Batcher(load(folder, None))
        self._waiting: list[tuple[Inquiry, Done]] = []
        payload = payloads()["1-row JSON"]
        self._batcher.learn(Request(body=payload.body, content_type=payload.content_type, accept="*/*"))

    def dispatch(self, inquiry: Inquiry, done: Done) -> None:
        """Answer in the next turn, with whatever comes until then."""
        self._waiting.append((inquiry, done))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        for replies in self._batcher.answers([(place, inquiry) for place, (inquiry, _) in enumerate(waiting)]):
            for place, reply in replies:
                waiting[place][1](Answered(reply=reply, version=1, inference_id=str(place)))


async def serve(endpoint: InProcess, listener: socket.socket) -> None:
    """Serve until this process ends."""
    host, door = SimpleNamespace(endpoints={"bench": endpoint}), SimpleNamespace()
    server = HttpServer(Front(host, HostAccess(), door), Limits())
    await server.start(listener)
    await asyncio.Event().wait()


def main() -> None:
    """Serve the model."""
    words = argparse.ArgumentParser()
    words.add_argument("--model", required=True)
    words.add_argument("--port", type=int, required=True)
    options = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="everfit-bench-") as folder:
        shutil.copy(Path(options.model), folder)
        endpoint = InProcess(folder)
        listener = socket.create_server(("127.0.0.1", options.port), backlog=2048)
        try:
            uvloop.run(serve(endpoint, listener))
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
