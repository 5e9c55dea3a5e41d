"""What a run's jobs have printed, as it is printed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from everfit.domain.errors import NotFoundError
from everfit.domain.job import JobState
from everfit.domain.run import RunId, RunState
from everfit.interfaces.api import requested
from everfit.interfaces.api.callers import Reads
from everfit.interfaces.api.described import problems
from everfit.interfaces.api.hub import Hub
from everfit.interfaces.api.problems import Refusal
from everfit.interfaces.api.reading import run_of

ROUTES = APIRouter()
BLOCK: Final = 64_000
PAUSE: Final = 0.25
"""Seconds between two looks at whether more was printed."""


class JobStep(Enum):
    """The steps that run as jobs."""

    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"


@dataclass(slots=True)
class Followers:
    """How many logs are followed now."""

    most: int
    count: int = field(default=0)

    def check(self) -> None:
        """Raise ``Refusal`` when there is no place for one more."""
        if self.count >= self.most:
            raise Refusal(429, f"{self.most} logs are followed already. Try again later.", {"Retry-After": "10"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What was printed since the last look; ``is_last`` when nothing more can come."""

    output: bytes
    is_last: bool


@ROUTES.get(
    "/v1/runs/{run}/logs",
    tags=["runs"],
    response_class=StreamingResponse,
    responses={
        **problems(404),
        200: {"description": "The output.", "content": {"text/plain": {"example": "epoch 1 loss=0.41\n"}}},
    },
)
async def logs(
    run: requested.RunPath,
    call: Reads,
    step: Annotated[JobStep, Query(description="Whose output.")] = JobStep.TRAIN,
    follow: Annotated[bool, Query(description="Go on until the job has ended.")] = False,
) -> StreamingResponse:
    """Return what a job of the run has printed; with *follow*, go on until it has ended."""
    found = await run_in_threadpool(run_of, run, call)
    job = f"{found.id}-{step.value}"
    state = (await run_in_threadpool(call.hub.ports.jobs.observe, job)).state
    if state is JobState.UNKNOWN and (not follow or found.state is RunState.ENDED):
        raise NotFoundError(f"The run {run} has started no {step.value} job.")
    followers: Followers = call.request.app.state.followers
    if follow:
        followers.check()
    stream = _stream(found.id, job, call.hub, followers if follow else None)
    return StreamingResponse(stream, media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


async def _stream(run: RunId, job: str, hub: Hub, followers: Followers | None) -> AsyncIterator[bytes]:
    start, end = 0, hub.seconds() + hub.limits.longest.total_seconds()
    if followers is not None:
        followers.count += 1
    try:
        while True:
            printed = await run_in_threadpool(_printed, run, job, start, hub)
            start += len(printed.output)
            if printed.output:
                yield printed.output
                continue
            if followers is None or printed.is_last or hub.health().is_draining or hub.seconds() > end:
                return
            await asyncio.sleep(PAUSE)
    finally:
        if followers is not None:
            followers.count -= 1


def _printed(run: RunId, job: str, start: int, hub: Hub) -> Printed:
    """Return at most one block; whether the job has ended is asked before, so that its last words are not missed."""
    ports = hub.ports
    state = ports.jobs.observe(job).state
    has_ended = state is not JobState.RUNNING
    if state is JobState.UNKNOWN:
        return Printed(output=b"", is_last=ports.store.run(run).state is RunState.ENDED)
    output = next(iter(ports.jobs.log(job, start)), b"")[:BLOCK]
    return Printed(output=output, is_last=has_ended)
