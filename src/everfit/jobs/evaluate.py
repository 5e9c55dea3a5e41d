"""Score challenger and champion on the same holdout and compare them: a program that runs inside a job.

Reads ``input/config/parameters.json`` below ``SAGEMAKER_BASE_DIR`` and writes ``output/evaluation.json``. A version
that cannot be scored is a result; only a holdout that cannot be judged by anybody ends the job with an error.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from everfit.domain.errors import RequestError
from everfit.domain.metric import CUSTOM
from everfit.jobs.custom_evaluation import evaluate_custom
from everfit.jobs.holdout_source import SCORED_FORMATS, Parameters, Source, source_of
from everfit.jobs.sides import CHALLENGER, NOT_TIMED, Side, side_from_json, time_answers

# A side that hangs must leave time for the other one; the job has its own limit besides.
SIDE_TIMEOUT: Final = 3600.0


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
        from everfit.jobs.row_evaluation import evaluate_rows  # noqa: PLC0415 - a scorer of the user's own needs no NumPy

        return evaluate_rows(parameters, sides, Path(work) / "requests", timeout)


def _evaluate_own(parameters: Parameters, sides: Sequence[Side], work: Path, timeout: float) -> dict[str, object]:
    """Return what the user's scorer says; how long an answer takes is measured as for every task."""
    evaluation = evaluate_custom(parameters, sides, work, timeout)
    source = source_of(parameters)
    for side in sides:
        latency = _latency(source, side, work / "requests", timeout) if side.name == CHALLENGER else NOT_TIMED
        cast("dict[str, object]", evaluation[side.name])["latency"] = dict(latency)
    return evaluation


def _latency(source: Source, side: Side, requests: Path, timeout: float) -> Mapping[str, object]:
    if source.format not in SCORED_FORMATS:
        return {**NOT_TIMED, "reason": f"latency is not measured for data of format {source.format}"}
    from everfit.jobs.holdout_rows import write_timed_requests  # noqa: PLC0415 - only here are rows read

    with requests.open("wb") as file:
        write_timed_requests(source, file)
    return {**NOT_TIMED, **time_answers(side, requests, timeout)}


if __name__ == "__main__":
    main()
