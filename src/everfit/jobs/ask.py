"""Write what the evaluation will ask, right after the data was prepared: a program that runs inside a job.

Reads the parameters of the prepare job and its ``output/report.json``, and writes ``output/requests/requests`` beside
the holdout. So whoever asks a version needs neither the holdout nor Everfit. Where nothing can be asked nothing is
written, and the evaluation says why.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from everfit.domain.errors import RequestError
from everfit.domain.metric import CUSTOM
from everfit.jobs.holdout_source import SCORED_FORMATS, source_of

REQUESTS: Final = "requests/requests"


def main() -> None:
    """Write the requests below ``SAGEMAKER_BASE_DIR``."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    parameters = json.loads((base / "input/config/parameters.json").read_text(encoding="utf-8"))
    output = base / "output"
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    try:
        write(parameters, report, output)
    except (RequestError, OSError, UnicodeDecodeError) as error:
        # The evaluation meets it as well, and there it belongs to a verdict.
        (output / REQUESTS).unlink(missing_ok=True)
        print(error, file=sys.stderr)


def write(parameters: Mapping[str, Any], report: Mapping[str, Any], output: Path) -> None:
    """Write the requests for the holdout below *output*, if there is one of rows or images."""
    holdout = output / "holdout"
    if not holdout.is_dir() or parameters["format"] not in SCORED_FORMATS:
        return
    from everfit.jobs.holdout_rows import write_requests, write_timed_requests  # noqa: PLC0415 - only here are rows read

    source = source_of({**parameters, "holdout": str(holdout), "columns": report["columns"]})
    target = output / REQUESTS
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        if parameters["task"] == CUSTOM:
            write_timed_requests(source, file, inline=True)
        else:
            write_requests(source, file, inline=True)


if __name__ == "__main__":
    main()
