"""The bench that stands in for AWS, for every suite that has an AWS side; it is loaded when a test asks for it.

Each process of tests starts one server and resets it between tests.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from tests.aws.bench.client import Bench

BUCKET = "everfit-bench"
REGION = "us-east-1"


@pytest.fixture(scope="session")
def bench_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Bench]":
    """The bench of this process of tests; most tests want ``bench``."""
    pytest.importorskip("boto3", reason="boto3 is not installed (the extra aws)")
    from tests.aws.bench.client import RunningBench  # noqa: PLC0415

    with RunningBench(tmp_path_factory.mktemp("bench")) as running:
        yield running


@pytest.fixture
def bench(bench_server: "Bench") -> "Bench":
    """A bench on which nothing has happened yet."""
    bench_server.reset()
    return bench_server


@pytest.fixture
def aws_environment(bench: "Bench") -> Mapping[str, str]:
    """The variables with which an unchanged program works against the bench."""
    return bench.environment()


@pytest.fixture(scope="session")
def shared_clients(bench_server: "Bench") -> "Iterator[Clients]":
    """Clients that serve a whole session: making them takes longer than most tests."""
    from everfit.adapters.aws.clients import Clients  # noqa: PLC0415
    from tests.aws.bench import strict  # noqa: PLC0415

    clients = Clients(REGION, prepare=strict.install)
    with pytest.MonkeyPatch.context() as variables:
        for name, value in bench_server.environment().items():
            variables.setenv(name, value)
        clients("s3")
    yield clients
    clients("s3").close()


@pytest.fixture
def aws_clients(
    shared_clients: "Clients", aws_environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> "Clients":
    """The product's own clients, each call of which is checked before it is sent; there is a bucket for them."""
    for name, value in aws_environment.items():
        monkeypatch.setenv(name, value)
    shared_clients("s3").create_bucket(Bucket=BUCKET)
    return shared_clients
