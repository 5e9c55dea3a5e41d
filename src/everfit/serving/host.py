"""The endpoint host: one process that accepts HTTP and holds the routing; models live in processes of their own."""

import asyncio
import gc
import json
import resource
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from everfit.serving.access import HostAccess
from everfit.serving.capture import Capture
from everfit.serving.control_door import ControlDoor
from everfit.serving.feedback import Feedback
from everfit.serving.front import Front
from everfit.serving.http_server import HttpServer
from everfit.serving.leftovers import Leftovers
from everfit.serving.limits import Limits, from_document
from everfit.serving.live import LiveHost

MOST_FILES = 65536
OWN_FILES = 512
"""Files that the host keeps for itself: workers, logs, and callers that are told that they are too many."""
GARBAGE = 50_000
"""Objects that are made before cycles among them are looked for."""


def main() -> None:
    """Serve the folder and the listening socket that the supervisor hands over."""
    folder, listener, options = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), json.loads(sys.argv[3])
    limits = fitting(from_document(options), allowed_files())
    # What was imported stays; requests leave no cycles, so looking for them often only delays answers.
    gc.freeze()
    gc.set_threshold(GARBAGE)
    uvloop.run(serve(folder, listener, limits))


def allowed_files() -> int:
    """Let this process open as many files as the machine allows, of which a thousand is usual; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def fitting(limits: Limits, files: int) -> Limits:
    """Return the limits with no more connections than there are files for, beside those that the host needs."""
    most = max(1, min(limits.connection.connections, files - OWN_FILES))
    return replace(limits, connection=replace(limits.connection, connections=most))


async def serve(folder: Path, listener: socket.socket, limits: Limits) -> None:
    """Serve until told to stop; every request that was accepted is answered first."""
    leftovers = Leftovers(folder)
    record = json.loads((folder / "host.json").read_bytes())
    capture, labels = Capture(folder), Feedback(folder)
    host = LiveHost(folder, limits, capture, labels)
    told_to_stop = asyncio.Event()
    door = ControlDoor(host, record["secret"], told_to_stop.set)
    server = HttpServer(Front(host, HostAccess(tokens=tuple(record["tokens"])), door), limits)
    host.converge()
    tidying = asyncio.create_task(tidy(host, leftovers))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    follow = asyncio.create_task(host.follow(told_to_stop.set))
    try:
        await server.start(listener)
        await told_to_stop.wait()
        door.close()
        await server.stop()
    finally:
        follow.cancel()
        await tidying
        await host.end()
        await asyncio.gather(capture.end(), labels.end())


async def tidy(host: LiveHost, leftovers: Leftovers) -> None:
    """End the workers of the front before that no version takes over; while nobody knows what is desired, none."""
    if host.problem is None:
        pools = [pool for live in host.endpoints.values() for pool in live.pools.values()]
        await leftovers.end_unwanted({pool.place.folder for pool in pools})


if __name__ == "__main__":
    main()
