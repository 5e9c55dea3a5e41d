"""The process that puts labels on the disk before they are accepted; those that come together share one wait for it.

``label_writer FOLDER SOCKET``. A message's head is the endpoint's name and the content type of its body, with a line
between them; the answer's head is an HTTP status, its body JSON. It ends when the front is gone.
"""

import json
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from everfit.serving.companion_messages import Messages, message
from everfit.serving.errors import UnreadableRequestError
from everfit.serving.label_body import Labelled, read_labels
from everfit.serving.label_files import LabelFile

PIECE = 64 * 1024
LARGEST = 64 * 1024 * 1024
OLDEST = 24 * 3600.0

Answer = tuple[int, dict[str, Any]]


class Writer:
    """Appends labels to one file for each endpoint."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "labels"
        self._files: dict[str, LabelFile] = {}

    def write(self, bodies: Sequence[tuple[str, bytes]]) -> list[Answer]:
        """Return the answer to each of the bodies, heads beside them, in their order."""
        answers: dict[int, Answer] = {}
        wanted: dict[str, list[tuple[int, list[Labelled]]]] = defaultdict(list)
        for place, (head, body) in enumerate(bodies):
            endpoint, _, content_type = head.partition("\n")
            try:
                wanted[endpoint].append((place, read_labels(body, content_type)))
            except UnreadableRequestError as error:
                answers[place] = refusal("ValidationError", error.status, str(error))
        for endpoint, given in wanted.items():
            answers |= self._append(endpoint, given)
        return [answers[place] for place in range(len(bodies))]

    def _append(self, endpoint: str, given: Sequence[tuple[int, list[Labelled]]]) -> dict[int, Answer]:
        now = time.time()
        try:
            file = self._file(endpoint, now)
            file.append([entry for _, entries in given for entry in entries], now)
        except OSError as error:
            message = f"The labels cannot be written: {error.strerror or error}. Nothing was kept; send them again."
            return {place: refusal("ServiceUnavailable", 503, message) for place, _ in given}
        return {place: (202, counts(entries)) for place, entries in given}

    def _file(self, endpoint: str, now: float) -> LabelFile:
        file = self._files.get(endpoint)
        if file is not None and (file.size >= LARGEST or not 0 <= now - file.began < OLDEST or not file.is_there):
            self._files.pop(endpoint).close()
            file = None
        if file is None:
            file = self._files[endpoint] = LabelFile(self._folder / endpoint, now)
        return file


def counts(entries: Sequence[Labelled]) -> dict[str, Any]:
    """Return what was accepted."""
    labels = sum(label is not None for entry in entries for label in entry.labels)
    return {"requests": len({entry.inference_id for entry in entries}), "labels": labels}


def refusal(kind: str, status: int, message: str) -> Answer:
    """Return an error as SageMaker's runtime would."""
    return status, {"Code": kind, "Message": message}


def serve(writer: Writer, link: socket.socket) -> None:
    """Write what comes until the other side is gone."""
    messages = Messages()
    while piece := link.recv(PIECE):
        bodies = list(messages.feed(piece))
        answers = writer.write(bodies)
        link.sendall(b"".join(message(str(status), json.dumps(body).encode()) for status, body in answers))


def main() -> None:
    """Write for the front at the other end of the socket."""
    folder, link = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    # Who ends the host tells the front, and that ends this process when it has said everything.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    with link, suppress(ConnectionError):
        serve(Writer(folder), link)


if __name__ == "__main__":
    main()
