"""Send every row of the holdout to both versions, judge what they answer, and compare."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from everfit.domain.errors import RequestError
from everfit.domain.metric import metrics_of
from everfit.jobs.comparison import WHOLE, Comparison, Plan, no_row
from everfit.jobs.figures import Figure
from everfit.jobs.holdout_rows import Holdout, write_requests
from everfit.jobs.holdout_source import Parameters, entries_of, source_of
from everfit.jobs.judges import Judge, Rows, label_judge, number_judge
from everfit.jobs.request_log import Request, read_requests
from everfit.jobs.scored import Scored, score
from everfit.jobs.sides import Side

LARGEST_SAMPLE: Final = 200_000


def evaluate_rows(parameters: Parameters, sides: Sequence[Side], requests: Path, timeout: float) -> dict[str, object]:
    """Return the evaluation of rows; what is asked is kept in *requests* meanwhile."""
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
