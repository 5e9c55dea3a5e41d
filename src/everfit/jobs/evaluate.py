"""Score challenger and champion on the same holdout and compare them: a program that runs inside a job.

Reads ``input/config/parameters.json`` below ``SAGEMAKER_BASE_DIR`` and writes ``output/evaluation.json``. A version
that cannot be scored is a result; only a holdout that cannot be judged by anybody ends the job with an error.
"""

import base64
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from everfit.domain.errors import RequestError
from everfit.domain.metric import CUSTOM, metrics_of
from everfit.jobs.comparison import WHOLE, Comparison, Plan, no_row
from everfit.jobs.custom_evaluation import evaluate_custom
from everfit.jobs.figures import Figure
from everfit.jobs.holdout_rows import SCORED_FORMATS, Holdout, Source, write_requests, write_timed_requests
from everfit.jobs.judges import Judge, Rows, label_judge, number_judge
from everfit.jobs.request_log import Request, read_requests
from everfit.jobs.sides import Scored, Side, score, side_from_json, time_answers

Parameters = Mapping[str, Any]

# A side that hangs must leave time for the other one; the job has its own limit besides.
SIDE_TIMEOUT: Final = 3600.0
LARGEST_SAMPLE: Final = 200_000


def main() -> None:
    """Run the job."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    parameters = json.loads((base / "input/config/parameters.json").read_text(encoding="utf-8"))
    output = base / "output"
    output.mkdir(parents=True, exist_ok=True)
    try:
        evaluation = evaluate(parameters, base)
    except (RequestError, OSError, UnicodeDecodeError) as error:
        (output / "failure").write_text(str(error), encoding="utf-8")
        sys.exit(str(error))
    text = json.dumps(evaluation, allow_nan=False, ensure_ascii=False, indent=1)
    (output / "evaluation.json").write_text(text, encoding="utf-8")


def evaluate(parameters: Parameters, folder: Path) -> dict[str, object]:
    """Return the evaluation; *folder* takes temporary files."""
    sides = [side_from_json("challenger", parameters["challenger"])]
    if parameters.get("champion") is not None:
        sides.append(side_from_json("champion", parameters["champion"]))
    timeout = float(parameters.get("timeout") or SIDE_TIMEOUT)
    with tempfile.TemporaryDirectory(prefix="evaluate-", dir=folder) as work:
        if parameters["task"] == CUSTOM:
            return _evaluate_own(parameters, sides, Path(work), timeout)
        return _evaluate_rows(parameters, sides, Path(work) / "requests", timeout)


def _evaluate_own(parameters: Parameters, sides: Sequence[Side], work: Path, timeout: float) -> dict[str, object]:
    """Return what the user's scorer says; how long an answer takes is measured as for every task."""
    evaluation = evaluate_custom(parameters, sides, work, timeout)
    requests, source = work / "requests", source_of(parameters)
    for side in sides:
        latency: dict[str, object] = {"p50": None, "p99": None, "samples": 0}
        if source.format not in SCORED_FORMATS:
            latency["reason"] = f"latency is not measured for data of format {source.format}"
        else:
            with requests.open("wb") as file:
                write_timed_requests(source, file)
            latency |= time_answers(side, requests, timeout)
        cast("dict[str, object]", evaluation[side.name])["latency"] = latency
    return evaluation


def _evaluate_rows(parameters: Parameters, sides: Sequence[Side], requests: Path, timeout: float) -> dict[str, object]:
    with requests.open("wb") as file:
        holdout = write_requests(source_of(parameters), file)
    rows = len(holdout.actual)
    if not rows:
        raise RequestError(f"The holdout has no row with a value of {parameters['target']!r}; nothing can be scored.")
    judge = judge_of(parameters, holdout)
    scored = [score(side, requests, judge, timeout) for side in sides]
    parts: dict[str, Rows] = {WHOLE: np.arange(rows)}
    parts |= {part: np.array(places, dtype=np.int64) for part, places in holdout.parts.items()}
    plan = Plan(
        resamples=parameters.get("resamples") or Plan().resamples,
        confidence=parameters.get("confidence") or Plan().confidence,
        seed=parameters.get("seed") or 0,
    )
    comparison = Comparison(judge, parts, scored, plan)
    names = [metric.name for metric in metrics_of(parameters["task"])]
    evaluation: dict[str, object] = {"rows": rows, "left_out": holdout.left_out, "champion": None}
    evaluation["sample"] = sample_of(requests)
    for place, side in enumerate(sides):
        evaluation[side.name] = _side_json(comparison, place, (side, scored[place]), parts, names)
    is_pair = len(sides) == 2
    wanted = entries_of(parameters, "comparisons") if is_pair else []
    evaluation["comparisons"] = [comparison.comparison(entry) for entry in wanted]
    evaluation["difference"] = {name: comparison.difference(name, WHOLE, 1.0, 0.0) for name in names if is_pair}
    return evaluation


def sample_of(requests: Path) -> dict[str, object] | None:
    """Return a small request of the evaluation, for the endpoint to try."""
    found: Request | None = None
    for request in read_requests(requests):
        if len(request.body) <= LARGEST_SAMPLE and (found is None or request.rows < found.rows):
            found = request
    if found is None:
        return None
    try:
        body, is_base64 = found.body.decode(), False
    except UnicodeDecodeError:
        body, is_base64 = base64.b64encode(found.body).decode(), True
    return {"body": body, "is_base64": is_base64, "content_type": found.content_type}


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


def judge_of(parameters: Parameters, holdout: Holdout) -> Judge[Any]:
    """Return the judge for the task."""
    match parameters["task"]:
        case "classification":
            return label_judge(holdout.actual, parameters.get("labels"))
        case "regression":
            return number_judge(holdout.actual, None)
        case "forecast":
            return number_judge(holdout.actual, holdout.times)
        case task:
            raise RequestError(f"Everfit cannot evaluate the task {task!r}.")


def _side_json(
    comparison: Comparison, place: int, side: tuple[Side, Scored], parts: Mapping[str, Rows], names: Sequence[str]
) -> dict[str, object]:
    whom, scored = side
    figures: dict[str, dict[str, object]] = {}
    for part, rows in parts.items():
        known = comparison.figures(place, part)
        reason = scored.error or (None if len(rows) else no_row(part))
        missing = Figure(value=None, reason=reason, rows=len(rows))
        figures[part] = {name: known.get(name, missing).as_json() for name in names}
    return {
        "version": whom.version,
        "metrics": figures.pop(WHOLE),
        "slices": figures,
        "latency": dict(scored.latency),
        "error": scored.error,
    }


if __name__ == "__main__":
    main()
