"""Parquet: the file itself says what its values are."""

# ruff: noqa: S608 - every text of the user's goes through quote or quote_name

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from everfit.domain.check import ColumnType, DataFinding
from everfit.jobs.preparation.delimited import Unusable, failing
from everfit.jobs.preparation.order import Order, SourceFile
from everfit.jobs.preparation.tables import Database, Table, TablePart, UnreadableError, quote, quote_name, union

TYPES: Final[Mapping[str, ColumnType]] = {
    "BOOLEAN": ColumnType.BOOLEAN,
    "DATE": ColumnType.TIME,
    "FLOAT": ColumnType.NUMBER,
    "DOUBLE": ColumnType.NUMBER,
} | dict.fromkeys(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    ColumnType.INTEGER,
)


def read_parquet(database: Database, order: Order, _scratch: Path) -> Table:
    """Return the Parquet files as one table, or raise ``Unusable``."""
    schemas = {file: _schema(database, file) for file in order.files}
    first = schemas[order.files[0]]
    findings = [finding for file, schema in schemas.items() for finding in _differences(file, schema, first, order)]
    if findings:
        raise Unusable(*findings[:20])
    names = tuple(first)
    parts = tuple(
        TablePart(file=file, relation=_relation([file], names), order=tuple(names.index(name) for name in schema))
        for file, schema in schemas.items()
    )
    alike = all(list(schema.items()) == list(first.items()) for schema in schemas.values())
    return Table(
        names=names,
        types=tuple(_widest([schema[name] for schema in schemas.values()]) for name in names),
        parts=parts,
        relation=_relation(order.files, names) if alike else union(part.relation for part in parts),
        strict_relation=None,
        writing="FORMAT parquet",
    )


def _schema(database: Database, file: SourceFile) -> dict[str, str]:
    try:
        described = database.rows(f"DESCRIBE FROM read_parquet({quote(str(file.content))})")
        return {str(name): str(kind) for name, kind, *_ in described}
    except UnreadableError as error:
        cause = str(error).splitlines()[0].replace(str(file.content), file.path)
        raise Unusable(failing("rows", f"{file.path} cannot be read as Parquet: {cause}", file=file.path)) from error


def column_type(kind: str) -> ColumnType:
    """Return what the values of a column of DuckDB's type *kind* are."""
    if kind.startswith("DECIMAL"):
        return ColumnType.NUMBER
    return ColumnType.TIME if kind.startswith("TIMESTAMP") else TYPES.get(kind, ColumnType.TEXT)


def _widest(kinds: Sequence[str]) -> ColumnType:
    found = {column_type(kind) for kind in kinds}
    return found.pop() if len(found) == 1 else ColumnType.NUMBER


def _differences(
    file: SourceFile, schema: Mapping[str, str], first: Mapping[str, str], order: Order
) -> list[DataFinding]:
    beginning = order.files[0].path
    reasons = [(name, f"{file.path} lacks {name}, which {beginning} has") for name in first if name not in schema]
    reasons += [(name, f"{file.path} has {name}, which {beginning} lacks") for name in schema if name not in first]
    for name, kind in schema.items():
        then, now = column_type(first.get(name, kind)), column_type(kind)
        if not (then.holds(now) or now.holds(then)):
            reasons.append((name, f"{name} is {now.value} in {file.path} and {then.value} in {beginning}"))
    return [
        failing("schema", f"{reason}; all files need the same columns.", column=name, file=file.path)
        for name, reason in reasons
    ]


def _relation(files: Sequence[SourceFile], names: Sequence[str]) -> str:
    paths = ", ".join(quote(str(file.content)) for file in files)
    columns = ", ".join(f"{quote_name(name)} AS c{n}" for n, name in enumerate(names))
    return f"(SELECT {columns} FROM read_parquet([{paths}]))"
