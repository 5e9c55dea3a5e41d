"""Let the user's own ``evaluate.py`` score each version: its numbers under its names.

It is called once a version, with ``--model DIR --holdout DIR --output DIR`` and the same in ``SM_MODEL_DIR``,
``SM_CHANNEL_HOLDOUT`` and ``SM_OUTPUT_DATA_DIR``, and writes ``evaluation.json`` into the output folder, which is new
and empty each time: numbers of an earlier run can never be read.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot, isfinite
from pathlib import Path
from typing import Any, Final, cast

from everfit.domain.errors import RequestError
from everfit.jobs.sides import Side

SINGLE_VALUES: Final = "evaluate.py gave no standard_error, so single values are compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFigure:
    """A number that the user's scorer wrote.

    Args:
        error: its standard error; None when the scorer gave none.
        rows: behind it; None when the scorer did not say.
    """

    value: float | None
    reason: str | None = None
    error: float | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnScores:
    """What the scorer wrote about one version, or *error* in words."""

    figures: Mapping[str, OwnFigure]
    slices: Mapping[str, Mapping[str, OwnFigure]] = field(default_factory=dict[str, Mapping[str, OwnFigure]])
    error: str | None = None

    def of(self, part: str | None) -> Mapping[str, OwnFigure]:
        """Return the figures of the whole holdout, or of a part."""
        return self.figures if part is None else self.slices.get(part, {})


def evaluate_custom(
    parameters: Mapping[str, Any], sides: Sequence[Side], work: Path, timeout: float
) -> dict[str, object]:
    """Return the evaluation by the user's scorer."""
    python = str(parameters.get("python") or sys.executable)
    holdout = str(parameters["holdout"])
    program = [python, str(parameters.get("evaluate") or "")]
    if any(side.evaluated is None and side.error is None for side in sides) and not Path(program[1]).is_file():
        raise RequestError(f"There is no evaluate script {parameters.get('evaluate')}; task: custom needs one.")
    scores = [_scores(side, program, holdout, work / side.name, timeout) for side in sides]
    rows = max((figure.rows or 0 for figure in scores[0].figures.values()), default=0)
    evaluation: dict[str, object] = {"rows": rows, "left_out": 0, "champion": None}
    for side, own in zip(sides, scores, strict=True):
        evaluation[side.name] = _side_json(side, own)
    confidence = float(parameters.get("confidence") or 0.95)
    wanted = cast("list[Mapping[str, Any]]", parameters.get("comparisons") or []) if len(sides) == 2 else []
    evaluation["comparisons"] = [{**entry, **_difference(scores, entry, confidence)} for entry in wanted]
    names = list(scores[0].figures) if len(sides) == 2 else []
    evaluation["difference"] = {
        name: _difference(scores, {"metric": name, "factor": 1.0, "offset": 0.0}, confidence) for name in names
    }
    return evaluation


