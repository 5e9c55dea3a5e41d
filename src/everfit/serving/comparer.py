"""The process that compares the answers of shadows with those that callers were given.

``comparer FOLDER SOCKET``. It is handed pairs of answers and says for each whether they agree; it ends when the front
is gone. It takes only the time that nobody else wants.
"""

import marshal
import os
import signal
import socket
import sys
from contextlib import suppress

from everfit.serving.companion_messages import Messages, message
from everfit.serving.comparing import agrees
from everfit.serving.frames import Reply

PIECE = 1024 * 1024
LEAST_URGENT = 19


def main() -> None:
    """Compare for the front at the other end of the socket."""
    link = socket.socket(fileno=int(sys.argv[2]))
    # Who ends the host tells the front, and that ends this process.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(LEAST_URGENT)
    messages = Messages()
    with link, suppress(ConnectionError):
        while piece := link.recv(PIECE):
            for _, pairs in messages.feed(piece):
                link.sendall(message("", verdicts(pairs)))


def verdicts(pairs: bytes) -> bytes:
    """Return a byte for each pair: 1 when its two answers agree, else 0."""
    # What comes here was packed by the front, and by nobody else.
    unpacked: list[tuple[str, bytes, str, bytes]] = marshal.loads(pairs)  # noqa: S302
    return bytes(agrees(answer(*pair[:2]), answer(*pair[2:])) for pair in unpacked)


def answer(content_type: str, body: bytes) -> Reply:
    """Return an answer as such."""
    return Reply(status=200, body=body, content_type=content_type)


if __name__ == "__main__":
    main()
