"""A controller may be killed at any of its calls: the next one goes on, and everything was done once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.application.ports import Ports
from tests.aws.bench.client import Bench
from tests.aws.installed import installed, left
from tests.aws.mortal import Lives, Point, Reaper, points
from tests.aws.stages import rows
from tests.aws.stages_made import ControllerStage
from tests.aws_bench import BUCKET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SHARES = 6
STORIES_AT_MOST = 3
"""For one share of the points; a point that is never reached in so many is none."""


def told(lives: Lives) -> Mapping[str, Any]:
    """Tell of a first model and of a better one, by whatever controllers there are, and return how it ended."""
    workspace, bucket = lives.workspace, lives.bench.client("s3")

    accepted: set[str] = set()

    def retrained(ports: Ports, name: str) -> None:
        stage = ControllerStage(workspace, ports, Path(workspace.folder), lives.clients)
        if name not in accepted:
            # Whoever asks does so again until he hears that it was accepted.
            stage.trigger(name)
            accepted.add(name)
        stage.settle()

    bucket.put_object(Bucket=BUCKET, Key="rows/a.csv", Body=rows().encode())
    lives.live(lambda ports: retrained(ports, "first"))
    bucket.put_object(Bucket=BUCKET, Key="rows/b.csv", Body=rows(first=100, count=300).encode())
    lives.live(lambda ports: retrained(ports, "second"))
    stage = ControllerStage(workspace, lives.ports(), Path(workspace.folder), lives.clients)
    return {**stage.ending(), **left(lives.bench)}


@dataclass(frozen=True)
class Undisturbed:
    """How the story ends when nobody dies, and where somebody could."""

    ending: Mapping[str, Any]
    points: Sequence[Point]


@pytest.fixture(scope="module")
def clients(bench_server: Bench, shared_clients: Clients) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as variables:
        for name, value in bench_server.environment().items():
            variables.setenv(name, value)
        yield shared_clients


@pytest.fixture(scope="module")
def undisturbed(bench_server: Bench, clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    reaper = Reaper(set())
    workspace, settings = installed(bench_server, clients, tmp_path_factory.mktemp("undisturbed") / "line")
    ended = told(Lives(bench=bench_server, clients=clients, workspace=workspace, settings=settings, reaper=reaper))
    return Undisturbed(ended, points(reaper.calls))


@pytest.mark.parametrize("share", [0, *(pytest.param(share, marks=pytest.mark.soak) for share in range(1, SHARES))])
def test_whoever_is_killed_at_a_call_is_followed_by_one_who_ends_as_if_nothing_had_happened(
    share: int, undisturbed: Undisturbed, bench_server: Bench, clients: Clients, tmp_path: Path
) -> None:
    assert undisturbed.ending["done"] == {
        "CreateEndpoint": 1,
        "UpdateEndpoint": 1,
        "CreateModelPackage": 2,
        "CreateTrainingJob": 2,
        "CreateProcessingJob": 7,
    }
    wanted = set(undisturbed.points[share::SHARES])
    for number in range(STORIES_AT_MOST):
        if wanted:
            # What is asked while something goes on is not asked at the same places each time.
            reaper = Reaper(wanted, is_strict=number == 0)
            workspace, settings = installed(bench_server, clients, tmp_path / f"line-{number}")
            ended = told(
                Lives(bench=bench_server, clients=clients, workspace=workspace, settings=settings, reaper=reaper)
            )
            assert ended == undisturbed.ending, reaper.deaths
    assert wanted == set()
