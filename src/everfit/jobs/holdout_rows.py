"""Read the holdout once, row by row: requests without the target go to a file, what is needed to judge stays."""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO, TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final, TextIO, cast

from everfit.domain.errors import RequestError
from everfit.jobs.csv_cells import CONVERTERS, MISSING, narrow, text
from everfit.jobs.holdout_source import Source
from everfit.jobs.request_log import Request, write_request

Record = dict[str, object]

ROWS_PER_REQUEST: Final = 500
# A model that continues a series gives the same steps again for each request, so a forecast is asked for as a whole.
ROWS_PER_FORECAST: Final = 100_000
TIMED_REQUESTS: Final = 200
IMAGE_TYPES: Final[Mapping[str, str]] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
JSON_LINES: Final = ("application/jsonlines", "application/jsonl", "application/x-jsonlines", "application/x-ndjson")

_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9]\d*)")


@dataclass(slots=True, kw_only=True)
class Holdout:
    """What is needed to judge predictions.

    Args:
        actual: what really was, one entry a row.
        times: one entry a row, if there is a time column.
        parts: ``column=value`` -> the rows that belong to it.
        left_out: rows whose actual value is missing; they are not asked and not judged.
    """

    actual: list[object] = field(default_factory=list[object])
    times: list[object] = field(default_factory=list[object])
    parts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    left_out: int = 0


def write_requests(source: Source, file: IO[bytes], *, inline: bool = False) -> Holdout:
    """Write the requests for every row of the holdout to *file* and return what they will be judged by.

    Args:
        inline: images are copied into *file*, for a reader that has not got the holdout.
    """
    if source.format == "images":
        return _write_images(source, file, inline=inline)
    if source.target is None:
        raise RequestError("The project names no data.target, so nothing can be compared with the predictions.")
    holdout = Holdout(parts={f"{column}={value}": [] for column in source.slices for value in source.slices[column]})
    rows = _known(source, holdout)
    count = ROWS_PER_FORECAST if source.whole else ROWS_PER_REQUEST
    timed: list[Record] = []
    while batch := list(islice(rows, count)):
        body = encode(batch, source.content_type)
        write_request(file, Request(body=body, content_type=source.content_type, rows=len(batch)))
        timed += batch[: TIMED_REQUESTS - len(timed)]
    _write_timed(timed, source.content_type, file)
    return holdout


def write_timed_requests(source: Source, file: IO[bytes], *, inline: bool = False) -> None:
    """Write only the requests by which the time of an answer is measured.

    Args:
        inline: as for ``write_requests``.
    """
    if source.format == "images":
        _write_each_image(_images(source)[:TIMED_REQUESTS], file, timed=True, inline=inline)
        return
    rows = islice(records(source), TIMED_REQUESTS)
    asked = [{name: value for name, value in record.items() if name != source.target} for record in rows]
    _write_timed(asked, source.content_type, file)


def _write_timed(rows: Sequence[Record], content_type: str, file: IO[bytes]) -> None:
    for record in rows:
        body = encode([record], content_type)
        write_request(file, Request(body=body, content_type=content_type, rows=1, timed=True))


def _known(source: Source, holdout: Holdout) -> Iterator[Record]:
    """Yield each row without its target, after noting in *holdout* what it is judged by."""
    assert source.target is not None  # noqa: S101 - narrows the type; the caller has looked
    for record in records(source):
        actual = record.pop(source.target, None)
        if actual is None or actual in MISSING:
            holdout.left_out += 1
            continue
        row = len(holdout.actual)
        holdout.actual.append(actual)
        if source.time is not None:
            holdout.times.append(record.get(source.time))
        for column, values in source.slices.items():
            for value in values:
                if is_value(record.get(column, actual if column == source.target else None), value):
                    holdout.parts[f"{column}={value}"].append(row)
        yield record


def is_value(found: object, wanted: str) -> bool:
    """Return whether a cell holds the value that a rule names."""
    if isinstance(found, bool):
        return str(found).lower() == wanted.lower()
    if isinstance(found, int | float):
        return str(found) == wanted or (_WHOLE.fullmatch(wanted) is not None and found == int(wanted))
    return found is not None and str(found) == wanted


