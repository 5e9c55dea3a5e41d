"""Counts the rows that came with changed files, without reading more than is needed to know about how many."""

import gzip
import importlib
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO, Final, Protocol

from everfit.domain.errors import EverfitError
from everfit.domain.listing import Changed, ListedFile
from everfit.domain.project import Format
from everfit.jobs.preparation.order import SUFFIXES

MOST_FILES: Final = {False: 20_000, True: 500}
"""Files that are opened at most, here and behind a URL."""
MOST_BYTES: Final = {False: 1_000_000_000, True: 100_000_000}
PART: Final = 1 << 20


class Readable(Protocol):
    """A data source whose files can be opened by their path."""

    @property
    def is_remote(self) -> bool:
        """Whether each file costs a way through a network."""
        ...

    def open_path(self, path: str) -> BinaryIO:
        """Open the file that a listing shows under *path*."""
        ...

    def error(self, error: Exception, place: str) -> EverfitError:
        """Return what the user is told when reading *place* raised *error*."""
        ...


class RowCount:
    """Counts lines of text tables and what Parquet files say they hold.

    A file that was replaced by a longer one counts what stands behind its old length: tables grow at their end.
    """

    def __init__(self, source: Readable, data_format: Format) -> None:
        self._source = source
        self._format = data_format
        self._files_left = MOST_FILES[source.is_remote]
        self._bytes_left = MOST_BYTES[source.is_remote]

    def of(self, changed: Iterable[Changed]) -> int:
        """Return about how many rows came."""
        rows = counted = uncounted = 0
        for old, new in changed:
            since = old.size if old is not None else 0
            if new is None or new.size <= since or not self._is_table(new.path):
                continue
            if self._files_left <= 0 or self._bytes_left <= 0:
                uncounted += new.size - since
                continue
            self._files_left -= 1
            rows += self._counted(new, since)
            counted += new.size - since
        return rows + (rows * uncounted // counted if counted else 0)

    def _is_table(self, path: str) -> bool:
        return path.lower().endswith(SUFFIXES.get(self._format.value, ()))

    def _counted(self, file: ListedFile, since: int) -> int:
        try:
            with self._source.open_path(file.path) as handle:
                if self._format is Format.PARQUET:
                    return _parquet_rows(handle) * (file.size - since) // file.size
                return self._lines(handle, file, since)
        except FileNotFoundError:
            return 0  # It went away since it was listed.
        except EverfitError:
            raise
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return 0  # The run says what is wrong with it.
        except Exception as error:  # A driver of any make raises errors of its own.
            raise self._source.error(error, file.path) from error

    def _lines(self, handle: BinaryIO, file: ListedFile, since: int) -> int:
        is_packed = file.path.lower().endswith(".gz")
        if since and not is_packed:
            handle.seek(since)
        text: Any = gzip.GzipFile(fileobj=handle) if is_packed else handle
        lines, last, read = 0, b"\n", 0
        while self._bytes_left > 0 and (part := text.read(PART)):
            lines += part.count(b"\n")
            last, read = part, read + len(part)
            self._bytes_left -= len(part)
        lines += not last.endswith(b"\n")
        if is_packed:
            return max(0, lines - (self._format is Format.CSV)) * (file.size - since) // file.size
        if self._bytes_left <= 0 and read:
            lines = lines * (file.size - since) // read
        return max(0, lines - (self._format is Format.CSV and not since))


def _parquet_rows(handle: BinaryIO) -> int:
    duckdb: Any = importlib.import_module("duckdb")
    connection = duckdb.connect()
    try:
        ((rows,),) = connection.read_parquet(handle).count("*").fetchall()
        return int(rows)
    except (duckdb.InvalidInputException, duckdb.IOException):
        return 0  # The run says what is wrong with it.
    finally:
        connection.close()
