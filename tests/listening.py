"""Services that listen on this machine: a web server, a mail server, and one that never answers."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(kw_only=True)
class Heard:
    """What a server was told, and where it listens.

    Args:
        code: that the web server answers.
    """

    port: int
    bodies: list[bytes] = field(default_factory=list[bytes])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    code: int = 200
    said: bytes = b"thanks"

    def letter(self, index: int = 0) -> EmailMessage:
        return message_from_bytes(self.bodies[index], policy=policy.default)


@contextmanager
def web_server() -> Iterator[Heard]:
    heard = Heard(port=0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.headers.append({name.lower(): value for name, value in self.headers.items()})
            heard.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(heard.code)
            if heard.code == 302:
                self.send_header("Location", f"http://127.0.0.1:{heard.port}/elsewhere")
            self.send_header("Content-Length", str(len(heard.said)))
            self.end_headers()
            self.wfile.write(heard.said)

        def log_message(self, *_: Any) -> None: ...

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), heard):
        yield heard


@contextmanager
def mail_server() -> Iterator[Heard]:
    heard = Heard(port=0)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            for line in self.rfile:
                command = line.strip().upper()
                if command == b"DATA":
                    self._say("354 go on")
                    heard.bodies.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self._say("250 taken")
                elif command == b"QUIT":
                    self._say("221 bye")
                    return
                elif command.startswith(b"RCPT TO:<NOBODY@"):
                    self._say("550 unknown")
                else:
                    self._say("250 fine")

        def _say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), heard):
        yield heard


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def trickling_server() -> Iterator[int]:
    """Answer one byte at a time, for ever."""
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.sendall(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.1):
                    self.request.sendall(b"x")
            except OSError:
                return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    with _serving(server, heard := Heard(port=0)):
        yield heard.port
        ended.set()


@contextmanager
def _serving(server: socketserver.TCPServer, heard: Heard) -> Iterator[None]:
    heard.port = server.server_address[1]
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
