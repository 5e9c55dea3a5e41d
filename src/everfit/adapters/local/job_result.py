"""How a job ended, as its folder tells."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from everfit.domain.job import JobFailure, JobState, JobStatus
from everfit.jobs.supervision.files import read_json, write_json
from everfit.jobs.supervision.json_values import mapping_of, number_of, text_of
from everfit.jobs.supervision.output import join_segments, last_lines

BLOCK = 1 << 16


def lose(folder: Path) -> dict[str, object]:
    """Write that a job is lost: nobody watches over it any more."""
    log = folder / "log"
    with suppress(OSError):
        join_segments(str(log))
    words = [*_last_lines(log), *_last_lines(folder / "supervisor.log")]
    spec = read_json(str(folder / "spec.json")) or {}
    message = f"{spec.get('program')} is gone without a result: its supervisor was killed or the machine went down."
    if words:
        message += "\nIts last lines:\n" + "\n".join(f"  {line}" for line in words)
    result: dict[str, object] = {"state": "failed", "failure": JobFailure.LOST.value, "message": message}
    # A folder that cannot be written to tells the same tale the next time.
    with suppress(OSError):
        write_json(str(folder / "result.json"), result, durable=True)
    return result


def _last_lines(file: Path) -> list[str]:
    with suppress(FileNotFoundError), file.open("rb") as text:
        text.seek(max(0, text.seek(0, os.SEEK_END) - BLOCK))
        return last_lines(text.read())
    return []


def status_of(folder: Path, result: Mapping[str, object]) -> JobStatus:
    """Return the content of ``result.json`` as a status."""
    state = JobState(result["state"])
    failure, memory = text_of(result.get("failure")), number_of(result.get("peak_memory"))
    return JobStatus(
        state=state,
        output=str(folder / "ml") if state is JobState.SUCCEEDED else None,
        failure=None if failure is None else JobFailure(failure),
        message=text_of(result.get("message")),
        claims={name: float(str(value)) for name, value in mapping_of(result.get("claims")).items()},
        seconds=number_of(result.get("seconds")),
        peak_memory=None if memory is None else int(memory),
        python=text_of(result.get("python")),
        python_version=text_of(result.get("python_version")),
        packages={name: str(value) for name, value in mapping_of(result.get("packages")).items()},
    )
