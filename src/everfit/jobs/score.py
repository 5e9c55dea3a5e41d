"""Ask one version every request of the evaluation, through its own serving code, in its own interpreter.

``score MODEL SCRIPT REQUESTS REPLIES ERROR SECONDS``: SCRIPT is empty for the default one. The timed requests, which
come last, are asked for about SECONDS, but ``FEWEST_TIMED`` of them in any case; for 0 SECONDS, none. What goes wrong
with the model is written to ERROR in one sentence; that is a result, so the exit code is 0. Standard library only.
"""

import sys
import time
import traceback
from pathlib import Path
from typing import Final

from everfit.jobs.request_log import Reply, read_requests, write_reply
from everfit.serving.handlers import LoadedModel, UnusableModelError, load

ACCEPT: Final = "application/json"
FEWEST_TIMED: Final = 20


def main(arguments: list[str]) -> None:
    """Score the version that *arguments* name."""
    model, script, requests, replies, error, seconds = arguments
    problem = _problem((model, script or None), Path(requests), Path(replies), float(seconds))
    if problem is not None:
        Path(error).write_text(problem, encoding="utf-8")


def _problem(version: tuple[str, str | None], requests: Path, replies: Path, patience: float) -> str | None:
    try:
        loaded = load(*version)
    except UnusableModelError as error:
        traceback.print_exc()
        return f"the model does not load: {error}"
    return _ask(loaded, requests, replies, patience)


def _ask(loaded: LoadedModel, requests: Path, replies: Path, patience: float) -> str | None:
    done = timed = 0
    spent = 0.0
    fewest = FEWEST_TIMED if patience else 0
    with replies.open("wb") as file:
        for request in read_requests(requests):
            if request.timed and timed >= fewest and spent >= patience:
                break
            start = time.perf_counter()
            try:
                body, content_type = loaded.invoke(request.body, request.content_type, ACCEPT)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the model's code raises is the result
                traceback.print_exc()
                return f"the model failed on {_place(done, request.rows)}: {type(error).__name__}: {error}"
            seconds = time.perf_counter() - start
            write_reply(file, Reply(body=body, content_type=content_type, seconds=seconds, timed=request.timed))
            if request.timed:
                timed, spent = timed + 1, spent + seconds
            else:
                done += request.rows
    return None


def _place(done: int, rows: int) -> str:
    return f"row {done + 1} of the holdout" if rows == 1 else f"rows {done + 1} to {done + rows} of the holdout"


if __name__ == "__main__":
    main(sys.argv[1:])
