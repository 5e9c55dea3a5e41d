"""The endpoint host: one process that accepts HTTP and holds the routing; models live in processes of their own."""

import asyncio
import json
import shutil
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import uvicorn

from everfit.serving.front import Front
from everfit.serving.limits import Limits
from everfit.serving.live import LiveHost

KEEP_ALIVE = 75


class HostServer(uvicorn.Server):
    """A server that leaves signals to the host, which ends its workers after the last answer."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def main() -> None:
    """Serve the folder and the listening socket that the supervisor hands over."""
    folder, listener, options = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), json.loads(sys.argv[3])
    limits = Limits(
        body=options["body"],
        request=timedelta(seconds=options["request"]),
        load=timedelta(seconds=options["load"]),
    )
    asyncio.run(serve(folder, listener, limits))


async def serve(folder: Path, listener: socket.socket, limits: Limits) -> None:
    """Serve until told to stop; every request that was accepted is answered first."""
    shutil.rmtree(folder / "work", ignore_errors=True)
    secret = json.loads((folder / "host.json").read_bytes())["secret"]
    host = LiveHost(folder, limits)

    def stop() -> None:
        server.should_exit = True

    config = uvicorn.Config(
        Front(host, limits, secret, stop),
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(limits.request.total_seconds()) + 1,
    )
    server = HostServer(config)
    host.converge()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    follow = asyncio.create_task(host.follow(stop))
    try:
        await server.serve(sockets=[listener])
    finally:
        follow.cancel()
        await host.end()


if __name__ == "__main__":
    main()
