"""What the capture of requests has written, read as any tool would read it, and requests to be captured."""

import asyncio
import marshal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from everfit.serving.calls import Inquiry
from everfit.serving.capture import Capture
from everfit.serving.capture_spool import MARSHAL, Row, Spool
from everfit.serving.frames import Reply
from everfit.serving.label_body import Label, Labelled
from everfit.serving.label_files import LabelFile

PATIENCE = 30.0


def keep_answers(
    host: Path, answers: Iterable[tuple[int, str, str | bytes]], kind: str = "application/json", at: float | None = None
) -> Path:
    """Write (version, inference id, answer) as the writer does, into a spool of their own."""
    spool = Spool(host / "capture" / "solar", time.time())
    moment = time.time() if at is None else at
    rows: list[Row] = [
        (
            moment,
            version,
            name,
            "text/csv",
            b"",
            "*/*",
            200,
            kind,
            given if isinstance(given, bytes) else given.encode(),
            0,
        )
        for version, name, given in answers
    ]
    spool.append(marshal.dumps(rows, MARSHAL))
    spool.close()
    return spool.path


def give_labels(host: Path, *entries: tuple[str, Sequence[Label]]) -> None:
    """Write labels as the host does."""
    file = LabelFile(host / "labels" / "solar", time.time())
    file.append([Labelled(inference_id=name, labels=tuple(labels)) for name, labels in entries], time.time())
    file.close()


async def until(look: Callable[[], object], what: str) -> None:
    """Wait until *look* is true, and let the event loop go on meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, f"It never happened: {what}"
        await asyncio.sleep(0.005)


def offer(capture: Capture, number: int, version: int = 1, body: bytes | None = None) -> None:
    """Offer a request whose parts all tell its number."""
    inquiry = Inquiry(body=b"asked %d" % number if body is None else body, content_type="text/csv", accept="text/plain")
    reply = Reply(status=200, body=b"given %d" % number, content_type="application/json")
    capture.offer("solar", version, inquiry, reply, number / 1000, f"request-{number}")


def rows_of(host: Path, columns: str = "*", endpoint: str = "solar") -> list[Any]:
    """Return the rows of all Parquet files, ordered by inference id."""
    if not list(host.glob(f"capture/{endpoint}/*/*.parquet")):
        return []
    query = f"SELECT {columns} FROM '{host}/capture/{endpoint}/*/*.parquet' ORDER BY length(inference_id), inference_id"  # noqa: S608 - of a test's own folder
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def numbers_of(host: Path) -> list[int]:
    """Return the numbers of the rows in Parquet files, each of which is whole."""
    rows = rows_of(host, "inference_id, request, answer, seconds")
    for name, request, answer, seconds in rows:
        number = int(name.removeprefix("request-"))
        assert (request, answer, seconds) == (b"asked %d" % number, b"given %d" % number, number / 1000)
    return [int(name.removeprefix("request-")) for name, *_ in rows]
