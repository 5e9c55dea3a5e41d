"""What an endpoint of SageMaker promises, against the bench."""

from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.pace import Pace
from tests.aws.bench.client import Bench, until
from tests.aws.hosted import Hosted, shifted
from tests.integration.served_models import Models, proof


@pytest.fixture
def hosted(bench: Bench, aws_clients: Clients, tmp_path: Path) -> Hosted:
    return Hosted(bench=bench, clients=aws_clients, models=Models(home=tmp_path))


def test_the_first_version_makes_the_endpoint_and_the_next_moves_it_in_place(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    shifted(endpoints, hosted.version(2))
    answer = endpoints.invoke("solar", b"7", "text/csv", "text/plain")
    assert (answer.status, answer.body, answer.version) == (200, b"2:2:7", 2)
    assert len(hosted.updates()) == 1


def test_who_has_no_patience_looks_at_once_however_seldom_others_look(hosted: Hosted) -> None:
    endpoints, version = hosted.endpoints(pace=Pace(interval=timedelta(hours=1))), hosted.version(1)
    endpoints.stage("solar", version, fence=1)
    assert not endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=1)
    assert not endpoints.wait("solar", timedelta(milliseconds=1)), "the next look is in an hour"
    until(lambda: endpoints.wait("solar", timedelta(0)), "SageMaker is done")
    assert endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=1)
