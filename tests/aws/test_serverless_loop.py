"""The loop with nothing of ours running: packed functions, a state machine, a queue and rules, on the bench."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from everfit.domain.run import Outcome, Run
from everfit.domain.trigger import EventEnd
from tests.aws.bench.client import until
from tests.aws.serverless_bench import LONG, ServerlessBench
from tests.aws.stages import rows

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from tests.aws.bench.client import Bench

GROUP = "line"
pytestmark = pytest.mark.soak
"""Bursts, events that come twice and approvals in the console are in the stories of ``test_equivalence`` as well."""


def started(stack: ServerlessBench) -> Run:
    """Let passes go by until a run is there, and return it."""

    def found() -> list[Run]:
        runs = list(stack.runs())
        if not runs:
            stack.tick()
        return runs

    return until(found, "a run", LONG)[0]


def serving(stack: ServerlessBench) -> dict[int, float]:
    state = stack.kept.ports.endpoints.describe("line")
    return {} if state is None else dict(state.weights)


def test_a_burst_of_fifty_objects_becomes_one_model_that_serves_though_each_event_comes_twice(
    bench: "Bench", aws_clients: "Clients"
) -> None:
    bench.set(duplicate_events=2)
    stack = ServerlessBench(bench, aws_clients, quiet="3s")
    for number in range(50):
        stack.put(f"{number:02}.csv", rows(first=10 * number, count=10))
    run = started(stack)
    (ended,) = stack.ended()
    assert (ended.id, ended.outcome, ended.version, serving(stack)) == (run.id, Outcome.DEPLOYED, 1, {1: 1.0})
    assert stack.at_rest() == {run.id: "SUCCEEDED"}
    records = stack.kept.ports.inbox.events(run=run.id)
    # A listing may have told of the same files, by what is new in all of them.
    named = {record.event.detail["key"] for record in records if "key" in record.event.detail}
    assert named == {f"rows/{number:02}.csv" for number in range(50)}
    assert sorted({record.end.value for record in records}) == [EventEnd.MERGED.value, EventEnd.RAN.value]
    assert len(bench.calls("sagemaker", "CreateTrainingJob")) == 1
    assert len(bench.calls("sagemaker", "CreateEndpoint")) == 1


def test_an_approval_given_in_the_console_deploys_what_was_asked_about(bench: "Bench", aws_clients: "Clients") -> None:
    stack = ServerlessBench(bench, aws_clients, approval="manual")
    stack.put("a.csv", rows())
    asked = until(lambda: [run for run in stack.runs() if run.outcome is Outcome.NEEDS_APPROVAL], "a question", LONG)[0]
    assert stack.at_rest() == {asked.id: "SUCCEEDED"}
    assert serving(stack) == {}
    sagemaker = bench.client("sagemaker")
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    for _ in range(2):
        sagemaker.update_model_package(ModelPackageArn=package["ModelPackageArn"], ModelApprovalStatus="Approved")
    (run,) = stack.ended()
    assert (run.id, run.outcome, serving(stack)) == (asked.id, Outcome.DEPLOYED, {1: 1.0})
    assert set(stack.at_rest()) == {asked.id, f"{asked.id}-2"}
    assert len(bench.calls("sagemaker", "CreateEndpoint")) == 1


def processes(bench: "Bench", handler: str) -> list[int]:
    """Return the processes of this bench in which a function runs."""
    found: list[int] = []
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                is_one = handler.encode() in (place / "cmdline").read_bytes()
                is_here = f"AWS_ENDPOINT_URL={bench.address}".encode() in (place / "environ").read_bytes()
            except OSError:
                continue
            found += [int(place.name)] * (is_one and is_here)
    return found


@pytest.mark.slow
def test_a_function_that_is_killed_when_its_training_has_begun_starts_no_second_one(
    bench: "Bench", aws_clients: "Clients"
) -> None:
    """Slow, since the lease of what was killed has to run out."""
    stack = ServerlessBench(bench, aws_clients)
    hung = bench.hang("sagemaker", "CreateTrainingJob", moment="after")
    stack.put("a.csv", rows())
    until(lambda: bench.hangs(hung), "the training's start", LONG)
    for process in processes(bench, "everfit.interfaces.lambdas.step"):
        os.kill(process, signal.SIGKILL)
    bench.release(hung)
    (run,) = stack.ended()
    assert (run.outcome, serving(stack)) == (Outcome.DEPLOYED, {1: 1.0})
    assert stack.at_rest() == {run.id: "SUCCEEDED"}
    names = [job["TrainingJobName"] for job in bench.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]]
    assert [name.endswith(f"{run.id}-train") for name in names] == [True]
