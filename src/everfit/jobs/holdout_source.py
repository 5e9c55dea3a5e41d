"""Where the holdout lies and how its rows are asked, as the parameters of the job say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

Parameters = Mapping[str, Any]

SCORED_FORMATS: Final = ("csv", "jsonl", "parquet", "images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the holdout lies and how it is read.

    Args:
        target: column that the model predicts; None for images, whose folder names it.
        time: column that orders a forecast.
        whole: all rows go in one request.
        slices: column -> values that are judged by themselves.
        kinds: column -> its type, as the prepare job reports it, for CSV; when empty, the types are found out.
    """

    folder: Path
    format: str
    target: str | None
    time: str | None
    content_type: str
    whole: bool = False
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    encoding: str = "utf-8"
    delimiter: str | None = None


def source_of(parameters: Parameters) -> Source:
    """Return where the holdout lies and how it is asked."""
    slices: dict[str, list[str]] = {}
    for entry in entries_of(parameters, "slices"):
        slices.setdefault(str(entry["column"]), []).extend(map(str, entry["values"]))
    return Source(
        folder=Path(parameters["holdout"]),
        format=parameters["format"],
        target=parameters.get("target"),
        time=parameters.get("time") if parameters["task"] == "forecast" else None,
        content_type=parameters.get("content_type") or "application/json",
        whole=parameters["task"] == "forecast",
        slices=slices,
        kinds={column["name"]: column["type"] for column in entries_of(parameters, "columns")},
        encoding=parameters.get("encoding") or "utf-8",
        delimiter=parameters.get("delimiter"),
    )


def entries_of(parameters: Parameters, name: str) -> list[Mapping[str, Any]]:
    """Return a list of the parameters; empty when it is not given."""
    return cast("list[Mapping[str, Any]]", parameters.get(name) or [])