def _scores(side: Side, program: Sequence[str], holdout: str, output: Path, timeout: float) -> OwnScores:
    if side.error is not None:
        return OwnScores(figures={}, error=side.error)
    if side.evaluated is not None:
        return _written(Path(side.evaluated))
    output.mkdir()
    environment = {
        **os.environ,
        "SM_MODEL_DIR": side.model,
        "SM_CHANNEL_HOLDOUT": holdout,
        "SM_OUTPUT_DATA_DIR": str(output),
    }
    arguments = ["--model", side.model, "--holdout", holdout, "--output", str(output)]
    try:
        ended = subprocess.run(
            [*program, *arguments],
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=Path(program[1]).parent,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return OwnScores(figures={}, error=f"evaluate.py had not ended after {timeout:g} s and was stopped")
    except OSError as failure:
        return OwnScores(figures={}, error=f"the interpreter {program[0]} does not start: {failure.strerror}")
    if ended.returncode != 0:
        return OwnScores(figures={}, error=f"evaluate.py ended with exit code {ended.returncode}; the log says why")
    return read_figures(output / "evaluation.json")


def _written(folder: Path) -> OwnScores:
    """Return what the scorer wrote in a job of its own."""
    error = folder / "error"
    if error.exists():
        return OwnScores(figures={}, error=error.read_text(encoding="utf-8"))
    return read_figures(folder / "evaluation.json")


def read_figures(path: Path) -> OwnScores:
    """Return the numbers in *path*: flat, below ``metrics``, or in SageMaker's groups."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return OwnScores(figures={}, error="evaluate.py wrote no evaluation.json into its output folder")
    except ValueError as error:
        return OwnScores(figures={}, error=f"evaluation.json is not readable: {error}")
    if not isinstance(document, dict):
        return OwnScores(figures={}, error="evaluation.json holds no object of metrics")
    written = cast("dict[str, object]", document)
    slices = cast("dict[str, object]", written.pop("slices", {}))
    figures = _figures(written)
    names = [name for name, _ in figures]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        return OwnScores(figures={}, error=f"evaluation.json names {', '.join(twice)} twice")
    if not figures:
        return OwnScores(figures={}, error="evaluation.json holds no number")
    return OwnScores(figures=dict(figures), slices={part: dict(_figures({part: slices[part]})) for part in slices})


def _figures(groups: Mapping[str, object]) -> list[tuple[str, OwnFigure]]:
    """Return what is a figure by itself or in a group, with its name."""
    found: list[tuple[str, object]] = []
    for item in groups.items():
        group = cast("dict[str, object]", item[1]) if isinstance(item[1], dict) else None
        found += [item] if group is None or "value" in group else group.items()
    figures = [(name, _figure(entry)) for name, entry in found]
    return [(name, figure) for name, figure in figures if figure is not None]


def _figure(entry: object) -> OwnFigure | None:
    """Return the figure; None for something else, such as a curve or a matrix."""
    details = cast("dict[str, object]", entry) if isinstance(entry, dict) else {"value": entry}
    if "value" not in details or isinstance(details["value"], list | dict | str):
        return None
    value = _number(details["value"])
    reason = None if value is not None else f"evaluate.py gave {details['value']!r}"
    rows = details.get("rows")
    return OwnFigure(
        value=value,
        reason=reason,
        error=_number(details.get("standard_error")),
        rows=rows if isinstance(rows, int) else None,
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _side_json(side: Side, own: OwnScores) -> dict[str, object]:
    return {
        "version": side.version,
        "metrics": _as_json(own.figures),
        "slices": {part: _as_json(figures) for part, figures in own.slices.items()},
        "error": own.error,
    }


def _as_json(figures: Mapping[str, OwnFigure]) -> dict[str, object]:
    return {
        name: {"value": figure.value, "reason": figure.reason, "rows": figure.rows} for name, figure in figures.items()
    }


def _difference(scores: Sequence[OwnScores], entry: Mapping[str, Any], confidence: float) -> dict[str, object]:
    """Return challenger - (champion * factor + offset), with an interval when both standard errors are known."""
    name, factor, offset = str(entry["metric"]), float(entry["factor"]), float(entry["offset"])
    unknown = (OwnFigure(value=None, reason=own.error) for own in scores)
    challenger, champion = (
        own.of(entry.get("slice")).get(name, missing) for own, missing in zip(scores, unknown, strict=True)
    )
    nothing = {"value": None, "low": None, "high": None}
    for side, figure in (("challenger", challenger), ("champion", champion)):
        if figure.value is None:
            return {**nothing, "reason": f"the {side} has no {name}: {figure.reason or 'evaluate.py gave none'}"}
    assert challenger.value is not None  # noqa: S101 - narrows the type after the loop
    assert champion.value is not None  # noqa: S101 - narrows the type after the loop
    value = challenger.value - (champion.value * factor + offset)
    if challenger.error is None or champion.error is None:
        return {"value": value, "low": None, "high": None, "reason": SINGLE_VALUES}
    from statistics import NormalDist  # noqa: PLC0415 - slow to import, and only an interval needs it

    # Without the rows the two cannot be paired, so their errors add up: the interval is rather too wide.
    half = NormalDist().inv_cdf((1 + confidence) / 2) * hypot(challenger.error, factor * champion.error)
    return {"value": value, "low": value - half, "high": value + half, "reason": None}
