"""What an endpoint of SageMaker promises, against the bench."""

from pathlib import Path

import pytest

from everfit.adapters.aws.clients import Clients
from tests.aws.bench.client import Bench
from tests.aws.hosted import Hosted, shifted
from tests.integration.served_models import Models


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
