"""What a prepare job was asked for, and the files that it may read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from everfit.domain.check import DataRule, parse_check
from everfit.domain.errors import RunFailedError
from everfit.domain.schema import Column
from everfit.domain.snapshot import object_path

LEAST_ROWS: Final = 10
"""Fewer rows than this are not worth a split."""

SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "csv": (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz"),
    "parquet": (".parquet", ".pq"),
    "jsonl": (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of the snapshot.

    Args:
        path: as the user knows it, relative to the data source.
        content: where its content lies; the name tells nothing.
    """

    path: str
    content: Path
    size: int
    digest: str = ""

    @property
    def is_compressed(self) -> bool:
        """Whether the content is packed with gzip."""
        return self.path.lower().endswith(".gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that ``parameters.json`` says.

    Args:
        columns: as the first approved version learnt them; empty before there is one.
        labels: in the order that every model counts them; empty before there is one.
        cutoff: the holdout starts here or later, never earlier.
        sample: share of the rows for a dry run; None means all.
        now: what freshness is measured against.
    """

    files: tuple[SourceFile, ...]
    left_out: tuple[str, ...]
    format: str
    target: str | None
    time: str | None
    id: str | None
    holdout: float
    validation: float
    encoding: str
    delimiter: str | None
    rules: tuple[DataRule, ...]
    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    cutoff: str | None
    task: str
    sample: float | None
    now: datetime

    @property
    def has_labels(self) -> bool:
        """Whether the target is a class."""
        return self.target is not None and self.task == "classification"


def read_order(path: Path) -> Order:
    """Read the parameters of the job; raise ``RunFailedError`` or ``RuleError`` when they cannot be used."""
    try:
        given = json.loads(path.read_bytes())
        return _order(given)
    except OSError as error:
        raise RunFailedError(f"{error.filename or path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFailedError(f"The parameters or the manifest of the job cannot be used: {error!r}.") from error


def _order(given: Mapping[str, Any]) -> Order:
    format_ = str(given["format"])
    files, left_out = read_manifest(Path(str(given["manifest"])), Path(str(given["objects"])), format_)
    reference: Mapping[str, Any] = given.get("reference") or {}
    sample = given.get("sample")
    return Order(
        files=files,
        left_out=left_out,
        format=format_,
        target=_text(given, "target"),
        time=_text(given, "time"),
        id=_text(given, "id"),
        holdout=float(given.get("holdout", 0.2)),
        validation=float(given.get("validation", 0.1)),
        encoding=_text(given, "encoding") or "utf-8",
        delimiter=_text(given, "delimiter"),
        rules=tuple(parse_check(str(text)) for text in given.get("checks") or ()),
        columns=tuple(Column.read(column) for column in reference.get("columns") or ()),
        labels=tuple(str(label) for label in reference.get("labels") or ()),
        cutoff=_text(given, "cutoff"),
        task=_text(given, "task") or "custom",
        sample=None if sample is None else float(sample),
        now=_moment(_text(given, "now")),
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    return None if value is None or value == "" else str(value)


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_manifest(manifest: Path, objects: Path, format_: str) -> tuple[tuple[SourceFile, ...], tuple[str, ...]]:
    """Return the files of the format, and the paths of those that are left out for their name."""
    entries = json.loads(manifest.read_bytes())["files"]
    files = [
        SourceFile(
            path=str(entry["path"]),
            content=objects / object_path(entry["digest"]),
            size=int(entry["size"]),
            digest=str(entry["digest"]),
        )
        for entry in entries
        if not any(part.startswith(".") for part in str(entry["path"]).split("/"))
    ]
    if any(".." in file.path.split("/") or file.path.startswith("/") for file in files):
        raise RunFailedError(f"The manifest {manifest} names a file outside the data source.")
    fitting = [file for file in files if file.path.lower().endswith(SUFFIXES.get(format_, ("",)))] or files
    chosen = set(fitting)
    return tuple(fitting), tuple(file.path for file in files if file not in chosen)
