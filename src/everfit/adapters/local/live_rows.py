"""Captured answers with the labels that came for them, joined by DuckDB in bounded memory."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import duckdb

from everfit.domain.errors import BackendError
from everfit.serving.capture_segment import batches, columns_of
from everfit.serving.capture_spool import segment_of, spools
from everfit.serving.label_files import label_files

Found = TypeVar("Found")
Wanted = tuple[str, Sequence[int], datetime]
"""An endpoint, its versions, and since when."""

MEMORY: Final = "256MB"
THREADS: Final = 2
MOST_ROWS: Final = 1_000_000
"""Labelled rows of each version that are measured, the newest; more change no figure that anybody acts on."""
SLACK: Final = timedelta(days=1)
"""A label may have been given before its request, and a clock may be a little off."""
LOOKS: Final = 5

GIVEN: Final = """
CREATE TEMP TABLE labels AS SELECT id, place, label, size, n FROM (
    SELECT n, id, unnest(labels) AS label, generate_subscripts(labels, 1) AS place, len(labels) AS size
    FROM read_json($files, format = 'newline_delimited', ignore_errors = true,
                   columns = {n: 'UBIGINT', id: 'VARCHAR', labels: 'VARCHAR[]'}))
WHERE label IS NOT NULL"""
NEWEST_LABELS: Final = """
CREATE OR REPLACE TEMP TABLE labels AS
SELECT id, place, arg_max(label, n) AS label, arg_max(size, n) AS size FROM labels GROUP BY id, place"""
CAPTURED: Final = """
CREATE TEMP TABLE captured (answered_at TIMESTAMP, version INTEGER, id VARCHAR, answer_type VARCHAR, answer BLOB)"""
FROM_SEGMENTS: Final = """
INSERT INTO captured SELECT answered_at, version, inference_id, answer_type, answer FROM read_parquet($files)
WHERE version IN (SELECT unnest($versions)) AND status = 200 AND answered_at >= $since AND answer IS NOT NULL
    AND inference_id IN (SELECT id FROM labels)"""
FROM_BATCH: Final = """
INSERT INTO captured SELECT make_timestamp(micros), version, inference_id, answer_type, answer FROM batch
WHERE version IN (SELECT unnest($versions)) AND status = 200 AND micros >= epoch_us($since::TIMESTAMP)
    AND answer_digest = '' AND inference_id IN (SELECT id FROM labels)"""
# One caller's name for several requests counts once for each version, and the newest answer is it.
NEWEST_ANSWERS: Final = """
CREATE OR REPLACE TEMP TABLE captured AS
SELECT max(answered_at) AS answered_at, version, id, arg_max(answer_type, answered_at) AS answer_type,
    arg_max(answer, answered_at) AS answer
FROM captured GROUP BY version, id"""
NOT_TOO_MANY: Final = """
CREATE OR REPLACE TEMP TABLE captured AS
SELECT captured.* FROM captured JOIN (SELECT id, max(size) AS size FROM labels GROUP BY id) USING (id)
QUALIFY sum(size) OVER (PARTITION BY version ORDER BY answered_at DESC, id ROWS UNBOUNDED PRECEDING) <= $most"""
UNMATCHED: Final = """
CREATE TEMP TABLE unmatched AS SELECT DISTINCT id FROM read_json($files, format = 'newline_delimited',
    ignore_errors = true, columns = {id: 'VARCHAR'}) WHERE id IS NOT NULL"""
MATCH_SEGMENTS: Final = "DELETE FROM unmatched WHERE id IN (SELECT inference_id FROM read_parquet($files))"
MATCH_BATCH: Final = "DELETE FROM unmatched WHERE id IN (SELECT inference_id FROM batch)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What is run over captured rows.

    Args:
        of_segments: with the parameter ``files``.
        of_batch: over the rows of ``batch``.
        given: further parameters of both.
        since: segments that were written to before it are left out; None takes all.
    """

    of_segments: str
    of_batch: str
    given: Mapping[str, object] = field(default_factory=dict[str, object])
    since: datetime | None = None


