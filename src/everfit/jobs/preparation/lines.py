"""JSON Lines: one object per line, and every line is written as it was read."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from everfit.domain.check import DataFinding
from everfit.jobs.preparation.delimited import (
    LENIENT,
    STRICT,
    Unusable,
    broken_rows,
    failing,
    open_content,
    transcoded,
)
from everfit.jobs.preparation.order import Order, SourceFile
from everfit.jobs.preparation.tables import Database, Table, TablePart, quote

# No JSON text holds this byte, so every line is one value.
NOWHERE: Final = "\x01"


def read_lines(database: Database, order: Order, scratch: Path) -> Table:
    """Return the JSON Lines files as one table, or raise ``Unusable``."""
    files, encoding = transcoded(order, scratch)
    broken = database.row(
        "SELECT count_if(CASE WHEN json_valid(line) THEN json_type(line) <> 'OBJECT' ELSE true END) "
        f"FROM {_lines(files, STRICT)}"
    )[0]
    findings = broken_rows(database, files)
    if findings or broken:
        raise Unusable(*(findings or [_broken_line(files, broken)]))
    names = _names(database, files)
    if not names:
        raise Unusable(failing("rows", f"{files[0].path} holds no row.", rows=0))
    return Table(
        names=names,
        types=(None,) * len(names),
        parts=tuple(
            TablePart(file=file, relation=_relation([file], names), order=tuple(range(len(names)))) for file in files
        ),
        relation=_relation(files, names),
        strict_relation=None,
        writing=f"FORMAT csv, DELIMITER {quote(NOWHERE)}, QUOTE '', ESCAPE ''",
        encoding=encoding,
        keeps_line=True,
    )


def _lines(files: Sequence[SourceFile], reading: str) -> str:
    def scan(group: Sequence[SourceFile], compression: str) -> str:
        paths = ", ".join(quote(str(file.content)) for file in group)
        return (
            f"FROM read_csv([{paths}], auto_detect = false, header = false, delim = {quote(NOWHERE)}, quote = '', "
            f"escape = '', columns = {{'line': 'VARCHAR'}}, compression = '{compression}', {reading}) "
            "WHERE trim(line) <> ''"
        )

    packed = [file for file in files if file.is_compressed]
    plain = [file for file in files if not file.is_compressed]
    scans = [scan(group, kind) for group, kind in ((plain, "none"), (packed, "gzip")) if group]
    return f"({' UNION ALL '.join(scans)})"


def _relation(files: Sequence[SourceFile], names: Sequence[str]) -> str:
    pointers = ", ".join(quote("/" + name.replace("~", "~0").replace("/", "~1")) for name in names)
    values = ", ".join(f"v[{n + 1}] AS c{n}" for n in range(len(names)))
    inner = f"SELECT line, json_extract_string(line, [{pointers}]) AS v FROM {_lines(files, LENIENT)}"
    return f"(SELECT line, {values} FROM ({inner}))"


def _names(database: Database, files: Sequence[SourceFile]) -> tuple[str, ...]:
    """Return every key of any line; those of the first lines come first, in their order."""
    source = _lines(files, LENIENT)
    first = database.rows(f"SELECT json_keys(line) FROM {source} LIMIT 100")
    every = database.rows(f"SELECT DISTINCT unnest(json_keys(line)) AS k FROM {source} ORDER BY k")
    return tuple(dict.fromkeys([key for (keys,) in first for key in keys] + [key for (key,) in every]))


def _broken_line(files: Sequence[SourceFile], count: int) -> DataFinding:
    for file in files:
        with open_content(file) as content:
            for number, line in enumerate(content, start=1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text and not _is_object(text):
                    many = (
                        "A line is no JSON object:"
                        if count == 1
                        else f"{count} lines are no JSON objects; the first is"
                    )
                    reason = f"{many} {file.path} line {number}: {text[:80]!r}."
                    return failing("rows", reason, file=file.path, line=number, broken=count)
    return failing("rows", f"{count} lines are no JSON objects.", broken=count)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
