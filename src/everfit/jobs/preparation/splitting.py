"""Splits a table: every row goes to its side, in its order, under its file's own name."""

import gzip
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from everfit.domain.check import DataFinding
from everfit.domain.holdout import CutoffChoice, Side, bounds, choose_cutoff
from everfit.jobs.preparation.delimited import CHUNK, failing
from everfit.jobs.preparation.measuring import key_of, moment_of
from everfit.jobs.preparation.order import Order
from everfit.jobs.preparation.tables import Database, Table, TablePart, quote, quote_name

SAMPLE_ROWS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """SQL conditions that tell which rows are on which side, and how many there are."""

    conditions: Mapping[Side, str]
    rows: Mapping[Side, int]
    cutoff: str | None = None


def identity_of(table: Table, order: Order) -> str:
    """Return SQL for what a row is known by: its id, or all of its values in the order of the columns' names."""
    whole = key_of(table, sorted(range(len(table.names)), key=lambda n: table.names[n]))
    if order.id is None:
        return whole
    return f"coalesce({table.text(table.number(order.id))}, {whole})"


def split(database: Database, table: Table, order: Order, rows: int) -> Split | list[DataFinding]:
    """Decide which rows are on which side; return failing findings when a side would be empty."""
    if order.time is None:
        found = _by_place(database, table, order)
    else:
        by_time = _by_time(database, table, order, rows)
        if isinstance(by_time, list):
            return by_time
        found = by_time
    empty = [side for side in (Side.TRAIN, Side.HOLDOUT) if not found.rows[side]]
    if empty:
        reason = f"No row of {rows} falls into the {empty[0].value} part; more rows or another data.holdout will help."
        return [failing("split", reason, rows=rows)]
    return found if order.sample is None else _sampled(database, table, order, found)


def _counted(database: Database, table: Table, conditions: Mapping[Side, str]) -> dict[Side, int]:
    wanted = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions.values())
    counts = database.row(f"SELECT {wanted} FROM {table.relation}")
    return dict(zip(conditions, (int(count) for count in counts), strict=True))


def _by_place(database: Database, table: Table, order: Order) -> Split:
    place = f"md5_number_lower({identity_of(table, order)})"
    limits = bounds(order.holdout, order.validation)
    conditions = {
        Side.TRAIN: f"{place} >= {limits.validation}::UBIGINT",
        Side.VALIDATION: f"{place} BETWEEN {limits.holdout}::UBIGINT AND {limits.validation - 1}::UBIGINT",
        Side.HOLDOUT: f"{place} < {limits.holdout}::UBIGINT",
    }
    return Split(conditions=conditions, rows=_counted(database, table, conditions))


def _by_time(database: Database, table: Table, order: Order, rows: int) -> Split | list[DataFinding]:
    moment = moment_of(table.text(table.number(str(order.time))), epoch=True)
    cutoff = _cutoff(database, table, moment, "true", order.holdout)
    if cutoff is None:
        reason = f"All {rows} rows have the same {order.time}: no newest part can be held out."
        return [failing("split", reason, column=order.time, rows=rows)]
    if order.cutoff is not None:
        cutoff = max(cutoff, order.cutoff)
    before = f"{moment} < {quote(cutoff)}::TIMESTAMP"
    inner = _cutoff(database, table, moment, before, order.validation) if order.validation else None
    start = quote(inner or cutoff) + "::TIMESTAMP"
    conditions = {
        Side.TRAIN: f"{moment} < {start}",
        Side.VALIDATION: f"{moment} >= {start} AND {before}",
        Side.HOLDOUT: f"{moment} >= {quote(cutoff)}::TIMESTAMP",
    }
    found = Split(conditions=conditions, rows=_counted(database, table, conditions), cutoff=cutoff)
    if not found.rows[Side.HOLDOUT]:
        reason = (
            f"No {order.time} is {cutoff} or later, where the holdout of earlier data began: newer rows are needed."
        )
        return [failing("split", reason, column=order.time, cutoff=cutoff)]
    return found