def encode(batch: Sequence[Record], content_type: str) -> bytes:
    """Return the rows as the body of a request."""
    if content_type == "text/csv":
        text = StringIO()
        writer = csv.DictWriter(text, fieldnames=list(batch[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(batch)
        return text.getvalue().encode()
    if content_type in JSON_LINES:
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in batch).encode()
    if content_type == "application/json":
        return json.dumps({"instances": batch}, ensure_ascii=False).encode()
    raise RequestError(
        f"The evaluation cannot send rows as {content_type!r}; serve.content_type may be application/json, text/csv "
        "or application/jsonlines."
    )


def records(source: Source) -> Iterator[Record]:
    """Yield the rows of every file below the holdout's folder, files in the order of their names."""
    readers: Mapping[str, Callable[[Source, Path], Iterator[Record]]] = {
        "csv": _csv_records,
        "jsonl": _jsonl_records,
        "parquet": _parquet_records,
    }
    if source.format not in readers:
        raise RequestError(
            f"Everfit cannot score rows of format {source.format!r}; use task: custom with an evaluate script."
        )
    if source.format == "csv":
        source = _with_kinds(source)
    for path in files(source.folder):
        yield from readers[source.format](source, path)


def files(folder: Path) -> list[Path]:
    """Return the data files below *folder*, by name."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise RequestError(f"The holdout folder {folder} is empty; there is nothing to score on.")
    return found


def _jsonl_records(source: Source, path: Path) -> Iterator[Record]:
    with _opened(source, path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                # Python reads NaN and Infinity, which are no JSON and which no client could send.
                record = json.loads(line, parse_constant=lambda _: None)
                if not isinstance(record, dict):
                    raise RequestError(f"{path.name}, line {number} is not a JSON object.")
                yield record


def _parquet_records(source: Source, path: Path) -> Iterator[Record]:
    from everfit.jobs.parquet_rows import read_parquet  # noqa: PLC0415 - only Parquet pays for loading DuckDB

    return read_parquet(path)


def _opened(source: Source, path: Path) -> TextIO:
    encoding = "utf-8-sig" if source.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else source.encoding
    if path.suffix == ".gz":
        return TextIOWrapper(cast("IO[bytes]", gzip.open(path, "rb")), encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _cells(source: Source, path: Path) -> Iterator[dict[str, str]]:
    with _opened(source, path) as file:
        first = file.readline()
        delimiter = source.delimiter or _delimiter(first, source.target)
        reader = csv.reader(chain([first], file), delimiter=delimiter)
        header = next(reader, list[str]())
        for cells in reader:
            if len(cells) != len(header):
                if not cells:
                    continue
                raise RequestError(
                    f"{path.name}, line {reader.line_num} has {len(cells)} fields, the header {len(header)}."
                )
            yield dict(zip(header, cells, strict=True))


def _delimiter(header: str, target: str | None) -> str:
    """Return the delimiter that leaves the target whole, and of those the one with most columns."""
    columns = {delimiter: next(csv.reader([header], delimiter=delimiter), list[str]()) for delimiter in ",;\t|"}
    return max(columns, key=lambda delimiter: (target in columns[delimiter], len(columns[delimiter])))


def _csv_records(source: Source, path: Path) -> Iterator[Record]:
    is_kept = source.content_type == "text/csv"
    converters: dict[str, Callable[[str], object]] = {}
    for cells in _cells(source, path):
        if is_kept:
            yield {**cells}
            continue
        converters = converters or {name: CONVERTERS.get(source.kinds.get(name, "text"), text) for name in cells}
        yield {name: None if cell in MISSING else converters[name](cell) for name, cell in cells.items()}


def _with_kinds(source: Source) -> Source:
    """Return *source* with the kind of every column: one that is wholly numeric is numbers, zip codes stay text."""
    if source.kinds or source.content_type == "text/csv":
        return source
    possible: dict[str, set[str]] = {}
    for path in files(source.folder):
        for cells in _cells(source, path):
            for name, cell in cells.items():
                narrow(possible.setdefault(name, {"number", "boolean"}), cell)
    kinds = {name: next(iter(sorted(kinds, reverse=True)), "text") for name, kinds in possible.items()}
    return replace(source, kinds=kinds)


def _write_images(source: Source, file: IO[bytes], *, inline: bool) -> Holdout:
    """Write one request for each image; the folder it lies in is its label."""
    paths = _images(source)
    _write_each_image(paths, file, timed=False, inline=inline)
    _write_each_image(paths[:: -(-len(paths) // TIMED_REQUESTS)], file, timed=True, inline=inline)
    return Holdout(actual=[path.relative_to(source.folder).parts[0] for path in paths])


def _images(source: Source) -> list[Path]:
    paths = [path for path in files(source.folder) if path.suffix.lower() in IMAGE_TYPES]
    if not paths:
        raise RequestError(f"The holdout folder {source.folder} has no image ({', '.join(IMAGE_TYPES)}).")
    return paths


def _write_each_image(paths: Sequence[Path], file: IO[bytes], *, timed: bool, inline: bool) -> None:
    for path in paths:
        body = path.read_bytes() if inline else b""
        request = Request(body=body, content_type=IMAGE_TYPES[path.suffix.lower()], rows=1, timed=timed)
        write_request(file, request, None if inline else path)
