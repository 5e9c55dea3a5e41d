"""CSV as people send it: with or without BOM, in any declared encoding, and with the mistakes that happen."""

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO, Final

from everfit.domain.check import DataFinding
from everfit.domain.conclusion import Result
from everfit.jobs.preparation.order import Order, SourceFile
from everfit.jobs.preparation.tables import Database, Table, TablePart, quote, union

DELIMITERS: Final = (",", ";", "\t", "|")
WORDS: Final = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
HEAD: Final = 1 << 18
CHUNK: Final = 1 << 20
REJECTS: Final = 1000
# A broken row is left out in every pass alike, and noted in the strict one.
LENIENT: Final = "max_line_size = 16777216, ignore_errors = true"
STRICT: Final = f"max_line_size = 16777216, store_rejects = true, rejects_limit = {REJECTS}"
HEADING: Final = "max_line_size = 1048576, buffer_size = 2097152, ignore_errors = true"
UTF8: Final = ("utf-8", "utf-8-sig", "ascii")


def open_content(file: SourceFile) -> BinaryIO:
    """Open the content of *file*, unpacked."""
    if file.is_compressed:
        return gzip.open(file.content, "rb")  # type: ignore[return-value]  # GzipFile is a binary file
    return file.content.open("rb")


class Unusable(Exception):  # noqa: N818 - carries findings to the report, not an error of the job
    """The data cannot be read as a table; the findings say why."""

    def __init__(self, *findings: DataFinding) -> None:
        super().__init__(findings)
        self.findings = findings


def failing(rule: str, reason: str, *, column: str | None = None, **figures: object) -> DataFinding:
    """Return a failing finding."""
    return DataFinding(rule=rule, column=column, result=Result.FAIL, reason=reason, figures=figures)


def codec_name(encoding: str) -> str:
    """Return the encoding's own name, or raise ``Unusable``."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise Unusable(
            failing(
                "encoding", f"There is no encoding called {encoding}; set data.encoding to one such as utf-8 or cp1252."
            )
        ) from None


def transcoded(order: Order, scratch: Path) -> tuple[tuple[SourceFile, ...], str]:
    """Return the files as UTF-8, as copies in *scratch* where they are not, and the encoding's own name."""
    encoding = codec_name(order.encoding)
    for file in order.files:
        _require_unpackable(file)
    if encoding in UTF8:
        return order.files, "utf-8"
    packed = [file.path for file in order.files if file.is_compressed]
    if packed:
        reason = f"{packed[0]} is packed and not utf-8; unpack it, or turn it into utf-8."
        raise Unusable(failing("encoding", reason, file=packed[0]))
    return tuple(_as_utf8(file, encoding, scratch / str(number)) for number, file in enumerate(order.files)), encoding


def _require_unpackable(file: SourceFile) -> None:
    if file.is_compressed:
        try:
            with open_content(file) as content:
                content.read(HEAD)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            reason = f"{file.path} cannot be unpacked: {error}."
            raise Unusable(failing("rows", reason, file=file.path)) from error


def _as_utf8(file: SourceFile, encoding: str, target: Path) -> SourceFile:
    try:
        with (
            io.TextIOWrapper(open_content(file), encoding=encoding, newline="") as text,
            target.open("w", encoding="utf-8", newline="") as copy,
        ):
            while chunk := text.read(CHUNK):
                copy.write(chunk)
    except UnicodeError:
        raise Unusable(_undecodable(file, encoding)) from None
    return SourceFile(path=file.path, content=target, size=target.stat().st_size)


def _undecodable(file: SourceFile, encoding: str) -> DataFinding:
    """Find the first byte that cannot be read."""
    decoder, line, position = codecs.getincrementaldecoder(encoding)(), 1, 0
    with open_content(file) as content:
        for row in content:
            try:
                decoder.decode(row)
            except UnicodeDecodeError as error:
                position += max(error.start, 0)
                byte = f"0x{error.object[error.start]:02X}"
                break
            line += 1
            position += len(row)
        else:
            byte = "the end"
    likely = "utf-16" if byte in ("0xFF", "0xFE") and position == 0 else "cp1252 or latin-1"
    hint = f"set data.encoding, such as {likely}" if encoding == "utf-8" else "set data.encoding to the right one"
    reason = f"{file.path} line {line} is not {encoding}: byte {position} is {byte}; {hint}."
    return failing("encoding", reason, file=file.path, line=line, byte=position)


def head_rows(file: SourceFile, delimiter: str, count: int = 50) -> list[list[str]]:
    """Return the first rows of *file* as they split at *delimiter*, or raise ``Unusable``."""
    with open_content(file) as content:
        head = content.read(HEAD)
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError:
        raise Unusable(_undecodable(file, "utf-8")) from None
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(islice((row for row in rows if row), count))
    except csv.Error as error:
        raise Unusable(failing("rows", f"{file.path} cannot be read near line {rows.line_num}: {error}.")) from None


def find_delimiter(file: SourceFile, order: Order) -> str:
    """Return the declared delimiter, or the one that fits; raise ``Unusable`` when another one fits better."""
    tried = {
        delimiter: head_rows(file, delimiter) for delimiter in dict.fromkeys((order.delimiter or ",", *DELIMITERS))
    }
    best = max(tried, key=lambda delimiter: _fit(tried[delimiter], order.target))
    if order.delimiter is None or best == order.delimiter:
        return best
    if _fit(tried[order.delimiter], order.target)[0] or len(tried[best][0]) < 2:
        return order.delimiter
    width = len(tried[best][0])
    reason = (
        f"{file.path} does not split at {WORDS.get(order.delimiter, repr(order.delimiter))}; at "
        f"{WORDS.get(best, repr(best))} it has {width} columns: set data.delimiter to {best!r}."
    )
    raise Unusable(failing("delimiter", reason, file=file.path, delimiter=best, columns=width))


