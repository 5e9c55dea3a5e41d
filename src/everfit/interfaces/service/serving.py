"""Answers over HTTP from a thread of its own, on an address that is taken before anybody is told of it."""

import os
import socket
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Final

import uvicorn

from everfit.domain.errors import BusyError

if TYPE_CHECKING:
    from fastapi import FastAPI

WAITING: Final = 128


def taken_address(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, or raise ``BusyError``.

    Args:
        port: 0 takes any that is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=WAITING)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise BusyError(
            f"The service cannot answer at {host}:{port} ({why}). "
            "Choose another place with --host and --port, or end the program that has it."
        ) from error
    # Connections inherit it: an answer in two parts must not wait until the caller has acknowledged the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket) -> str:
    """Return where the socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class HttpServer:
    """The HTTP side of the service; it answers until it is stopped, also while the service drains.

    Args:
        ended: is called when it has ended, for whatever reason.
    """

    def __init__(self, app: "FastAPI", listening: socket.socket, ended: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._listening, self._ended = listening, ended
        self._thread = Thread(target=self._go, name="everfit-http", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what is under way, then nothing more."""
        self._server.should_exit = True
        self._thread.join()

    def _go(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        finally:
            self._ended()
