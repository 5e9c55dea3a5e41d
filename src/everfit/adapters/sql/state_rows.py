"""Every row of a database as lines of JSON, and back into an empty one of either kind.

Both kinds have the same tables and columns, so that what one wrote the other reads. Tables come in the order in which
the migrations make them: what is referred to is there before what refers to it.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, assert_never, cast

from everfit.adapters.sql.database import Database, Kind, Statements

MADE: Final = re.compile(r"^create table (?:if not exists )?(\w+)", re.MULTILINE | re.IGNORECASE)
DROPPED: Final = re.compile(r"^drop table (?:if exists )?(\w+)", re.MULTILINE | re.IGNORECASE)
BYTES: Final = "$bytes"


def tables_of(migrations: Sequence[Path]) -> Sequence[str]:
    """Return the tables that the migrations leave, each after those that it refers to."""
    found: dict[str, None] = {}
    for path in migrations:
        script = path.read_text(encoding="utf-8")
        found |= dict.fromkeys(MADE.findall(script))
        for dropped in DROPPED.findall(script):
            found.pop(dropped, None)
    return tuple(found)


def lines_of(rows: Statements, table: str) -> Iterator[bytes]:
    """Yield each row of the table as a line of JSON."""
    for row in rows.each(f"select * from {table}"):  # noqa: S608 - named by a migration
        plain = {name: _plain(value) for name, value in row.items()}
        yield json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def is_empty(rows: Statements, tables: Sequence[str]) -> bool:
    """Tell whether no table holds a row."""
    return all(rows.one(f"select 1 from {table} limit 1", {}) is None for table in tables)  # noqa: S608


def fill(rows: Statements, table: str, lines: Iterator[bytes], change: Callable[[str], str]) -> int:
    """Write the rows into the table and return how many there are.

    Args:
        change: is given each text before it is written.
    """
    count = 0
    for line in lines:
        values = {name: _value(value, change) for name, value in json.loads(line).items()}
        names = ", ".join(_checked(name) for name in values)
        marks = ", ".join(f":{name}" for name in values)
        rows.write(f"insert into {table} ({names}) values ({marks})", values)  # noqa: S608
        count += 1
    return count


def counters(database: Database, rows: Statements) -> Mapping[str, int]:
    """Return the last number that each counted table gave out, also when that row is gone."""
    match database.kind:
        case Kind.SQLITE:
            found = rows.all("select name, seq from sqlite_sequence", {})
            return {row["name"]: row["seq"] for row in found if row["seq"]}
        case Kind.POSTGRES:
            return {name: last for name, counter in _counted(rows) if (last := _last(rows, counter))}
        case _:
            assert_never(database.kind)


def set_counters(database: Database, rows: Statements, given: Mapping[str, int]) -> None:
    """Have each counted table go on where it was."""
    match database.kind:
        case Kind.SQLITE:
            for name, last in given.items():
                rows.write("delete from sqlite_sequence where name = :name", {"name": name})
                rows.write(
                    "insert into sqlite_sequence (name, seq) values (:name, :last)", {"name": name, "last": last}
                )
        case Kind.POSTGRES:
            for name, counter in _counted(rows):
                if name in given:
                    rows.one("select setval(:counter, :last)", {"counter": counter, "last": given[name]})
        case _:
            assert_never(database.kind)


def _counted(rows: Statements) -> Sequence[tuple[str, str]]:
    found = rows.all(
        "select table_name as name, pg_get_serial_sequence(quote_ident(table_name), column_name) as counter"
        " from information_schema.columns where table_schema = current_schema() and is_identity = 'YES'",
        {},
    )
    return [(row["name"], row["counter"]) for row in found]


def _last(rows: Statements, counter: str) -> int:
    row = rows.one(f"select last_value, is_called from {counter}", {})  # noqa: S608 - named by Postgres
    return int(row["last_value"]) if row is not None and row["is_called"] else 0


def _plain(value: object) -> object:
    return {BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _value(value: Any, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    return base64.b64decode(cast("Mapping[str, str]", value)[BYTES]) if isinstance(value, dict) else value


def _checked(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"{name!r} names no column")
    return name
