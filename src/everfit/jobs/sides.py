"""Ask one version in a process of its own, and read how long its answers took."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final, cast

from everfit.jobs.request_log import read_replies
from everfit.serving.launch import command, single_threaded

CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"
TIMED_SECONDS: Final = 2.0
NOT_TIMED: Final[Mapping[str, object]] = {"p50": None, "p99": None, "samples": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A version to be scored.

    Args:
        name: ``CHALLENGER`` or ``CHAMPION``.
        model: folder of the unpacked artifact.
        python: interpreter that it runs in.
        script: handlers below its ``code``; None means the default.
        version: its number; None when it has none yet.
        error: why it cannot even be tried, such as an artifact that is not the one that was kept.
        answered: folder with what it answered in a job of its own; None when it is still to be asked.
        evaluated: folder with what the user's own scorer wrote about it in a job of its own.
    """

    name: str
    model: str
    python: str
    script: str | None
    version: int | None
    error: str | None = None
    answered: str | None = None
    evaluated: str | None = None


def side_from_json(name: str, data: Mapping[str, object]) -> Side:
    """Return the side that the parameters describe."""
    return Side(
        name=name,
        model=str(data["model"]),
        python=str(data.get("python") or sys.executable),
        script=cast("str | None", data.get("script")),
        version=cast("int | None", data.get("version")),
        error=cast("str | None", data.get("error")),
        answered=cast("str | None", data.get("answered")),
        evaluated=cast("str | None", data.get("evaluated")),
    )


def time_answers(side: Side, requests: Path, timeout: float) -> dict[str, object]:
    """Return how long the answers to timed *requests* take, or the reason why that is not known."""
    replies, problem = answers_of(side, requests, timeout)
    return latency(replies) if problem is None else {"reason": problem}


def answers_of(side: Side, requests: Path, timeout: float) -> tuple[Path, str | None]:
    """Return where the answers to *requests* lie, and what went wrong, or None; ask unless that was done already."""
    if side.error is not None:
        return requests, side.error
    if side.answered is not None:
        replies, error = Path(side.answered, "replies"), Path(side.answered, "error")
        if error.exists():
            return replies, error.read_text(encoding="utf-8")
        return replies, None if replies.exists() else "it left no answers"
    replies, error = requests.with_name(f"{side.name}.replies"), requests.with_name(f"{side.name}.error")
    return replies, run_scorer(side, (requests, replies, error), timeout)


def run_scorer(side: Side, paths: tuple[Path, Path, Path], timeout: float) -> str | None:
    """Run the scorer on requests, replies and error; return what went wrong, or None."""
    _, _, error = paths
    # No rule asks how fast the champion answers.
    seconds = TIMED_SECONDS if side.name == CHALLENGER else 0
    arguments = [side.model, side.script or "", *map(str, paths), str(seconds)]
    try:
        # In the process group of this job, so that whatever ends the job ends it as well.
        ended = subprocess.run(
            command(side.python, "everfit.jobs.score", *arguments),
            stdin=subprocess.DEVNULL,
            env=single_threaded(os.environ),
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it had not answered everything after {timeout:g} s and was stopped"
    except OSError as failure:
        return f"its interpreter {side.python} does not start: {failure.strerror}"
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        return f"its process was ended by {name} while it was asked; the log has its last words"
    if ended.returncode > 0:
        return f"its process ended with exit code {ended.returncode} while it was asked; the log has its last words"
    return error.read_text(encoding="utf-8") if error.exists() else None


def latency(replies: Path) -> dict[str, object]:
    """Return the median and the 99th percentile of the timed replies: the smallest time that so many stay within."""
    seconds = sorted(reply.seconds for reply in read_replies(replies) if reply.timed)
    if not seconds:
        return dict(NOT_TIMED)
    p50, p99 = (seconds[ceil(share * len(seconds)) - 1] for share in (0.5, 0.99))
    return {"p50": p50, "p99": p99, "samples": len(seconds)}
