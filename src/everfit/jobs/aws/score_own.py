"""Let the user's own ``evaluate.py`` score one version, in the image that the version was trained in.

Reads ``own`` of ``input/config/job.json`` below ``SAGEMAKER_BASE_DIR``; the script writes ``output/evaluation.json``. A
script that fails is a result, told in ``output/error``, so the exit code is 0. Runs in the training image: Python 3.7,
standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from everfit.jobs.aws.launch import PIP
from everfit.jobs.aws.score import UnusableError, place_model


def main() -> None:
    """Score the version of this job."""
    work = Path(os.environ["SAGEMAKER_BASE_DIR"])
    given = json.loads((work / "input/config/job.json").read_text(encoding="utf-8"))["own"]
    output = work / "output"
    output.mkdir(parents=True, exist_ok=True)
    model, holdout = work / "model", work / given["holdout"]
    holdout.mkdir(parents=True, exist_ok=True)
    try:
        place_model(work / given["archive"], model, given.get("sha256"))
        install(model / "code/requirements.txt")
        run_script(work / given["script"], (str(model), str(holdout), str(output)), float(given["timeout"]))
    except UnusableError as error:
        print(error, file=sys.stderr, flush=True)
        (output / "error").write_text(str(error), encoding="utf-8")
    (output / "done").write_text("done", encoding="utf-8")


def install(requirements: Path) -> None:
    """Install what the version was trained with, if it says so."""
    if not requirements.is_file():
        return
    ended = subprocess.run([sys.executable, *PIP, "-r", str(requirements)], stdin=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        raise UnusableError(f"its requirements could not be installed (exit code {ended.returncode}); the log says why")


def run_script(script: Path, folders: tuple[str, str, str], timeout: float) -> None:
    """Call the script with the folders of the model, the holdout and the output."""
    model, holdout, output = folders
    names = {"SM_MODEL_DIR": model, "SM_CHANNEL_HOLDOUT": holdout, "SM_OUTPUT_DATA_DIR": output}
    arguments = ["--model", model, "--holdout", holdout, "--output", output]
    try:
        ended = subprocess.run(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **names},
            cwd=str(script.parent),
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnusableError(f"evaluate.py had not ended after {timeout:g} s and was stopped") from error
    if ended.returncode != 0:
        raise UnusableError(f"evaluate.py ended with exit code {ended.returncode}; the log says why")


if __name__ == "__main__":
    main()
