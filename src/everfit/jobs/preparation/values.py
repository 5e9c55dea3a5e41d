"""SQL that tells what a text says: a number, a time, a truth; and the passes that ask for it."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Any, Final

from everfit.jobs.preparation.tables import Database, Table, quote

VALUE: Final = re.compile(r"\b([tdbme])(\d+)\b")
MONTH_FIRST: Final = tuple(
    f"%m/%d/%Y{clock}" for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f")
)
DAY_FIRST: Final = tuple(f"%d.%m.%Y{clock}" for clock in ("", " %H:%M", " %H:%M:%S"))


def number_of(text: str) -> str:
    """Return SQL for the number that *text* says, or NULL."""
    return f"TRY_CAST({text} AS DOUBLE)"


def moment_of(text: str, *, epoch: bool = False) -> str:
    """Return SQL for the time (UTC) that *text* says, or NULL.

    Args:
        epoch: whether plain numbers are times too: years, days such as 20240131, else seconds, milliseconds,
            microseconds or nanoseconds since 1970, told apart by their size.
    """
    formats = ", ".join(quote(form) for form in (*MONTH_FIRST, *DAY_FIRST))
    # Most texts are too short for an offset or end in seconds; the dearer questions are for the others only.
    is_zoned = (
        f"strlen({text}) > 15 AND NOT ({text}[-3] = ':' AND {text}[-6] = ':') "
        f"AND regexp_matches({text}, ':.*[0-9][+-][0-9]{{2}}(:?[0-9]{{2}})?$')"
    )
    forms = [
        f"CASE WHEN {is_zoned} THEN CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP) "
        f"ELSE TRY_CAST({text} AS TIMESTAMP) END",
        *([_numbered(text)] if epoch else []),
        f"TRY_STRPTIME({text}, [{formats}])",
    ]
    return f"coalesce({', '.join(forms)})"


def _numbered(text: str) -> str:
    value = number_of(text)
    return (
        f"CASE WHEN regexp_full_match({text}, '(19|20)[0-9]{{2}}') THEN TRY_STRPTIME({text}, '%Y') "
        f"WHEN regexp_full_match({text}, '(19|20)[0-9]{{6}}') THEN TRY_STRPTIME({text}, '%Y%m%d') "
        f"WHEN abs({value}) < 1e17 THEN make_timestamp(CAST({value} * CASE WHEN abs({value}) < 1e11 THEN 1000000 "
        f"WHEN abs({value}) < 1e14 THEN 1000 ELSE 1 END AS BIGINT)) "
        f"WHEN abs({value}) < 1e19 THEN make_timestamp(CAST({value} / 1000 AS BIGINT)) END"
    )


def boolean_of(text: str) -> str:
    """Return SQL for the truth that *text* says, or NULL."""
    return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"


def plain(value: object) -> object:
    """Return *value* as JSON can hold it."""
    match value:
        case datetime():
            return value.isoformat()
        case Decimal():
            return float(value)
        case float() if not isfinite(value):
            return str(value)
        case _:
            return value


def key_of(table: Table, numbers: Sequence[int]) -> str:
    """Return SQL for the text that a row is known by: its values, in the order of *numbers*."""
    return "concat_ws(chr(31), " + ", ".join(f"coalesce({table.raw(n)}, '')" for n in numbers) + ")"


def typed(table: Table, source: str, wanted: str) -> str:
    """Return SQL for the rows of *source* and what *wanted* names of each column's text, number, truth and times.

    ``t3 d3 b3 m3 e3`` are those of column 3; ``e3`` reads plain numbers as times too.
    """
    # A user's own text in *wanted* may look like a name; that costs a little and changes nothing.
    found = {(kind, int(number)) for kind, number in VALUE.findall(wanted)}
    named = {(kind, n) for kind, n in found if n < len(table.names)}
    texts = [f"{table.text(n)} AS t{n}" for n in sorted({n for _, n in named})]
    readers: Mapping[str, Callable[[str], str]] = {
        "d": number_of,
        "b": boolean_of,
        "m": moment_of,
        "e": partial(moment_of, epoch=True),
    }
    values = [f"{readers[kind](f't{n}')} AS {kind}{n}" for kind, n in sorted(named) if kind != "t"]
    return f"(SELECT {', '.join(['*', *values])} FROM (SELECT {', '.join(['*', *texts])} FROM {source}))"


class Pass:
    """One pass over a table: aggregates that were asked for by name."""

    def __init__(self) -> None:
        self._wanted: dict[str, str] = {}

    def want(self, aggregate: str) -> str:
        """Ask for *aggregate*; return the name of its answer."""
        return self._wanted.setdefault(aggregate, f"a{len(self._wanted)}")

    def run(self, database: Database, table: Table, source: str) -> dict[str, Any]:
        """Read *source*, rows of *table*, once."""
        wanted = ", ".join(f"{aggregate} AS {name}" for aggregate, name in self._wanted.items())
        return dict(
            zip(
                self._wanted.values(), database.row(f"SELECT {wanted} FROM {typed(table, source, wanted)}"), strict=True
            )
        )
