"""Run the bench: ``python -m tests.aws.bench.server --port 0 --state DIR`` prints its address and serves until it ends.

It ends when it is told to (SIGTERM) and when its standard input closes, so that it never outlives the tests.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from tests.aws.bench.front import Front
from tests.aws.bench.identities import SECRET, USER_KEY
from tests.aws.bench.services import load
from tests.aws.bench.world import World

os.environ.update(
    AWS_ACCESS_KEY_ID=USER_KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_DEFAULT_REGION="us-east-1", MOTO_PORT="0"
)


def quiet_handler() -> Any:
    """Return a request handler that keeps connections and says nothing."""

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body of an answer are two writes; the second must not wait until the first is acknowledged.
        disable_nagle_algorithm = True

        def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
            """Close the connection: an answer that is lost never comes, also not later."""
            del error, environ
            self.close_connection = True

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            del code, size

    return Handler


def end_with_input(end: Callable[[], None]) -> None:
    """Call *end* when who started the server is gone."""
    sys.stdin.read()
    end()


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--alone", action="store_true", help="do not end with the standard input")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    world = World(0, options.state.resolve() / "processes")
    server = make_server("127.0.0.1", options.port, Front(world), threaded=True, request_handler=quiet_handler())
    server.daemon_threads = True  # type: ignore[attr-defined]
    world.port = server.server_port
    os.environ["MOTO_PORT"] = str(world.port)
    load(world)

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if not options.alone:
        threading.Thread(target=end_with_input, args=(end,), daemon=True).start()
    print(world.address, flush=True)  # noqa: T201 - who started the server waits for it
    server.serve_forever(poll_interval=0.05)
    world.close()
    # Nothing is left to be done; tearing down what moto has loaded takes seconds.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
