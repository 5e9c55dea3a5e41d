"""Splits a table: every row goes to its side, in its order, under its file's own name."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

import io
import math
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from everfit.domain.check import DataFinding
from everfit.domain.holdout import CutoffChoice, Side, bounds, choose_cutoff
from everfit.jobs.preparation.delimited import CHUNK, failing
from everfit.jobs.preparation.order import Order
from everfit.jobs.preparation.tables import Database, Table, TablePart, quote, quote_name, union
from everfit.jobs.preparation.values import key_of, moment_of

SAMPLE_ROWS: Final = 50
REREAD_PARTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """SQL conditions that tell which rows are on which side; how many there are is known once they are written."""

    conditions: Mapping[Side, str]
    cutoff: str | None = None
    rows: Mapping[Side, int] = field(default_factory=dict[Side, int])


def identity_of(table: Table, order: Order) -> str:
    """Return SQL for what a row is known by: its id, or all of its values in the order of the columns' names."""
    whole = key_of(table, sorted(range(len(table.names)), key=lambda n: table.names[n]))
    if order.id is None:
        return whole
    return f"coalesce({table.text(table.number(order.id))}, {whole})"


def split(database: Database, table: Table, order: Order) -> Split | DataFinding:
    """Decide which rows are on which side; return a failing finding when that cannot be."""
    found = _by_place(table, order) if order.time is None else _by_time(database, table, order)
    if isinstance(found, DataFinding) or order.sample is None:
        return found
    return _sampled(database, table, order, found)


def _by_place(table: Table, order: Order) -> Split:
    place = f"md5_number_lower({identity_of(table, order)})"
    limits = bounds(order.holdout, order.validation)
    return Split(
        conditions={
            Side.TRAIN: f"{place} >= {limits.validation}::UBIGINT",
            Side.VALIDATION: f"{place} BETWEEN {limits.holdout}::UBIGINT AND {limits.validation - 1}::UBIGINT",
            Side.HOLDOUT: f"{place} < {limits.holdout}::UBIGINT",
        }
    )


def _by_time(database: Database, table: Table, order: Order) -> Split | DataFinding:
    moment = moment_of(table.text(table.number(str(order.time))), epoch=True)
    database.rows(f"CREATE TEMP TABLE moments AS SELECT {moment} AS m FROM {table.relation}")
    cutoff = _cutoff(database, "", order.holdout)
    if cutoff is None:
        reason = f"All rows have the same {order.time}: no newest part can be held out."
        return failing("split", reason, column=order.time)
    cutoff = max(cutoff, order.cutoff or cutoff)
    held = f"{quote(cutoff)}::TIMESTAMP"
    if not database.row(f"SELECT count(*) FROM moments WHERE m >= {held}")[0]:
        reason = (
            f"No {order.time} is {cutoff} or later, where the holdout of earlier data began: newer rows are needed."
        )
        return failing("split", reason, column=order.time, cutoff=cutoff)
    kept = _cutoff(database, f"WHERE m < {held}", order.validation) if order.validation else None
    start = f"{quote(kept or cutoff)}::TIMESTAMP"
    return Split(
        cutoff=cutoff,
        conditions={
            Side.TRAIN: f"{moment} < {start}",
            Side.VALIDATION: f"{moment} BETWEEN {start} AND {held} - INTERVAL 1 MICROSECOND",
            Side.HOLDOUT: f"{moment} >= {held}",
        },
    )


def _cutoff(database: Database, where: str, share: float) -> str | None:
    source = f"(FROM moments {where})"
    quantile, rows = database.row(f"SELECT quantile_disc(m, {1 - share}), count(m) FROM {source}")
    if quantile is None:
        return None
    at = f"{quote(quantile.isoformat())}::TIMESTAMP"
    sides = f"max(m) FILTER (WHERE m < {at}), min(m) FILTER (WHERE m > {at})"
    times = sorted({quantile, *(time for time in database.row(f"SELECT {sides} FROM {source}") if time is not None)})
    wanted = ", ".join(f"count_if(m >= {quote(time.isoformat())}::TIMESTAMP)" for time in times)
    counts = database.row(f"SELECT {wanted} FROM {source}")
    choices = [
        CutoffChoice(at=time.isoformat(timespec="microseconds"), rows=int(count))
        for time, count in zip(times, counts, strict=True)
    ]
    return choose_cutoff(choices, int(rows), share)


