"""What a version answered to the rows of the holdout, as predictions that can be judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from everfit.jobs.answers import UnjudgeableError
from everfit.jobs.judges import Judge, Predictions
from everfit.jobs.request_log import Reply, Request, read_replies, read_requests
from everfit.jobs.sides import Side, answers_of, latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What came of it: *predictions*, or *error* in words."""

    predictions: Predictions | None = None
    error: str | None = None
    latency: Mapping[str, object] = field(default_factory=dict[str, object])


def score(side: Side, requests: Path, judge: Judge[Any], timeout: float) -> Scored:
    """Send *requests* to the version, unless it has answered them already, and judge it; *timeout* is in seconds."""
    replies, problem = answers_of(side, requests, timeout)
    if problem is not None:
        return Scored(error=problem)
    try:
        predictions = judge.read(_answers(requests, replies))
    except UnjudgeableError as unjudgeable:
        return Scored(error=str(unjudgeable), latency=latency(replies))
    return Scored(predictions=predictions, latency=latency(replies))


def _answers(requests: Path, replies: Path) -> Iterator[tuple[Request, Reply]]:
    """Yield what was asked for its answer's content; how many were timed besides depends on the version's speed."""
    asked = (request for request in read_requests(requests) if not request.timed)
    answered = (reply for reply in read_replies(replies) if not reply.timed)
    for request, reply in zip_longest(asked, answered):
        if request is None or reply is None:
            raise UnjudgeableError("it did not answer each request once")
        yield request, reply