def _cutoff(database: Database, table: Table, moment: str, condition: str, share: float) -> str | None:
    source = f"(SELECT {moment} AS m FROM {table.relation} WHERE {condition})"
    at = database.row(f"SELECT quantile_disc(m, {1 - share}), count(m) FROM {source}")
    if at[0] is None:
        return None
    q = f"{quote(at[0].isoformat())}::TIMESTAMP"
    around = database.row(
        f"SELECT max(m) FILTER (WHERE m < {q}), min(m) FILTER (WHERE m >= {q}), min(m) FILTER (WHERE m > {q}) FROM {source}"
    )
    times = sorted({time for time in around if time is not None})
    wanted = ", ".join(f"count(*) FILTER (WHERE m >= {quote(time.isoformat())}::TIMESTAMP)" for time in times)
    counts = database.row(f"SELECT {wanted} FROM {source}")
    choices = [
        CutoffChoice(at=time.isoformat(timespec="microseconds"), rows=int(count))
        for time, count in zip(times, counts, strict=True)
    ]
    return choose_cutoff(choices, int(at[1]), share)


def _sampled(database: Database, table: Table, order: Order, found: Split) -> Split:
    pick = f"md5_number_lower('sample' || {identity_of(table, order)})"
    total = sum(found.rows.values())
    conditions = dict(found.conditions)
    share = max(order.sample or 0, SAMPLE_ROWS / total)
    for side, rows in found.rows.items():
        if rows:
            kept = min(1.0, math.ceil(share * rows) / rows)
            limit = database.row(
                f"SELECT quantile_disc({pick}, {kept}) FROM {table.relation} WHERE {found.conditions[side]}"
            )[0]
            conditions[side] = f"{found.conditions[side]} AND {pick} <= {limit}::UBIGINT"
    return Split(conditions=conditions, rows=_counted(database, table, conditions), cutoff=found.cutoff)


def write_sides(database: Database, table: Table, found: Split, output: Path, *, with_validation: bool) -> None:
    """Write the rows of each side below *output*, under the names and in the order of the user's files."""
    for side, condition in found.conditions.items():
        if side is Side.VALIDATION and not with_validation:
            continue
        for part in table.parts:
            target = output / side.value / part.file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(database, table, part, condition, target)


def _write(database: Database, table: Table, part: TablePart, condition: str, target: Path) -> None:
    names = [table.names[n] for n in part.order]
    compression = ", COMPRESSION gzip" if part.file.is_compressed and table.encoding == "utf-8" else ""
    if table.keeps_line:
        query, header = f"SELECT line FROM {part.relation} WHERE {condition}", ", HEADER false"
    elif table.strict_relation is None:
        selected = ", ".join(f"c{n} AS {quote_name(table.names[n])}" for n in part.order)
        query, header = f"SELECT {selected} FROM {part.relation} WHERE {condition}", ""
    else:
        # The header is a row of its own: DuckDB would change names that differ in their case only, or are empty.
        columns = ", ".join(f"c{n}" for n in part.order)
        query = f"SELECT {', '.join(quote(name) for name in names)} UNION ALL SELECT {columns} FROM {part.relation} WHERE {condition}"
        header = ", HEADER false"
    database.rows(f"COPY ({query}) TO {quote(str(target))} ({table.writing}{header}{compression})")
    if table.encoding != "utf-8":
        _encode(target, table.encoding, compressed=target.name.endswith(".gz"))


def _encode(path: Path, encoding: str, *, compressed: bool) -> None:
    plain = path.with_name(f"{path.name}.utf-8")
    path.rename(plain)
    opened = gzip.open(path, "wb") if compressed else path.open("wb")
    with plain.open(encoding="utf-8", newline="") as text, opened as raw:
        with io.TextIOWrapper(raw, encoding=encoding, newline="") as copy:  # type: ignore[arg-type]
            while chunk := text.read(CHUNK):
                copy.write(chunk)
    plain.unlink()