def _sampled(database: Database, table: Table, order: Order, found: Split) -> Split:
    """Keep about the asked share of each side, always the same rows, and never none of them."""
    pick = f"md5_number_lower('sample' || {identity_of(table, order)})"
    counted = ", ".join(f"count_if({condition})" for condition in found.conditions.values())
    counts = database.row(f"SELECT {counted} FROM {table.relation}")
    share = max(order.sample or 0, SAMPLE_ROWS / max(sum(counts), 1))
    conditions = dict(found.conditions)
    for (side, condition), rows in zip(found.conditions.items(), counts, strict=True):
        if rows:
            kept = min(1.0, math.ceil(share * rows) / rows)
            limit = database.row(f"SELECT quantile_disc({pick}, {kept}) FROM {table.relation} WHERE {condition}")[0]
            conditions[side] = f"{condition} AND {pick} <= {limit}::UBIGINT"
    return replace(found, conditions=conditions)


def write_sides(database: Database, table: Table, found: Split, output: Path, order: Order) -> Split | DataFinding:
    """Write the rows of each side below *output*, under the names and in the order of the user's files.

    A file of which a side has no row is not written there, unless that leaves the side without any file.
    Nothing is left there when a side that must have rows got none: then the failing finding is returned.
    """
    sides = [side for side in Side if side is not Side.VALIDATION or order.validation > 0]
    rows: dict[Side, int] = {}
    for side in sides:
        targets = {output / side.value / part.file.path: part for part in table.parts}
        written = {
            target: _write(database, table, part, found.conditions[side], target) for target, part in targets.items()
        }
        rows[side] = sum(written.values())
        for target in [target for target, count in written.items() if rows[side] and not count]:
            target.unlink()
        if not rows[side] and side is not Side.VALIDATION:
            for other in sides:
                shutil.rmtree(output / other.value, ignore_errors=True)
            reason = f"No row falls into the {side.value} part: more rows, or another data.holdout, are needed."
            return failing("split", reason)
    return replace(found, rows=rows)


def _write(database: Database, table: Table, part: TablePart, condition: str, target: Path) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    headers, header = 0, ""
    if table.keeps_line:
        query, header = f"SELECT line FROM {part.relation} WHERE {condition}", ", HEADER false"
    elif table.strict_relation is None:
        selected = ", ".join(f"c{n} AS {quote_name(table.names[n])}" for n in part.order)
        query = f"SELECT {selected} FROM {part.relation} WHERE {condition}"
    else:
        # The header is a row of its own: DuckDB would change names that differ in their case only, or are empty.
        names = ", ".join(quote(table.names[n]) for n in part.order)
        columns = ", ".join(f"c{n}" for n in part.order)
        query = f"SELECT {names} UNION ALL SELECT {columns} FROM {part.relation} WHERE {condition}"
        headers, header = 1, ", HEADER false"
    is_packed = part.file.is_compressed and table.encoding == "utf-8"
    options = f"{table.writing}{header}{', COMPRESSION gzip' if is_packed else ''}"
    written = database.row(f"COPY ({query}) TO {quote(str(target))} ({options})")[0]
    if table.encoding != "utf-8":
        _encode(target, table.encoding)
    return int(written) - headers


def _encode(path: Path, encoding: str) -> None:
    plain = path.with_name(f"{path.name}.utf-8")
    path.rename(plain)
    with ExitStack() as stack:
        text = stack.enter_context(plain.open(encoding="utf-8", newline=""))
        raw = stack.enter_context(path.open("wb"))
        copy = stack.enter_context(io.TextIOWrapper(raw, encoding=encoding, newline=""))
        while chunk := text.read(CHUNK):
            copy.write(chunk)
    plain.unlink()


def training_rows(table: Table, found: Split, output: Path) -> str:
    """Return SQL for the training rows: what was written, or the source where that cannot be read so easily."""
    if table.encoding != "utf-8" or len(table.parts) > REREAD_PARTS:
        return f"(FROM {table.relation} WHERE {found.conditions[Side.TRAIN]})"
    written = [(part, output / Side.TRAIN.value / part.file.path) for part in table.parts]
    return union(
        part.relation.replace(quote(str(part.file.content)), quote(str(target)))
        for part, target in written
        if target.exists()
    )