def _fit(rows: Sequence[Sequence[str]], target: str | None) -> tuple[bool, float, int]:
    if not rows:
        return False, 0.0, 0
    width = len(rows[0])
    even = sum(len(row) == width for row in rows) / len(rows)
    return width > 1 if target is None else target in rows[0], even if width > 1 else 0.0, width


def read_header(file: SourceFile, delimiter: str) -> tuple[str, ...]:
    """Return the names in the first row, or raise ``Unusable``."""
    rows = head_rows(file, delimiter, 1)
    if not rows:
        raise Unusable(failing("header", f"{file.path} is empty: it has not even a header.", file=file.path))
    doubled = [name for name, count in Counter(rows[0]).items() if count > 1]
    if doubled:
        reason = f"{file.path} has more than one column called {doubled[0] or 'nothing'}; give each its own name."
        raise Unusable(failing("header", reason, column=doubled[0], file=file.path))
    return tuple(rows[0])


def read_csv(_database: Database, order: Order, scratch: Path) -> Table:
    """Return the CSV files as one table, or raise ``Unusable``."""
    files, encoding = transcoded(order, scratch)
    delimiter = find_delimiter(files[0], order)
    headers = {file: read_header(file, delimiter) for file in files}
    names = headers[files[0]]
    _compare_headers(headers, files[0])
    kinds = groupby(files, key=lambda file: (headers[file], file.is_compressed))
    groups = [(header, list(group)) for (header, _), group in kinds]

    def relation(group: Sequence[SourceFile], header: Sequence[str], reading: str) -> str:
        return _relation(group, [names.index(name) for name in header], delimiter, reading)

    return Table(
        names=names,
        types=(None,) * len(names),
        parts=tuple(
            TablePart(
                file=file,
                relation=relation([file], headers[file], LENIENT),
                order=tuple(names.index(name) for name in headers[file]),
            )
            for file in files
        ),
        relation=union([relation(group, header, LENIENT) for header, group in groups]),
        strict_relation=union([relation(group, header, STRICT) for header, group in groups]),
        head=relation([files[0]], names, HEADING),
        writing=f"FORMAT csv, DELIMITER {quote(delimiter)}",
        encoding=encoding,
    )


def _relation(files: Sequence[SourceFile], columns: Sequence[int], delimiter: str, reading: str) -> str:
    paths = ", ".join(quote(str(file.content)) for file in files)
    types = ", ".join(f"'c{number}': 'VARCHAR'" for number in columns)
    compression = "gzip" if files[0].is_compressed else "none"
    return (
        f"read_csv([{paths}], auto_detect = false, header = true, delim = {quote(delimiter)}, quote = '\"', "
        f"escape = '\"', columns = {{{types}}}, compression = '{compression}', {reading})"
    )


def _compare_headers(headers: dict[SourceFile, tuple[str, ...]], first: SourceFile) -> None:
    findings: list[DataFinding] = []
    for file, header in headers.items():
        missing = [name for name in headers[first] if name not in header]
        extra = [name for name in header if name not in headers[first]]
        if missing or extra:
            lacks = f" lacks {', '.join(missing)}" if missing else ""
            adds = f"{' and' if missing else ''} has {', '.join(extra)} besides" if extra else ""
            reason = f"{file.path}{lacks}{adds}, compared with {first.path}; all files need the same columns."
            findings.append(failing("schema", reason, column=(missing + extra)[0], file=file.path))
    if findings:
        raise Unusable(*findings[:20])


def broken_rows(database: Database, files: Sequence[SourceFile]) -> list[DataFinding]:
    """Return what the strict pass noted: rows with the wrong number of fields, and bytes that are no text."""
    noted = database.rows(
        "SELECT s.file_path, coalesce(e.line_byte_position, e.byte_position) AS start, min(e.error_type), "
        "min(e.error_message) FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) "
        "GROUP BY s.file_path, start ORDER BY s.file_path, start"
    )
    if not noted:
        return []
    path, position, kind, message = noted[0]
    file = next(file for file in files if str(file.content) == path)
    if any(kind == "INVALID ENCODING" for _, _, kind, _ in noted):
        return [_undecodable(file, "utf-8")]
    line, beginning = _line_at(file, int(position) - 1)
    several = f"{len(noted) if len(noted) < REJECTS else f'{REJECTS} or more'} rows cannot be read; the first is"
    words = "A row cannot be read:" if len(noted) == 1 else several
    reason = f"{words} {file.path} line {line} ({_why(str(kind), str(message))}): {beginning!r}."
    return [failing("rows", reason, file=file.path, line=line, broken=len(noted))]


def _why(kind: str, message: str) -> str:
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        expected, _, found = message.partition("Expected Number of Columns: ")[2].partition(" Found: ")
        return f"it has {found.strip()} fields where the header has {expected.strip()}"
    if kind == "UNQUOTED VALUE":
        return "a quotation mark is not closed or stands inside a value"
    return message.strip().rstrip(".").lower()


def _line_at(file: SourceFile, position: int) -> tuple[int, str]:
    """Return the number of the line of text that begins at *position* or after blank lines there, and its beginning."""
    line = 1
    with open_content(file) as content:
        while position > 0 and (chunk := content.read(min(CHUNK, position))):
            line += chunk.count(b"\n")
            position -= len(chunk)
        while not (text := content.readline(1000)).strip() and text:
            line += 1
    return line, text.decode("utf-8", "replace").rstrip("\r\n")[:80]