@contextmanager
def reading(name: str) -> Generator[None]:
    """Turn what goes wrong when an endpoint's files are read into ``BackendError``."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        words = f"The captured requests and labels of endpoint {name} cannot be read: {error}"
        raise BackendError(words, retryable=True) from error


@contextmanager
def labelled_answers(folder: Path, name: str, versions: Sequence[int], since: datetime) -> Generator[Any]:
    """Give a connection with the tables ``labels`` and ``captured``, or None when there is no label.

    ``labels`` holds the newest label of each row (``id``, ``place`` from 1, ``label`` as text, ``size`` as how many
    labels its request was given); ``captured`` the versions' answers since then that have one (``version``, ``id``,
    ``answered_at``, ``answer_type``, ``answer``), once for each version and id.

    Args:
        folder: of the host.
    """
    with ExitStack() as stack:
        yield looked_up(lambda: _loaded(folder, (name, versions, since), stack))


def looked_up(look: Callable[[], Found]) -> Found:
    """Return what *look* finds; what it listed may be converted or let go meanwhile, and then it looks again."""
    for _ in range(LOOKS):
        with suppress(FileNotFoundError, duckdb.IOException):
            return look()
    return look()


def _loaded(folder: Path, wanted: Wanted, stack: ExitStack) -> Any:
    name, versions, since = wanted
    files = recent(label_files(folder / "labels" / name), since)
    if not files:
        return None
    spill = stack.enter_context(TemporaryDirectory(prefix="everfit-quality-"))
    connection = stack.enter_context(closing(_opened(spill)))
    connection.execute(GIVEN, {"files": files})
    if has_twice(connection, "labels", "id, place"):
        connection.execute(NEWEST_LABELS)
    connection.execute(CAPTURED)
    given = {"versions": list(versions), "since": since.astimezone(UTC).replace(tzinfo=None)}
    statements = Statements(of_segments=FROM_SEGMENTS, of_batch=FROM_BATCH, given=given, since=since)
    read_captured(connection, folder / "capture", name, statements)
    if has_twice(connection, "captured", "version, id"):
        connection.execute(NEWEST_ANSWERS)
    if connection.execute("SELECT count(*) FROM labels").fetchall()[0][0] > MOST_ROWS:
        connection.execute(NOT_TOO_MANY, {"most": MOST_ROWS})
    return connection


def recent(files: Sequence[Path], since: datetime) -> list[str]:
    """Return the files that were written to since then, or not long before."""
    return [str(file) for file in files if file.stat().st_mtime >= (since - SLACK).timestamp()]


def has_twice(connection: Any, table: str, columns: str) -> bool:
    """Tell whether two rows are alike in the columns."""
    query = f"SELECT EXISTS (SELECT 1 FROM {table} GROUP BY {columns} HAVING count(*) > 1)"  # noqa: S608 - our own names
    return bool(connection.execute(query).fetchall()[0][0])


def read_captured(connection: Any, captured: Path, name: str, statements: Statements) -> None:
    """Run a statement over an endpoint's segments, and another over each batch of rows that is still in a spool.

    What is converted between the two looks is in both, and read from its segment.
    """
    still_open = [path for path in spools(captured) if path.parents[1].name == name]
    segments = sorted((captured / name).glob("*/*.parquet"))
    files = [str(path) for path in segments] if statements.since is None else recent(segments, statements.since)
    if files:
        connection.execute(statements.of_segments, {**statements.given, "files": files})
    done = set(segments)
    for spool in still_open:
        if segment_of(spool) not in done:
            for rows in batches(spool):
                connection.register("batch", columns_of(rows))
                connection.execute(statements.of_batch, statements.given)
                connection.unregister("batch")


def counted(folder: Path, name: str) -> tuple[int, int]:
    """Return how many requests have labels, and for how many of these no answer is kept.

    Args:
        folder: of the host.
    """
    return looked_up(lambda: _counted(folder, name))


def _counted(folder: Path, name: str) -> tuple[int, int]:
    files = [str(file) for file in label_files(folder / "labels" / name)]
    if not files:
        return 0, 0
    with TemporaryDirectory(prefix="everfit-quality-") as spill, closing(_opened(spill)) as connection:
        connection.execute(UNMATCHED, {"files": files})
        total: int = connection.execute("SELECT count(*) FROM unmatched").fetchall()[0][0]
        statements = Statements(of_segments=MATCH_SEGMENTS, of_batch=MATCH_BATCH)
        read_captured(connection, folder / "capture", name, statements)
        left: int = connection.execute("SELECT count(*) FROM unmatched").fetchall()[0][0]
        return total, left


def _opened(spill: str) -> Any:
    return duckdb.connect(config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": spill})
