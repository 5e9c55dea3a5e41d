"""Make a spool of captured rows a Parquet file, in bounded memory."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from everfit.serving.capture_spool import Body, Row, frames

TABLE: Final = """CREATE TABLE captured (
    answered_at TIMESTAMP, endpoint VARCHAR, version INTEGER, inference_id VARCHAR,
    content_type VARCHAR, request BLOB, request_size BIGINT, request_digest VARCHAR,
    accept VARCHAR, status SMALLINT, answer_type VARCHAR, answer BLOB, answer_size BIGINT, answer_digest VARCHAR,
    seconds DOUBLE)"""
FILL: Final = """INSERT INTO captured SELECT
    make_timestamp(micros), $endpoint, version, inference_id,
    content_type, if(request_digest = '', request, NULL), request_size, nullif(request_digest, ''),
    accept, status, answer_type, if(answer_digest = '', answer, NULL), answer_size, nullif(answer_digest, ''), seconds
    FROM rows"""
MEMORY: Final = "256MB"
AT_ONCE: Final = 20_000


def convert(spool: Path, segment: Path) -> str | None:
    """Write the rows of *spool* to the Parquet file *segment*; return what went wrong, or None.

    ``answered_at`` is in UTC, ``seconds`` from request to answer; a body that was too large is NULL beside its size
    and digest. A spool without a row makes no segment.
    """
    beside = segment.with_name(f".{segment.name}.new")
    connection: Any = duckdb.connect(config={"memory_limit": MEMORY, "threads": 1, "temp_directory": f"{beside}.spill"})
    try:
        connection.execute(TABLE)
        if not fill(connection, spool):
            return None
        segment.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Row groups of bodies are large; fewer rows in each keep what a reader holds at once small.
        connection.execute(
            "COPY captured TO $path (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)", {"path": str(beside)}
        )
        publish(beside, segment, spool.stat().st_mtime)
    except (duckdb.Error, OSError) as error:
        beside.unlink(missing_ok=True)
        return str(error)
    finally:
        connection.close()
    return None


def publish(beside: Path, segment: Path, written: float) -> None:
    """Move a file to where it is seen, whole and on the disk; it is as old as its rows.

    Args:
        written: in seconds since 1970.
    """
    os.utime(beside, (written, written))
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.rename(segment)
    folder = os.open(segment.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def fill(connection: Any, spool: Path) -> int:
    """Put the rows of *spool* into the table; return how many there are."""
    total = 0
    for rows in batches(spool):
        columns = columns_of(rows)
        connection.register("rows", columns)
        connection.execute(FILL, {"endpoint": spool.parents[1].name})
        connection.unregister("rows")
        total += len(rows)
    return total


def batches(spool: Path) -> Iterator[list[Row]]:
    """Yield the rows, some thousands at once."""
    found: list[Row] = []
    for frame in frames(spool):
        found += frame
        if len(found) >= AT_ONCE:
            yield found
            found = []
    if found:
        yield found


def columns_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the rows as arrays by name."""
    at, version, name, kind, asked, accept, status, answer_kind, given, seconds = zip(*rows, strict=True)
    return {
        "micros": np.array([round(moment * 1e6) for moment in at], dtype=np.int64),
        "version": np.array(version, dtype=np.int32),
        "inference_id": texts(name),
        "content_type": texts(kind),
        **bodies("request", asked),
        "accept": texts(accept),
        "status": np.array(status, dtype=np.int16),
        "answer_type": texts(answer_kind),
        **bodies("answer", given),
        "seconds": np.array(seconds, dtype=np.float64),
    }


def texts(values: Sequence[str]) -> Any:
    """Return an array of texts; half of a surrogate pair cannot be stored."""
    column = np.empty(len(values), dtype=object)
    column[:] = [text if text.isascii() else text.encode("utf-8", "replace").decode() for text in values]
    return column


def bodies(name: str, values: Sequence[Body]) -> dict[str, Any]:
    """Return the columns of a body: itself, its size, and its digest where only that was kept."""
    column = np.empty(len(values), dtype=object)
    column[:] = [body if isinstance(body, bytes) else b"" for body in values]
    digests = np.empty(len(values), dtype=object)
    digests[:] = ["" if isinstance(body, bytes) else body[1] for body in values]
    sizes = [len(body) if isinstance(body, bytes) else body[0] for body in values]
    return {name: column, f"{name}_size": np.array(sizes, dtype=np.int64), f"{name}_digest": digests}
